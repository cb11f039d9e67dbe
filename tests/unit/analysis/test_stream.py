"""Acceptance as the stream shows it, held against what the engine counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.analysis import Result, analyse
from unit.analysis.builders import MS, job, metric, phase, record, run, snapshot

STREAM_CODE = "counters_and_stream_disagree"


def steps(conversation: str, *tokens: int, merged: int = 1, **changes):
    """Return a request with one chunk a verify step, after one of the first token.

    Chunks of `merged` steps arrive as one.
    """
    decode = [sum(tokens[i : i + merged]) for i in range(0, len(tokens), merged)]
    chunks = (1, *decode)
    values = {
        "chunk_ns": tuple(MS * i for i in range(1, len(chunks) + 1)),
        "chunk_tokens": chunks,
        "end_ns": MS * len(chunks),
        "output_tokens": sum(chunks),
        "output_ids": None,
        "draft_tokens": 4 * len(tokens),
        "accepted_tokens": sum(tokens) - len(tokens),
    }
    return record(conversation, **{**values, **changes})


def streamed(*records, **changes) -> Result:
    drafted = sum(r.draft_tokens or 0 for r in records)
    accepted = sum(r.accepted_tokens or 0 for r in records)
    counted = snapshot(drafts=drafted // 4, draft_tokens=drafted, accepted_tokens=accepted)
    of_phase = phase(records, **{"after": counted, **changes})
    return analyse(run(job(of_phase, one_chunk_a_step=True)))


UNTOLD = {"draft_tokens": None, "accepted_tokens": None}


def test_stream_shows_the_length_that_the_counts_tell():
    result = streamed(steps("q1", 3, 2, 1), steps("q2", 4, 4))

    for where in ({}, {"category": "coding"}):
        shown = metric(result, "acceptance_length_stream", **where)
        assert shown.value == metric(result, "acceptance_length", **where).value == 14 / 5
        assert shown.valid
        agreement = metric(result, "stream_step_agreement", **where)
        assert (agreement.value, agreement.n, agreement.valid) == (1.0, 5, True)


def test_merged_chunks_spoil_what_the_stream_shows_and_nothing_that_was_counted():
    result = streamed(*(steps(f"q{i}", 3, 2, 1, 2, merged=2) for i in range(10)))

    shown = metric(result, "acceptance_length_stream")
    assert shown.value == 80 / 20  # twice the truth
    assert not shown.valid
    assert STREAM_CODE in shown.reasons
    assert metric(result, "stream_step_agreement").value == 1 / 2
    assert metric(result, "stream_step_agreement").valid
    for name, value in {"acceptance_length": 8 / 4, "acceptance_length_harness": 9 / 5}.items():
        assert metric(result, name).value == value
        assert metric(result, name).valid
    assert metric(result, "tpot_mean").valid


def test_one_step_in_a_hundred_may_be_merged_and_no_more():
    def with_one_merged_among(requests: int) -> Result:
        apart = [steps(f"q{i:02}", *[2] * 10) for i in range(requests - 1)]
        return streamed(*apart, steps("merged", *[2] * 10, merged=2))  # 5 steps unseen

    assert metric(with_one_merged_among(50), "acceptance_length_stream").valid
    assert not metric(with_one_merged_among(49), "acceptance_length_stream").valid


def test_stream_that_the_cut_can_explain_agrees():
    # 4 drafted, 4 accepted, the 2nd is the stop: one step of 2 tokens, by A alone 0 to 2 steps.
    result = streamed(steps("q1", 2, finish="stop", draft_tokens=4, accepted_tokens=4))

    assert metric(result, "stream_step_agreement").value == 1.0
    assert metric(result, "acceptance_length_stream").value == 2.0


def test_merged_chunks_do_not_hide_in_what_an_unknown_cut_allows():
    # 4 steps of 5 tokens, 4 of the last cut, in 2 chunks: by the counters' A 0 to 4 steps.
    counted = snapshot(drafts=4, draft_tokens=16, accepted_tokens=16)
    cut = steps("q1", 5, 5, 5, 1, merged=2, finish="stop", **UNTOLD)
    result = streamed(cut, after=counted)

    assert metric(result, "stream_step_agreement").value == 1.0
    for name, value in (
        ("acceptance_length_stream", 16 / 2),
        ("acceptance_length_harness", 17 / 3),
    ):
        shown = metric(result, name)
        assert shown.value == pytest.approx(value)  # the truth is 16 ÷ 4 and 17 ÷ 5
        assert "cut_unknown" in shown.reasons
        assert not shown.valid


def test_category_takes_the_stream_where_the_engine_counts_only_whole_phases():
    counted = snapshot(drafts=5, draft_tokens=20, accepted_tokens=9)
    result = streamed(
        steps("q1", 3, 2, 1, category="math", **UNTOLD),
        steps("q2", 4, 4, category="coding", **UNTOLD),
        after=counted,
    )

    by_category = metric(result, "acceptance_length", category="coding")
    assert (by_category.value, by_category.valid) == (8 / 2, True)
    assert metric(result, "acceptance_length").value == 14 / 5
    untold = metric(result, "stream_step_agreement", category="coding")
    assert untold.reasons == ("no_per_request_counts",)


def test_category_from_a_stream_that_the_whole_phase_denies_is_not_valid():
    counted = snapshot(drafts=6, draft_tokens=24, accepted_tokens=8)
    result = streamed(steps("q1", 3, 2, 1, **UNTOLD), steps("q2", 4, 4, **UNTOLD), after=counted)

    for name in ("acceptance_length", "acceptance_length_harness", "acceptance_length_stream"):
        assert metric(result, name, category="coding").value is not None
        assert metric(result, name, category="coding").reasons[0] == STREAM_CODE
    assert metric(result, "acceptance_length").valid


def test_stream_that_nothing_counted_is_not_trusted():
    result = streamed(steps("q1", 3, 2, 1, **UNTOLD), before=None, after=None)

    for name in ("acceptance_length_stream", "acceptance_length_harness"):
        assert metric(result, name).value is not None
        assert "stream_not_checked" in metric(result, name).reasons
    assert metric(result, "stream_step_agreement").reasons[0] == "no_counters"


def test_engine_that_sends_a_token_a_chunk_has_no_length_by_stream():
    result = analyse(run(job(phase([record()]))))

    for name in ("acceptance_length_stream", "stream_step_agreement"):
        absent = metric(result, name)
        assert (absent.value, absent.reasons) == (None, ("no_one_chunk_a_step",))


def test_answers_of_one_chunk_show_no_step():
    result = streamed(record(output_tokens=1, chunk_ns=(MS,), chunk_tokens=(1,), accepted_tokens=0))

    assert metric(result, "acceptance_length_stream").reasons[0] == "no_decode_steps"
    assert metric(result, "stream_step_agreement").reasons[0] == "no_decode_steps"


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(1, 5))
def test_told_steps_make_every_length_exact_however_chunks_were_merged(tokens, merged):
    result = streamed(steps("q1", *tokens, merged=merged, verify_steps=len(tokens)))

    length = metric(result, "acceptance_length")
    assert length.value == sum(tokens) / len(tokens)
    assert metric(result, "acceptance_length_harness").value == (1 + sum(tokens)) / (
        1 + len(tokens)
    )
    agreement = metric(result, "stream_step_agreement")
    assert agreement.value == pytest.approx(-(-len(tokens) // merged) / len(tokens))
    agrees = STREAM_CODE not in metric(result, "acceptance_length_stream").reasons
    assert agrees == (abs(agreement.value - 1) <= 0.01)
