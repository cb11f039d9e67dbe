"""The client's llama.cpp dialect against the real server.

The fixture `llamacpp_server(N)` starts one with draft length N (0: no speculation).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from specseal.client.__main__ import main
from specseal.engines import LaunchRequest, engine
from specseal.lock import Draft, keep_first_layers
from specseal.records import (
    JobStatus,
    Record,
    Snapshot,
    read_records,
    read_snapshots,
    read_status,
)

pytestmark = [pytest.mark.engine, pytest.mark.slow]

StartServer = Callable[..., AbstractContextManager[int]]

DRAFT_LENGTH = 4
MAX_TOKENS = 48
PROMPTS = "prompts-0123456789ab"
SPECULATION = "llamacpp:spec_decode_num"
COUNTS = {
    "source": "prometheus",
    "path": "/metrics",
    "names": {
        "drafts": f"{SPECULATION}_drafts_total",
        "draft_tokens": f"{SPECULATION}_draft_tokens_total",
        "accepted_tokens": f"{SPECULATION}_accepted_tokens_total",
        "output_tokens": "llamacpp:tokens_predicted_total",
        "prompt_tokens": "llamacpp:prompt_tokens_total",
    },
    "per_position": {
        "name": f"{SPECULATION}_accepted_tokens_per_pos_total",
        "label": "position",
    },
    "in_flight": ["llamacpp:requests_processing", "llamacpp:requests_deferred"],
}
SAMPLING = {
    "temperature": 0,
    "top_p": 1,
    "top_k": 0,
    "seed": 0,
    "stop": [],
    "ignore_eos": False,
    "max_tokens": MAX_TOKENS,
}
DIALOGUES = [
    {
        "id": "repeat",
        "category": "writing",
        "turns": ["Write the word river ten times, then again ten times.", "Once more, please."],
    },
    {"id": "emoji", "category": "multilingual", "turns": ["Repeat: 🧪👌🧪👌🧪👌🧪👌🧪👌"]},
    {"id": "short", "category": "qa", "turns": ["Say only the word yes."]},
]
NAMES = [row["id"] for row in DIALOGUES]


def run_client(folder: Path, port: int, job: dict[str, Any], **rows: list[dict[str, Any]]) -> Path:
    whole = {
        "schema": "specseal/job/1",
        "server": {"health_path": "/health", "deadline_s": 120},
        "dialect": "llamacpp",
        "readback": {"props": "/props", "slots": "/slots"},
        "readback_after": {"slots": "/slots"},
        "silence_timeout_s": 120,
        **job,
    }
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "in" / "job.json").write_text(json.dumps(whole))
    for name, items in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in items)
        (folder / "in" / f"{PROMPTS if name == 'prompts' else name}.jsonl").write_text(text)
    arguments = ["--in", f"{folder}/in", "--out", f"{folder}/out", "--port", str(port)]
    assert main(arguments) == 0
    return folder / "out"


def encode(folder: Path, port: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    out = run_client(folder, port, {"task": "encode"}, conversations=DIALOGUES)
    prompts = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    return prompts, json.loads((out / "tokenizer.json").read_text())


def measure(
    folder: Path,
    port: int,
    prompts: list[dict[str, Any]],
    *,
    concurrency: int,
    **changes: Any,
) -> tuple[tuple[Record, ...], Snapshot, Snapshot]:
    phase = {
        "name": "c",
        "measured": True,
        "load": {"mode": "closed", "concurrency": concurrency},
        "prompts": f"{PROMPTS}.jsonl",
        "sampling": SAMPLING,
        "conversations": NAMES,
        "offsets_ns": [],
    }
    job = {
        "task": "measure",
        "counts": COUNTS,
        "stop_ids": [2],
        "phases": [{**phase, "name": "warmup", "measured": False}, phase],
        **changes,
    }
    out = run_client(folder, port, job, prompts=prompts)
    status = read_status(out / "status.json")
    assert status is not None
    assert "build_info" in status.engine["props"]
    before, after = read_snapshots(out / "counts.jsonl")
    assert before.settled
    assert after.settled
    return read_records(out / "records.jsonl"), before, after


def not_streamed(port: int, ids: list[int]) -> list[int]:
    """Return the ids of a greedy answer that is given at once, with nothing held back."""
    body = {
        "prompt": ids,
        "n_predict": MAX_TOKENS,
        "temperature": 0,
        "samplers": ["temperature"],
        "cache_prompt": False,
        "return_tokens": True,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        tokens: list[int] = json.load(response)["tokens"]
    return tokens


def test_prompts_are_encoded_by_the_engines_own_template(
    llamacpp_server: StartServer, tmp_path: Path
) -> None:
    with llamacpp_server(0) as port:
        prompts, tokenizer = encode(tmp_path / "a", port)
        again, _ = encode(tmp_path / "b", port)
    assert prompts == again
    assert [row["id"] for row in prompts] == NAMES
    assert tokenizer["stop_ids"] == [2]
    assert tokenizer["history_not_rewritten"] is False
    assert tokenizer["bos_doubled"] is False
    first, (between,) = prompts[0]["first"], prompts[0]["between"]
    assert first[0] == 1, "<|im_start|>, rendered by the template, once"
    assert first[1] != 1
    assert between[0] == 2, "<|im_end|> closes the answer"


@pytest.fixture(scope="module")
def first_layers(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 8 of the model's 30 layers, as a drafter."""
    (model,) = model_folder.glob("*.gguf")
    drafter = tmp_path_factory.mktemp("drafter") / "drafter.gguf"
    keep_first_layers(model, 8, drafter)
    return drafter


