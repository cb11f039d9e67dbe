"""The real client against vLLM's pages and events, launched and judged by the adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.engines import LaunchRequest, engine
from specseal.records import JobStatus, read_records, read_snapshots
from unit.client.fake_vllm import FakeVLLM, Steps
from unit.client.jobs import job, phase, prompt
from vllmlines import NEW, PAPER, asked

RunJob = Callable[..., JobStatus]
STEPS: Steps = ((57,), (50, 51, 52), (53,))


def config(request: LaunchRequest) -> dict[str, Any]:
    drafted = {
        "method": request.method,
        "num_speculative_tokens": request.draft_length,
        "model": "/drafter",
    }
    if request.version == NEW:
        drafted |= {
            "draft_sample_method": "greedy",
            "enable_adaptive_verification": False,
            "rejection_sample_method": "standard",
        }
    return {
        "model_config": {"max_model_len": request.context_length, "quantization": None},
        "scheduler_config": {
            "max_num_seqs": request.max_sequences,
            "max_num_batched_tokens": 8192,
            "async_scheduling": False,
            "enable_chunked_prefill": True,
        },
        "cache_config": {"enable_prefix_caching": False, "gpu_memory_utilization": 0.9},
        "parallel_config": {"tensor_parallel_size": 1, "data_parallel_size": 1},
        "speculative_config": None if request.method == "none" else drafted,
    }


def job_of(request: LaunchRequest) -> dict[str, Any]:
    launch = engine("vllm").launch(request)
    return job(
        phase("a", "b"),
        server={"health_path": launch.health_path, "deadline_s": 30},
        dialect=launch.dialect,
        model=launch.model,
        counts=launch.counts,
        readback=dict(launch.readback),
    )


@pytest.mark.parametrize("version", [NEW, PAPER])
def test_what_it_generated_and_drafted_is_measured_and_proven(
    run: RunJob, out: Path, version: str
) -> None:
    request = asked("eagle3", "cuda", version)
    fake = FakeVLLM(config=config(request), steps=STEPS, version=version, draft_length=3)
    status = run(fake, job_of(request), prompts=[prompt("a", 7, 8), prompt("b", 9)])
    for record in read_records(out / "records.jsonl"):
        assert record.error is None
        assert record.output_ids == (57, 50, 51, 52, 53)
        assert record.chunk_tokens == (1, 3, 1)
        assert (record.finish, record.output_tokens) == ("length", 5)
        assert record.engine_input_tokens == record.input_tokens
        told = (record.draft_tokens, record.accepted_tokens, record.verify_steps)
        assert told == ((6, 2, 2) if version == NEW else (None, None, None))
        assert record.cached_tokens == (0 if version == NEW else None)
    before, after = read_snapshots(out / "counts.jsonl")
    assert (before.drafts, before.accepted_per_position) == (0, (0, 0, 0))
    assert (after.drafts, after.draft_tokens, after.accepted_tokens) == (4, 12, 4)
    assert after.accepted_per_position == (2, 2, 0)
    assert (after.output_tokens, after.prompt_tokens, after.settled) == (10, 3, True)
    assert engine("vllm").proof(request, status, (before, after), "") == ()


def test_a_baseline_shows_no_counter_of_drafts(run: RunJob, out: Path) -> None:
    request = asked("none", "cuda", NEW)
    fake = FakeVLLM(config=config(request), steps=((57,), (50,)))
    status = run(fake, job_of(request), prompts=[prompt("a", 7), prompt("b", 9)])
    record = read_records(out / "records.jsonl")[0]
    assert (record.chunk_tokens, record.draft_tokens) == ((1, 1), None)
    snapshots = read_snapshots(out / "counts.jsonl")
    assert {(one.drafts, one.accepted_per_position) for one in snapshots} == {(None, ())}
    assert engine("vllm").proof(request, status, snapshots, "") == ()


def test_a_server_that_drafts_less_than_it_was_told_is_found_out(run: RunJob, out: Path) -> None:
    request = asked("eagle3", "cuda", NEW)
    fake = FakeVLLM(config=config(request), steps=STEPS, draft_length=3)
    status = run(fake, job_of(request), prompts=[prompt("a", 7), prompt("b", 9)])
    snapshots = read_snapshots(out / "counts.jsonl")
    against = engine("vllm").proof(replace(request, draft_length=4), status, snapshots, "")
    assert "a draft has 3 tokens, asked for 4" in against


def test_requests_name_the_model_and_leave_no_sampling_to_defaults(run: RunJob, out: Path) -> None:
    request = asked("none", "cuda", NEW)
    fake = FakeVLLM(config=config(request), steps=((57,),))
    run(fake, job_of(request), prompts=[prompt("a", 7), prompt("b", 9)])
    body = fake.bodies[0]
    assert (body["model"], body["prompt"], body["return_token_ids"]) == ("model", [7], True)
    assert {"temperature", "top_p", "top_k", "min_p", "seed", "max_tokens"} <= body.keys()
