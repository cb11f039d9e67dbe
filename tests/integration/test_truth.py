"""The load generator, as a process, against an engine that knows the truth."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from specseal.analysis import Metric, Result, analyse
from specseal.engines.counters import counts_of
from specseal.records import Load
from truth.answers import FIRST_ID, STOP_ID
from truth.clients import Outcome, prompt, run_client, write_job
from truth.held import (
    Truth,
    assert_counted,
    assert_in_order,
    assert_in_time,
    assert_true,
    true_acceptance_lengths,
)
from truth.running import TruthEngine, running
from unit.analysis import builders

DRAFT_LENGTH = 4
Measure = Callable[..., tuple[Outcome, dict[str, Truth]]]


@pytest.fixture(scope="module")
def engine() -> Iterator[TruthEngine]:
    with running() as started:
        yield started


@pytest.fixture
def measure(engine: TruthEngine, tmp_path: Path) -> Measure:
    """Return `measure(usual={…}, conversations=N, …)`: what the client left, and the truth."""
    numbers = itertools.count()

    def measure(
        *,
        usual: dict[str, Any],
        conversations: int = 0,
        prompts: list[dict[str, Any]] | None = None,
        by_first: dict[str, Any] | None = None,
        counters: str = "vllm",
        **job: Any,
    ) -> tuple[Outcome, dict[str, Truth]]:
        engine.behave(usual=usual, by_first=by_first or {}, counters=counters)
        engine.reset()
        rows = prompts or [prompt(number) for number in range(conversations)]
        place = tmp_path / str(next(numbers))
        outcome = run_client(write_job(place / "in", rows, **job), place / "out", engine.port)
        truths = engine.requests()
        by_input = {truth["input_sha256"]: truth for truth in truths}
        assert len(by_input) == len(truths), "two requests had the same input"
        return outcome, by_input

    return measure


def swift(**behaviour: Any) -> dict[str, Any]:
    """Return a behaviour with speculation, as fast as tests like it."""
    return {"ttft_s": 0.02, "step_s": 0.005, "draft_length": DRAFT_LENGTH, **behaviour}


def analysed(outcome: Outcome, *, max_tokens: int, **job: Any) -> Result:
    """Analyse the one phase of a job, as a run would."""
    phase = outcome.phase(Load(mode="closed", concurrency=8), max_tokens=max_tokens)
    values = {"speculation": "eagle3", "draft_length": DRAFT_LENGTH, "cut_at_limit": True}
    return analyse(builders.run(builders.job(phase, **{**values, **job})))


def metric(result: Result, name: str, *, speculation: str = "eagle3") -> Metric:
    return builders.metric(result, name, speculation=speculation, draft_length=DRAFT_LENGTH)


LOADS = [
    pytest.param(1, 6, id="1"),
    pytest.param(64, 160, id="64"),
    pytest.param(512, 1100, id="512"),
]


@pytest.mark.parametrize("merged", [1, 2, 5])
@pytest.mark.parametrize(("concurrency", "conversations"), LOADS)
def test_every_token_is_counted_once_and_acceptance_is_exact(
    measure: Measure, concurrency: int, conversations: int, merged: int
) -> None:
    outcome, truths = measure(
        usual=swift(ttft_s=0.05, step_s=0.02, merged=merged),
        conversations=conversations,
        concurrency=concurrency,
        max_tokens=33,
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert len(outcome.records) == len(truths) == conversations
    for record in outcome.records:
        assert_true(record, truths[record.input_sha256])
        assert record.verify_steps == len(truths[record.input_sha256]["drafted"])
    assert_counted(outcome, truths)
    if concurrency == 1:
        assert_in_time(outcome.records, truths)
    # Some last steps verified past max_tokens: what they accepted counts, what was cut does not.
    verified = sum(a + 1 for truth in truths.values() for a in truth["accepted"])
    assert verified > sum(record.output_tokens - 1 for record in outcome.records)
    # What `specseal.measured` takes a server with vLLM's page of metrics for.
    result = analysed(outcome, max_tokens=33, one_chunk_a_step=True, prefix_cache=None)
    true = true_acceptance_lengths(truths)
    for name, value in true.items():
        found = metric(result, name)
        assert found.value == pytest.approx(value, rel=1e-12)
        assert found.valid, (name, found.reasons)
    stream = metric(result, "acceptance_length_stream")
    assert stream.value is not None
    is_off = abs(stream.value / true["acceptance_length"] - 1) > 0.01
    assert is_off == (merged > 1)
    assert stream.valid == (not is_off), stream.reasons
    assert ("counters_and_stream_disagree" in stream.reasons) == is_off


def test_requests_of_others_on_the_same_server_are_seen_by_its_counters(measure: Measure) -> None:
    outcome, _ = measure(
        usual=swift(),
        by_first={"21": {"twins": 1}},
        prompts=[prompt(number, first=7 if number else 21) for number in range(12)],
        concurrency=4,
        max_tokens=48,
    )
    result = analysed(outcome, max_tokens=48)
    for name in ("acceptance_length_drafted", "acceptance_rate"):
        assert "counters_and_requests_disagree" in metric(result, name).reasons
    assert "other_requests_served" in metric(result, "latency_mean").reasons


NO_COUNTS = {"source": "none"}


@pytest.mark.parametrize("plain", [False, True], ids=["by request", "by counter"])
def test_cached_prompts_of_a_running_server_are_seen_however_it_tells_of_them(
    measure: Measure, plain: bool
) -> None:
    outcome, _ = measure(
        usual=swift(cached_tokens=5, plain=plain),
        conversations=4,
        concurrency=4,
        max_tokens=16,
        counts=counts_of("vllm") if plain else NO_COUNTS,
    )
    result = analysed(outcome, max_tokens=16, prefix_cache=None)
    assert "cached_prompts" in metric(result, "ttft_mean").reasons


def test_running_server_that_tells_next_to_nothing_is_not_taken_at_its_best(
    measure: Measure,
) -> None:
    outcome, _ = measure(
        usual=swift(plain=True), conversations=4, concurrency=4, max_tokens=16, counts=NO_COUNTS
    )
    result = analysed(outcome, max_tokens=16, prefix_cache=None)
    assert "cache_unknown" in metric(result, "ttft_mean").reasons
    assert "first_chunk_not_counted" in metric(result, "tpot_mean").reasons
    assert not any("counters_not_settled" in each.reasons for each in result.metrics)


def test_more_streams_than_one_process_holds_are_spread_and_merged_in_order(
    measure: Measure,
) -> None:
    outcome, truths = measure(usual=swift(), conversations=600, concurrency=512, max_tokens=16)
    (status,) = outcome.status.phases
    assert status.client_processes > 1
    assert len(outcome.records) == len(truths) == 600
    submits = [record.submit_ns for record in outcome.records]
    assert submits == sorted(submits)


@pytest.mark.parametrize("merged", [2, 5])
def test_chunks_that_were_merged_spoil_acceptance_by_stream_and_nothing_else(
    measure: Measure, merged: int
) -> None:
    outcome, truths = measure(
        usual=swift(merged=merged), conversations=12, concurrency=4, max_tokens=64
    )
    result = analysed(outcome, max_tokens=64, one_chunk_a_step=True)
    stream = metric(result, "acceptance_length_stream")
    true = true_acceptance_lengths(truths)
    assert stream.value is not None
    assert abs(stream.value / true["acceptance_length"] - 1) > 0.01
    assert not stream.valid
    assert "counters_and_stream_disagree" in stream.reasons
    for name, value in true.items():
        assert metric(result, name).value == pytest.approx(value, rel=1e-12)
        assert metric(result, name).valid, metric(result, name).reasons


def test_chunks_that_were_not_merged_give_the_acceptance_by_stream(measure: Measure) -> None:
    outcome, truths = measure(usual=swift(), conversations=12, concurrency=4, max_tokens=64)
    stream = metric(
        analysed(outcome, max_tokens=64, one_chunk_a_step=True), "acceptance_length_stream"
    )
    assert stream.value == pytest.approx(true_acceptance_lengths(truths)["acceptance_length"])
    assert stream.valid, stream.reasons


def test_cut_at_a_stop_token_is_told_by_request_or_bounded(measure: Measure) -> None:
    usual = swift(stop_after=40, tells_requests=False)
    outcome, truths = measure(usual=usual, conversations=12, concurrency=4, max_tokens=64)
    assert {record.finish for record in outcome.records} == {"stop"}
    assert all(record.output_ids[-1] == STOP_ID for record in outcome.records if record.output_ids)
    assert_counted(outcome, truths)
    assert {record.accepted_tokens for record in outcome.records} == {None}
    result = analysed(outcome, max_tokens=64)
    true = true_acceptance_lengths(truths)
    found = metric(result, "acceptance_length")
    drafted = metric(result, "acceptance_length_drafted")
    assert drafted.value == pytest.approx(true["acceptance_length_drafted"], rel=1e-12)
    # The least possible cut gives the fewest steps, so the greatest length.
    assert found.value is not None
    assert found.value >= true["acceptance_length"]
    assert not found.valid
    assert "cut_unknown" in found.reasons


def test_acceptance_of_a_drafter_that_often_finds_no_draft_is_never_wrong_and_valid(
    measure: Measure,
) -> None:
    # vLLM tells, by request, the steps that had a draft. Those that had none may hide behind what
    # was cut in the last one, so the told steps must not be taken for all.
    for seed in range(6):
        outcome, truths = measure(
            usual=swift(draft_share=0.8, seed=seed),
            conversations=1,
            concurrency=1,
            max_tokens=16,
        )
        (record,), (truth,) = outcome.records, truths.values()
        assert_true(record, truth)
        assert_counted(outcome, truths)
        assert record.verify_steps in (None, sum(drafted > 0 for drafted in truth["drafted"]))
        result = analysed(outcome, max_tokens=16, speculation="ngram")
        for name, true in true_acceptance_lengths(truths).items():
            found = metric(result, name, speculation="ngram")
            assert found.value is not None
            assert found.value == pytest.approx(true, rel=0.01) or not found.valid, (name, seed)


def test_llamacpp_sends_one_token_a_chunk_and_is_counted_as_exactly(measure: Measure) -> None:
    outcome, truths = measure(
        usual=swift(drafting="shortened", draft_share=0.6),
        counters="llamacpp",
        counts=counts_of("llamacpp"),
        dialect="llamacpp",
        conversations=24,
        concurrency=8,
        max_tokens=33,
    )
    assert len(outcome.records) == len(truths) == 24
    for record in outcome.records:
        assert_true(record, truths[record.input_sha256])
        assert set(record.chunk_tokens or ()) == {1}
    assert_counted(outcome, truths)
    result = analysed(outcome, max_tokens=33, cut_at_limit=False)
    for name, value in true_acceptance_lengths(truths).items():
        assert metric(result, name).value == pytest.approx(value, rel=1e-12)
        assert metric(result, name).valid, (name, metric(result, name).reasons)


def test_conversation_goes_on_from_the_ids_that_were_really_generated(measure: Measure) -> None:
    rows = [prompt(number, between=[[3, 4], [5]]) for number in range(8)]
    outcome, truths = measure(usual=swift(merged=2), prompts=rows, concurrency=4, max_tokens=12)
    assert len(outcome.records) == len(truths) == 24
    generated = list(range(FIRST_ID, FIRST_ID + 12))
    for record in outcome.records:
        assert_true(record, truths[record.input_sha256])
        first = rows[int(record.conversation[1:])]["first"]
        expected = len(first)
        for part in rows[0]["between"][: record.turn]:
            expected += len(generated) + len(part)
        assert record.input_tokens == record.engine_input_tokens == expected


def test_counters_that_come_after_the_answer_are_waited_for(measure: Measure) -> None:
    outcome, truths = measure(
        usual=swift(counters_lag_s=0.08), conversations=4, concurrency=4, max_tokens=33
    )
    assert_counted(outcome, truths)


FAULTS = {
    "21": {"fault": "status"},
    "22": {"fault": "event", "fault_after": 3},
    "23": {"fault": "cut", "fault_after": 3},
    "24": {"fault": "garbage", "fault_after": 3},
    "25": {"fault": "cut", "fault_after": 0},
}


@pytest.mark.parametrize("merged", [1, 5])
def test_each_failure_is_a_record_of_its_own_and_spoils_no_other(
    measure: Measure, merged: int
) -> None:
    rows = [
        prompt(number, first=21 + number if number < len(FAULTS) else 7) for number in range(16)
    ]
    outcome, truths = measure(
        usual=swift(merged=merged), by_first=FAULTS, prompts=rows, concurrency=16, max_tokens=64
    )
    assert outcome.exit_code == 0, outcome.stderr
    (status,) = outcome.status.phases
    assert (status.requests, status.failed) == (16, len(FAULTS))
    failed = {record.conversation: record for record in outcome.records if record.error is not None}
    assert sorted(failed) == [f"q{number:05d}" for number in range(len(FAULTS))]
    for number, fault in enumerate(FAULTS.values()):
        record = failed[f"q{number:05d}"]
        truth = truths[record.input_sha256]
        assert truth["outcome"] == fault["fault"]
        assert record.finish == "error"
        assert record.chunk_tokens == tuple(truth["chunk_tokens"])
        assert_in_order(record, truth)
    for record in outcome.records:
        if record.error is None:
            assert_true(record, truths[record.input_sha256])


def test_failures_say_what_happened(measure: Measure) -> None:
    rows = [prompt(number, first=21 + number) for number in range(len(FAULTS))]
    rows.append(prompt(99))
    outcome, _ = measure(usual=swift(), by_first=FAULTS, prompts=rows, concurrency=8, max_tokens=16)
    said = {
        record.conversation: record.error for record in outcome.records if record.error is not None
    }
    assert said["q00000"] == "HTTP 500: told to fail"
    assert said["q00001"] == "the engine reported: told to fail"
    assert "can't be read" in said["q00003"]
    for name in ("q00002", "q00004"):
        assert "cut" in said[name] or "closed" in said[name], said[name]


def test_silent_stream_ends_the_phase_with_its_reason(measure: Measure) -> None:
    rows = [prompt(0, first=26), prompt(1)]
    outcome, truths = measure(
        usual=swift(),
        by_first={"26": {"fault": "silence", "fault_after": 2}},
        prompts=rows,
        concurrency=2,
        max_tokens=16,
        silence_timeout_s=1.0,
    )
    assert outcome.exit_code == 4
    assert outcome.status.outcome == "failed"
    assert "silent" in outcome.stderr or "hangs" in outcome.stderr
    silent = [record for record in outcome.records if record.conversation == "q00000"]
    assert [record.chunk_tokens for record in silent] == [
        tuple(truth["chunk_tokens"]) for truth in truths.values() if truth["outcome"] == "silence"
    ]


def test_input_that_the_engine_counts_one_longer_and_cached_tokens_are_recorded(
    measure: Measure,
) -> None:
    outcome, _ = measure(
        usual=swift(extra_input_tokens=1, cached_tokens=5),
        conversations=4,
        concurrency=4,
        max_tokens=16,
    )
    for record in outcome.records:
        assert record.error is None
        assert record.input_tokens == 16
        assert record.engine_input_tokens == 17
        assert record.cached_tokens == 5


def test_server_that_tells_tokens_only_at_the_end_is_never_taken_for_one_token_a_chunk(
    measure: Measure,
) -> None:
    outcome, truths = measure(
        usual=swift(plain=True, merged=5), conversations=8, concurrency=4, max_tokens=33
    )
    assert len(outcome.records) == 8
    for record in outcome.records:
        truth = truths[record.input_sha256]
        assert record.error is None
        assert record.chunk_tokens is None
        assert record.output_ids is None
        assert record.output_tokens == sum(truth["chunk_tokens"]) == 33
        assert len(record.chunk_ns) == len(truth["chunk_tokens"]) < 33
        assert_in_order(record, truth)


def test_chat_goes_on_from_the_text_that_was_really_generated(measure: Measure) -> None:
    rows = [
        {"id": f"q{number}", "category": "coding", "turns": [f"first {number}", "and then"]}
        for number in range(6)
    ]
    outcome, truths = measure(
        usual=swift(merged=2), prompts=rows, dialect="openai-chat", concurrency=3, max_tokens=20
    )
    assert len(outcome.records) == len(truths) == 12
    for record in outcome.records:
        truth = truths[record.input_sha256]
        assert record.error is None
        assert record.chunk_tokens == tuple(truth["chunk_tokens"])
        assert record.accepted_tokens == sum(truth["accepted"])
        # "first N", then 20 generated words and two more of the user's.
        assert record.input_tokens == (2, 2 + 20 + 2)[record.turn]
        assert_in_order(record, truth)
