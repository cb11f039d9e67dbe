"""A server that runs already, measured through the endpoint adapter and the native runtime.

One suite over two servers: the tests' own truth engine, and the real llama.cpp.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from specseal.engines import LaunchRequest, engine
from specseal.records import (
    JobStatus,
    Load,
    Record,
    append_jsonl,
    read_records,
    read_snapshots,
    write_json_atomically,
)
from specseal.runtimes import JobRun, NativeRuntime, Progress
from truth.running import running

PROMPTS = "prompts-0123456789ab.jsonl"
MAX_TOKENS = 12
PROMPT = [504, 2365, 6354, 16438] * 4
DIALOGUE = ["The quick brown fox jumps.", "Again, please."]
IDS = {"id": "one", "category": "qa", "first": PROMPT, "between": []}
TEXT = {"id": "one", "category": "qa", "turns": DIALOGUE}
SOURCE = Path(__file__).parents[2] / "runner"

Serve = Callable[[], AbstractContextManager[str]]
Measure = Callable[..., JobStatus]


@pytest.fixture(
    params=["truth", pytest.param("llamacpp", marks=[pytest.mark.engine, pytest.mark.slow])]
)
def serve(request: pytest.FixtureRequest) -> Serve:
    """Start a server that drafts three or four tokens a step; yields its URL."""
    if request.param == "truth":

        @contextmanager
        def truth() -> Iterator[str]:
            usual = {"ttft_s": 0.001, "step_s": 0.001, "draft_length": 3}
            with running(usual=usual) as server:
                yield server.url

        return truth
    start = request.getfixturevalue("llamacpp_server")

    @contextmanager
    def llamacpp() -> Iterator[str]:
        with start(4) as port:
            yield f"http://127.0.0.1:{port}"

    return llamacpp


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Return `measure(url, row, api="completions")`: its output lies in `tmp_path/job/out`."""

    def measured(url: str, row: dict[str, Any], **asked: Any) -> JobStatus:
        launch = engine("endpoint").launch(
            LaunchRequest(
                method="ngram",
                draft_length=4,
                drafter_args={},
                max_sequences=1,
                engine={"api": "completions", "model": "m", "metrics": None, **asked},
                url=url,
            )
        )
        folder = tmp_path / "job"
        for name in ("in", "out"):
            (folder / name).mkdir(parents=True)
        append_jsonl(folder / "in" / PROMPTS, [row])
        sampling = {"temperature": 0, "top_p": 1.0, "top_k": 0, "seed": 0, "stop": []}
        phase = {
            "name": "c1",
            "measured": True,
            "load": Load(mode="closed", concurrency=1).to_dict(),
            "prompts": PROMPTS,
            "sampling": {**sampling, "ignore_eos": True, "max_tokens": MAX_TOKENS},
            "conversations": [row["id"]],
            "offsets_ns": [],
        }
        job = {
            "schema": "specseal/job/1",
            "task": "measure",
            "server": {"health_path": launch.health_path, "deadline_s": 60},
            "dialect": launch.dialect,
            "model": launch.model,
            "counts": launch.counts,
            "readback": launch.readback,
            "stop_ids": [2],
            "silence_timeout_s": 60,
            "phases": [phase],
        }
        write_json_atomically(folder / "in" / "job.json", job)
        client = (sys.executable, "-m", "specseal.client")
        runtime = NativeRuntime(engine=(), client=client, client_path=SOURCE)
        run = JobRun(launch=launch, model=None, model_file="", folder=folder, name="j")
        return runtime.run(run, quiet)

    return measured


def quiet(progress: Progress) -> None:
    pass


def records_of(tmp_path: Path) -> tuple[Record, ...]:
    return read_records(tmp_path / "job" / "out" / "records.jsonl")


def test_completion_of_ids_is_recorded_token_by_token(
    serve: Serve, measure: Measure, tmp_path: Path
) -> None:
    with serve() as url:
        assert measure(url, IDS).outcome == "done"
    (record,) = records_of(tmp_path)
    assert record.error is None
    assert (record.input_tokens, record.engine_input_tokens) == (len(PROMPT), len(PROMPT))
    assert (record.output_tokens, record.finish) == (MAX_TOKENS, "length")
    assert record.chunk_tokens is not None
    assert sum(record.chunk_tokens) == MAX_TOKENS
    assert record.draft_tokens is not None
    assert record.accepted_tokens is not None


def test_chat_goes_on_from_what_the_server_said(
    serve: Serve, measure: Measure, tmp_path: Path
) -> None:
    with serve() as url:
        assert measure(url, TEXT, api="chat").outcome == "done"
    first, second = records_of(tmp_path)
    assert (first.error, second.error) == (None, None)
    assert second.input_tokens > first.input_tokens
    assert first.output_ids is None
    assert first.chunk_tokens is not None
    assert sum(first.chunk_tokens) == first.output_tokens == MAX_TOKENS


def test_page_of_metrics_is_found_out_and_told(
    serve: Serve, measure: Measure, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with serve() as url:
        status = measure(url, IDS)
    known = {"truth": "vllm", "llamacpp": "llamacpp"}
    assert status.engine["counts"] == {"source": known[request.node.callspec.params["serve"]]}
    assert status.engine["models"]
    before, after = read_snapshots(tmp_path / "job" / "out" / "counts.jsonl")
    assert after.output_tokens is not None
    assert before.output_tokens is not None
    assert after.output_tokens - before.output_tokens == MAX_TOKENS


def test_server_that_counts_only_at_the_end_has_uncounted_chunks(
    measure: Measure, tmp_path: Path
) -> None:
    usual = {"ttft_s": 0.001, "step_s": 0.001, "plain": True}
    with running(usual=usual, counters="none") as server:
        status = measure(server.url, TEXT | {"turns": DIALOGUE[:1]}, api="chat")
    (record,) = records_of(tmp_path)
    assert (record.output_tokens, record.chunk_tokens) == (MAX_TOKENS, None)
    assert len(record.chunk_ns) == MAX_TOKENS
    assert status.engine["counts"]["source"] == "none"
    assert not (tmp_path / "job" / "out" / "counts.jsonl").exists()


@pytest.mark.parametrize(
    ("share", "are_told"), [(1.0, True), (0.3, False)], ids=["each drafts", "some do"]
)
def test_steps_of_a_request_are_told_where_each_of_them_drafted(
    share: float, are_told: bool, measure: Measure, tmp_path: Path
) -> None:
    usual = {"ttft_s": 0.001, "step_s": 0.001, "draft_length": 3, "draft_share": share}
    with running(usual=usual) as server:
        measure(server.url, IDS)
        (happened,) = server.requests()
    (record,) = records_of(tmp_path)
    steps = len(happened["drafted"]) if are_told else None
    assert record.verify_steps == steps


def test_environment_and_logs_say_that_nothing_was_started(
    measure: Measure, tmp_path: Path
) -> None:
    with running(usual={"ttft_s": 0.001, "step_s": 0.001}) as server:
        measure(server.url, IDS)
        url = server.url
    out = tmp_path / "job" / "out"
    found = json.loads((out / "environment.json").read_bytes())
    assert (found["url"], found["launch"], found["isolation"]) == (url, [], "none")
    assert not (out / "engine.log").exists()
    rows = [json.loads(line) for line in (out / "telemetry.jsonl").read_text().splitlines()]
    assert rows
    assert not any(name.startswith("engine_") for row in rows for name in row)