def asked(**changes: Any) -> LaunchRequest:
    """Return what the fixture asks of a server, and what this test changes."""
    engine_ = {"context_length": 4096, "family": "cpu"}
    usual: dict[str, Any] = {"method": "ngram", "draft_length": DRAFT_LENGTH, "drafter_args": {}}
    return LaunchRequest(**{**usual, "max_sequences": 4, "engine": engine_, **changes})


def status_of(folder: Path) -> JobStatus:
    status = read_status(folder / "out" / "status.json")
    assert status is not None
    return status


@pytest.mark.parametrize("concurrency", [1, 3])
def test_records_agree_with_the_engines_own_counters(
    llamacpp_server: StartServer, tmp_path: Path, concurrency: int
) -> None:
    with llamacpp_server(DRAFT_LENGTH) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        records, before, after = measure(tmp_path / "run", port, prompts, concurrency=concurrency)
    check_counts(records, before, after)
    assert engine("llamacpp").proof(asked(), status_of(tmp_path / "run"), (before, after), "") == ()


def test_a_model_that_drafts_is_counted_and_proven(
    llamacpp_server: StartServer, first_layers: Path, tmp_path: Path
) -> None:
    with llamacpp_server(DRAFT_LENGTH, first_layers) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        records, before, after = measure(tmp_path / "run", port, prompts, concurrency=3)
    check_counts(records, before, after)
    assert sum(record.accepted_tokens or 0 for record in records) > 0
    # It always has something to propose: as many tokens as max_tokens leaves room for.
    assert all(record.draft_tokens for record in records if record.output_tokens > 2)
    status = status_of(tmp_path / "run")
    request = asked(method="draft_model", has_drafter_model=True)
    assert engine("llamacpp").proof(request, status, (before, after), "") == ()
    assert engine("llamacpp").method_found(status.engine, "") == "draft_model"
    as_ngram = engine("llamacpp").proof(asked(), status, (before, after), "")
    assert as_ngram == ("it drafts with draft-simple, asked for ngram-simple",)


@pytest.mark.parametrize("kind", ["map-k", "map-k4v", "mod"])
def test_every_kind_of_n_gram_is_proven_to_be_the_one_asked_for(
    llamacpp_server: StartServer, tmp_path: Path, kind: str
) -> None:
    changes = {"drafter_args": {"kind": kind}, "draft_length": 3}
    with llamacpp_server(3, drafter_args={"kind": kind}) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        _, before, after = measure(tmp_path / "run", port, prompts, concurrency=3)
    status = status_of(tmp_path / "run")
    assert engine("llamacpp").proof(asked(**changes), status, (before, after), "") == ()


def test_a_prefix_cache_that_is_asked_for_is_used(
    llamacpp_server: StartServer, quickstart_draft: Draft, tmp_path: Path
) -> None:
    cached = {**quickstart_draft.lock.engine, "prefix_cache": True}
    with llamacpp_server(0, engine=cached) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        for dialect, reused in (("llamacpp-cached", True), ("llamacpp", False)):
            records, _, _ = measure(
                tmp_path / dialect, port, prompts, concurrency=1, dialect=dialect
            )
            assert any(record.cached_tokens for record in records) is reused


def check_counts(records: tuple[Record, ...], before: Snapshot, after: Snapshot) -> None:
    """Hold what requests say against what the engine's counters say."""
    assert len(records) == 4
    assert [record.error for record in records] == [None] * 4
    assert all(sum(record.chunk_tokens) == record.output_tokens for record in records)
    for counter in ("draft_tokens", "accepted_tokens", "output_tokens"):
        of_engine = getattr(after, counter) - getattr(before, counter)
        assert sum(getattr(record, counter) for record in records) == of_engine, counter
    assert after.prompt_tokens is not None
    assert before.prompt_tokens is not None
    assert sum(record.input_tokens for record in records) == (
        after.prompt_tokens - before.prompt_tokens
    )
    assert after.drafts is not None
    assert before.drafts is not None
    assert after.drafts > before.drafts
    assert after.accepted_per_position is not None
    assert len(after.accepted_per_position) == DRAFT_LENGTH
    assert sum(after.accepted_per_position) == after.accepted_tokens


def test_streamed_ids_are_those_of_an_answer_given_at_once(
    llamacpp_server: StartServer, tmp_path: Path
) -> None:
    with llamacpp_server(0) as port:
        prompts, _ = encode(tmp_path / "encode", port)
        records, before, after = measure(tmp_path / "run", port, prompts, concurrency=1)
        at_once = {row["id"]: not_streamed(port, row["first"]) for row in prompts}
    assert after.drafts == before.drafts == 0
    first_turns = {record.conversation: record for record in records if record.turn == 0}
    assert max(first_turns["emoji"].chunk_tokens) > 1, "the engine held ids back"
    for name, ids in at_once.items():
        assert first_turns[name].output_tokens == len(ids)
        assert first_turns[name].output_ids in (tuple(ids), None)
    assert first_turns["short"].output_ids == tuple(at_once["short"])
