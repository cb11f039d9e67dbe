"""TensorRT-LLM's dialect and its list of iterations: pure, and in whole jobs against a fake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specseal.client import counts as client_counts
from specseal.client.dialects import dialect_named
from specseal.client.errors import InputRefused
from specseal.client.iterations import Iterations
from specseal.client.job import CountSource, Sampling
from specseal.client.wire import Event, Final, Input, Request
from specseal.engines.counters import counts_of_iterations
from specseal.records import JobStatus, read_records, read_snapshots
from unit.client.fake_trtllm import (
    AVERAGES,
    KNOWN,
    SAID,
    STEPS,
    FakeTrtLlm,
    answer,
    drafted,
    iteration,
    sse,
)
from unit.client.jobs import SAMPLING, job, phase, prompt

RunJob = Callable[..., JobStatus]
DIALECT = dialect_named("trtllm-completions")
GREEDY = Sampling(
    temperature=0.0, top_p=1.0, top_k=0, seed=0, stop=(), ignore_eos=False, max_tokens=64
)
SAMPLED = Sampling(
    temperature=0.7, top_p=0.9, top_k=0, seed=7, stop=("END",), ignore_eos=True, max_tokens=16
)
STOPS = frozenset({128009, 128001, 128008})
GOLDEN = {
    "model": "model",
    "prompt": (1, 2, 3),
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "detokenize": False,
    "add_special_tokens": False,
    "max_tokens": 64,
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 1,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "seed": 0,
    "ignore_eos": False,
    "stop_token_ids": [128001, 128008, 128009],
    "include_stop_str_in_output": True,
    "skip_special_tokens": False,
}


def body(sampling: Sampling = GREEDY, given: Input = (1, 2, 3)) -> dict[str, Any]:
    request = Request(input=given, sampling=sampling, model="model", stop_ids=STOPS)
    return DIALECT.complete(request).body


def read(events: list[dict[str, Any]]) -> list[Event]:
    decode = DIALECT.decoder()
    return [decode(line.removeprefix(b"data: ").strip()) for line in sse(events)]


def final(events: list[dict[str, Any]]) -> Final:
    last = read(events)[-1].final
    assert last is not None
    return last


def test_request_is_the_golden_one_and_has_no_field_that_is_refused() -> None:
    assert body() == GOLDEN
    assert body().keys() | body(SAMPLED).keys() <= KNOWN


def test_sampling_is_sent_whole_and_no_top_k_is_zero() -> None:
    sent = body(SAMPLED)
    assert (sent["temperature"], sent["top_p"], sent["top_k"], sent["seed"]) == (0.7, 0.9, 0, 7)
    assert sent["stop"] == ("END",)


def test_where_stop_tokens_are_ignored_none_is_sent() -> None:
    assert "stop_token_ids" not in body(SAMPLED)
    assert body(SAMPLED)["ignore_eos"] is True


def test_messages_are_refused() -> None:
    with pytest.raises(InputRefused, match="'trtllm-completions' takes token ids"):
        body(given=({"role": "user", "content": "hello"},))


def test_events_have_ids_and_tokens_so_far() -> None:
    *events, usage, done = read(answer([1, 2, 3]))
    assert [event.ids for event in events] == list(STEPS)
    assert [event.output_tokens for event in (*events, usage)] == [1, 4, 5, 7, 7]
    assert done.final is not None


def test_steps_are_those_after_prefills_by_the_last_average() -> None:
    last = final(answer([1, 2, 3]))
    assert (last.verify_steps, last.output_tokens, last.input_tokens) == (3, 7, 3)
    assert (last.finish, last.cached_tokens, last.error) == ("length", 0, None)
    assert (last.draft_tokens, last.accepted_tokens) == (None, None)


@pytest.mark.parametrize("output", [1, 2, 255, 4096, 999_983])
def test_a_number_of_32_bits_is_exact_enough_for_every_step(output: int) -> None:
    for iterations in {1, output // 3 + 1, output - 1 or 1, output}:
        average = float(np.float32(output / iterations))
        told = final(answer([1], steps=[range(output)], averages=[average]))
        assert told.verify_steps == iterations - 1


def test_autoregressive_answer_has_a_step_a_token() -> None:
    told = final(answer([1], steps=[(5,), (6,), (7,)], averages=[1.0, 1.0, 1.0], finish="stop"))
    assert (told.verify_steps, told.output_tokens, told.finish) == (2, 3, "stop")


def test_steps_that_are_not_told_are_unknown() -> None:
    assert final(answer([1], averages=[None] * 4)).verify_steps is None


@pytest.mark.parametrize("average", [0.0, float("nan"), "1.0", True])
def test_average_that_can_not_be_is_no_answer(average: Any) -> None:
    with pytest.raises(TypeError, match="avg_decoded_tokens_per_iter"):
        final(answer([1], averages=[*AVERAGES[:3], average]))


@pytest.mark.parametrize("finish", ["timeout", "cancelled"])
def test_answer_that_was_cut_is_none(finish: str) -> None:
    assert final(answer([1], finish=finish)).error is not None


def test_progress_is_seen_in_the_last_event() -> None:
    told = DIALECT.peek(json.dumps(answer([1, 2, 3])[-1]).encode())
    assert told is not None
    assert told.output_tokens == 7


COUNTS = counts_of_iterations("drafts", "draft_tokens", "accepted_tokens")
SOURCE = CountSource(source="iteration-list", path="/metrics", names=COUNTS["names"], number="iter")


def listed(*said: dict[str, Any] | None, first: int = 101) -> str:
    return json.dumps([iteration(first + at, one) for at, one in enumerate(said)])


def test_what_reads_take_away_is_added_up() -> None:
    iterations = Iterations()
    iterations.add(listed(*SAID), SOURCE)
    assert iterations.add("[]", SOURCE) == (0, True)
    assert iterations.add(listed(drafted(3), first=105), SOURCE) == (1, True)
    assert iterations.counters(SOURCE) == {
        "drafts": 4,
        "draft_tokens": 12,
        "accepted_tokens": 6,
        "output_tokens": None,
        "prompt_tokens": None,
        "cached_tokens": None,
    }


def test_before_the_first_request_everything_is_zero() -> None:
    iterations = Iterations()
    assert iterations.add("[]", SOURCE) == (0, True)
    assert iterations.counters(SOURCE)["drafts"] == 0


def test_iterations_that_tell_nothing_of_drafts_drafted_nothing() -> None:
    iterations = Iterations()
    iterations.add(listed(None, None), SOURCE)
    assert iterations.counters(SOURCE)["drafts"] == 0


@pytest.mark.parametrize("first", [104, 106, 1], ids=["again", "lost", "begun anew"])
def test_numbers_that_do_not_go_on_are_a_gap(first: int) -> None:
    iterations = Iterations()
    iterations.add(listed(*SAID), SOURCE)
    assert iterations.add(listed(drafted(1), first=first), SOURCE) == (1, False)


def test_gap_inside_a_read_is_one_too() -> None:
    iterations = Iterations()
    iterations.add(listed(None), SOURCE)
    items = [iteration(102, None), iteration(104, None), iteration(105, None)]
    assert iterations.add(json.dumps(items), SOURCE) == (3, False)


def test_first_read_ever_can_not_know_what_was_before() -> None:
    assert Iterations().add(listed(None), SOURCE) == (1, False)


def test_counter_that_an_iteration_does_not_have_is_not_shown() -> None:
    said = drafted(1)
    del said["numDraftTokens"]
    iterations = Iterations()
    iterations.add(listed(drafted(2), said), SOURCE)
    counters = iterations.counters(SOURCE)
    assert (counters["drafts"], counters["draft_tokens"], counters["accepted_tokens"]) == (
        2,
        None,
        3,
    )


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "{}",
        '["x"]',
        '[{"specDecodingStats":null}]',
        '[{"iter":1}]',
        '[{"iter":1,"specDecodingStats":[]}]',
        '[{"iter":1,"specDecodingStats":{"numDraftTokens":-3}}]',
        '[{"iter":1,"specDecodingStats":{"numDraftTokens":1.5}}]',
    ],
)
def test_what_is_no_list_of_iterations_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Iterations().add(text, SOURCE)


def measuring(*phases: dict[str, Any], counts: dict[str, Any] = COUNTS) -> dict[str, Any]:
    return job(
        *phases,
        dialect="trtllm-completions",
        model="model",
        readback={"version": "/version"},
        counts=counts,
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_counts, "_LATE_S", 0.01)


WARMUP = phase("a", name="warmup", measured=False)


def test_job_has_ids_chunks_steps_and_version(run: RunJob, out: Path) -> None:
    fake = FakeTrtLlm()
    status = run(fake, measuring(WARMUP, phase("a")), prompts=[prompt("a", 1, 2, 3)])
    (record,) = read_records(out / "records.jsonl")
    assert (record.output_ids, record.chunk_tokens) == (
        (791, 6864, 315, 9822, 374, 12366, 13),
        (1, 3, 1, 2),
    )
    assert (record.verify_steps, record.accepted_tokens, record.error) == (3, None, None)
    assert (record.input_tokens, record.engine_input_tokens, record.cached_tokens) == (3, 3, 0)
    assert (status.outcome, status.engine) == ("done", {"version": {"version": "1.2.0"}})
    assert fake.bodies[0]["stop_token_ids"] == [2]


def test_counts_of_a_phase_are_what_it_added(run: RunJob, out: Path) -> None:
    prompts = [prompt("a", 1), prompt("b", 2)]
    run(FakeTrtLlm(), measuring(WARMUP, phase("a", "b")), prompts=prompts)
    before, after = read_snapshots(out / "counts.jsonl")
    assert (before.drafts, before.draft_tokens, before.accepted_tokens) == (3, 9, 3)
    assert (after.drafts, after.draft_tokens, after.accepted_tokens) == (9, 27, 9)
    assert before.settled
    assert after.settled
    assert (after.output_tokens, after.accepted_per_position) == (None, None)


def test_baseline_counts_no_drafts(run: RunJob, out: Path) -> None:
    fake = FakeTrtLlm(
        answers=lambda ids: answer(ids, steps=[(5,), (2,)], averages=[1.0, 1.0], finish="stop"),
        said=(None, None),
    )
    run(fake, measuring(WARMUP, phase("a")), prompts=[prompt("a", 1)])
    (record,) = read_records(out / "records.jsonl")
    assert (record.output_tokens, record.verify_steps) == (2, 1)
    assert [one.drafts for one in read_snapshots(out / "counts.jsonl")] == [0, 0]


def test_phase_whose_first_iterations_were_lost_has_no_counts(run: RunJob, out: Path) -> None:
    run(FakeTrtLlm(lost=1), measuring(WARMUP, phase("a")), prompts=[prompt("a", 1)])
    before, after = read_snapshots(out / "counts.jsonl")
    assert before.settled, "what the warm-up lost is in no phase"
    assert not after.settled


def test_read_that_takes_long_is_waited_for(
    run: RunJob, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeTrtLlm(read_s=0.4)
    run(fake, measuring(WARMUP, phase("a")), prompts=[prompt("a", 1)])
    assert all(one.settled for one in read_snapshots(out / "counts.jsonl"))


def test_read_that_takes_too_long_fails_the_job(
    run: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_counts, "_SLOW_READ_S", 0.1)
    status = run(FakeTrtLlm(read_s=0.4), measuring(WARMUP, phase("a")), prompts=[prompt("a", 1)])
    assert status.outcome == "failed"
    assert "the engine's counters can't be read" in status.reason


def test_list_is_emptied_although_nothing_in_it_is_counted(run: RunJob, out: Path) -> None:
    fake = FakeTrtLlm()
    counts = counts_of_iterations()
    run(fake, measuring(WARMUP, phase("a"), counts=counts), prompts=[prompt("a", 1)])
    _, after = read_snapshots(out / "counts.jsonl")
    assert (after.drafts, after.settled) == (None, True)
    assert fake.reads >= 4


def test_iterations_that_can_not_be_read_fail_the_job(run: RunJob) -> None:
    fake = FakeTrtLlm(said=({"numDraftTokens": -1},))
    status = run(fake, measuring(WARMUP, phase("a")), prompts=[prompt("a", 1)])
    assert status.outcome == "failed"
    assert "counters can't be read" in status.reason


def test_refusal_of_an_unknown_field_is_in_the_record(run: RunJob) -> None:
    fake = FakeTrtLlm()
    asked = measuring(phase("a", sampling=SAMPLING), counts={"source": "none"})
    status = run(fake, {**asked, "dialect": "openai-completions"}, prompts=[prompt("a", 1)])
    assert status.outcome == "failed"
    assert "Extra inputs are not permitted" in status.reason
