"""The closed table of clients: how each is started at a load, and how its own figures are read.

A client is given its own folder to write to. What it reports is taken as it reports it, but for
specseal and the bare client, which report raw times only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.client.environments import PEERS, peer_environment
from benchmarks.client.points import INPUT_TOKENS, Point

from specseal.records import read_records
from truth.clients import client_command, prompt, write_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a client says, or what the truth is."""

    requests: int
    mean_ttft_s: float
    p99_ttft_s: float
    mean_step_s: float
    """Mean time between two chunks of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Where a client is to run, at which load, against which port."""

    point: Point
    port: int
    folder: Path
    cache: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client."""

    name: str
    command: Callable[[Call], list[str]]
    """Write what it needs into the call's folder, and return its command line."""
    read: Callable[[Call], Figures]


def figures(ttft_s: list[float], step_s: list[float]) -> Figures:
    """Return the figures of raw times, one of each a request."""
    return Figures(
        requests=len(ttft_s),
        mean_ttft_s=float(np.mean(ttft_s)),
        p99_ttft_s=float(np.percentile(ttft_s, 99)),
        mean_step_s=float(np.mean(step_s)),
    )


def _specseal_command(call: Call) -> list[str]:
    job = write_job(
        call.folder / "in",
        [prompt(number) for number in range(call.point.requests)],
        concurrency=call.point.concurrency,
        max_tokens=call.point.tokens,
        counts={"source": "none"},
    )
    out = call.folder / "out"
    out.mkdir()
    return client_command(job, out, call.port)


def _read_specseal(call: Call) -> Figures:
    records = read_records(call.folder / "out" / "records.jsonl")
    return figures(
        [(one.chunk_ns[0] - one.submit_ns) / 1e9 for one in records],
        [
            (one.chunk_ns[-1] - one.chunk_ns[0]) / 1e9 / max(1, len(one.chunk_ns) - 1)
            for one in records
        ],
    )


def _bare_command(call: Call) -> list[str]:
    point = call.point
    return [
        sys.executable, "-m", "benchmarks.client.bare", "--port", str(call.port),
        "--concurrency", str(point.concurrency), "--requests", str(point.requests),
        "--tokens", str(point.tokens), "--out", str(call.folder / "bare.json"),
    ]  # fmt: skip


def _read_bare(call: Call) -> Figures:
    return figures(**json.loads((call.folder / "bare.json").read_text()))


def _vllm_command(call: Call) -> list[str]:
    point = call.point
    environment = peer_environment("vllm", call.cache)
    return [
        str(environment / "bin" / "python"), str(PEERS / "vllm_bench_serve.py"),
        "--backend", "openai", "--base-url", f"http://127.0.0.1:{call.port}", "--model", "truth",
        "--tokenizer", str(_write_tokenizer(call.folder)), "--dataset-name", "random",
        "--random-input-len", str(INPUT_TOKENS), "--random-output-len", str(point.tokens),
        "--num-prompts", str(point.requests), "--max-concurrency", str(point.concurrency),
        "--ignore-eos", "--disable-tqdm", "--percentile-metrics", "ttft,itl",
        "--metric-percentiles", "99", "--save-result", "--result-dir", str(call.folder),
        "--result-filename", "vllm.json",
    ]  # fmt: skip


def _read_vllm(call: Call) -> Figures:
    said = json.loads((call.folder / "vllm.json").read_text())
    return Figures(
        requests=said["completed"],
        mean_ttft_s=said["mean_ttft_ms"] / 1e3,
        p99_ttft_s=said["p99_ttft_ms"] / 1e3,
        mean_step_s=said["mean_itl_ms"] / 1e3,
    )


def _aiperf_command(call: Call) -> list[str]:
    point = call.point
    environment = peer_environment("aiperf", call.cache)
    prompts = call.folder / "prompts.jsonl"
    rows = ({"text": " ".join(_words(number))} for number in range(point.requests))
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        str(environment / "bin" / "aiperf"), "profile", "--model", "truth",
        "--url", f"http://127.0.0.1:{call.port}", "--endpoint-type", "completions", "--streaming",
        "--concurrency", str(point.concurrency), "--request-count", str(point.requests),
        "--tokenizer", str(_write_tokenizer(call.folder)), "--use-server-token-count",
        "--input-file", str(prompts), "--custom-dataset-type", "single-turn",
        "--extra-inputs", f"max_tokens:{point.tokens}", "--extra-inputs", "ignore_eos:true",
        "--ui", "none", "--no-gpu-telemetry", "--no-server-metrics",
        "--artifact-dir", str(call.folder / "aiperf"),
    ]  # fmt: skip


def _read_aiperf(call: Call) -> Figures:
    said = json.loads((call.folder / "aiperf" / "profile_export_aiperf.json").read_text())
    return Figures(
        requests=int(said["request_count"]["avg"]),
        mean_ttft_s=said["time_to_first_token"]["avg"] / 1e3,
        p99_ttft_s=said["time_to_first_token"]["p99"] / 1e3,
        mean_step_s=said["inter_token_latency"]["avg"] / 1e3,
    )


def _words(number: int) -> list[str]:
    return [f"w{1 + (number * INPUT_TOKENS + at) % 255}" for at in range(INPUT_TOKENS)]


def _write_tokenizer(folder: Path) -> Path:
    """Write a tokenizer of 256 words, w1 to w255; the peers don't start without any."""
    words = {"<unk>": 0, **{f"w{number}": number for number in range(1, 256)}}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    into = folder / "tokenizer"
    into.mkdir()
    (into / "tokenizer.json").write_text(json.dumps(tokenizer))
    (into / "tokenizer_config.json").write_text(json.dumps(settings))
    return into


CLIENTS = (
    Client(name="bare protocol client", command=_bare_command, read=_read_bare),
    Client(name="specseal", command=_specseal_command, read=_read_specseal),
    Client(name="vllm bench serve", command=_vllm_command, read=_read_vllm),
    Client(name="aiperf", command=_aiperf_command, read=_read_aiperf),
)
