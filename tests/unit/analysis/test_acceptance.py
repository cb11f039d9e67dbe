from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.analysis import JobData, Result, analyse
from unit.analysis.builders import failed, job, metric, phase, record, run, snapshot


def only(*records, **changes) -> Result:
    return analyse(run(job(phase(records), **changes)))


def many(n: int = 10, **changes):
    return [record(f"q{i}", **changes) for i in range(n)]


def test_length_is_decode_tokens_over_steps_that_drafted_or_not():
    # 11 tokens: D = 10; 4 accepted, so 6 steps, of which the counters say 2 drafted.
    result = analyse(
        run(
            job(
                phase(
                    [record(output_tokens=11, draft_tokens=6, accepted_tokens=4)],
                    after=snapshot(drafts=2, draft_tokens=6, accepted_tokens=4),
                )
            )
        )
    )

    assert metric(result, "acceptance_length").value == 10 / 6
    assert metric(result, "acceptance_length_drafted").value == 1 + 4 / 2
    assert metric(result, "acceptance_rate").value == 4 / 6
    assert metric(result, "acceptance_length").unit == "tokens/step"


def test_overall_length_sums_counters_over_phases_and_repeats():
    first = phase(many(2, output_tokens=11, accepted_tokens=4, draft_tokens=8))
    second = phase(many(1, output_tokens=5, accepted_tokens=2, draft_tokens=8), concurrency=4)
    result = analyse(run(job(first, second), job(first, repeat=1)))

    # D = 4 × 10 + 4; A = 4 × 4 + 2.
    assert metric(result, "acceptance_length").value == 44 / (44 - 18)
    assert metric(result, "acceptance_length", concurrency=4).value == 4 / (4 - 2)
    assert metric(result, "acceptance_length").n == 5


def test_category_takes_counts_of_its_own_requests():
    result = only(
        record("q1", category="coding", output_tokens=9, accepted_tokens=4, draft_tokens=8),
        record("q2", category="math", output_tokens=9, accepted_tokens=2, draft_tokens=4),
    )

    assert metric(result, "acceptance_length", category="coding").value == 8 / 4
    assert metric(result, "acceptance_length", category="math").value == 8 / 6
    assert metric(result, "acceptance_rate", category="math").value == 2 / 4
    assert metric(result, "acceptance_length").value == 16 / 10


def test_step_cut_at_a_stop_counts_its_dropped_bonus():
    # 4 drafted, 4 accepted, the 2nd is the stop: D = 2, A = 4, cut = 3 and S = 1. A smaller cut
    # would leave no step at all, so the value is the true one.
    stop = record(output_tokens=3, accepted_tokens=4, draft_tokens=4, finish="stop")
    result = only(stop)

    assert metric(result, "acceptance_length", category="coding").value == 2.0
    # The most that could have been dropped is 4, S = 2: far more than 1% away.
    assert metric(result, "acceptance_length").reasons[0] == "cut_unknown"
    assert not metric(result, "acceptance_length").valid


def test_cut_that_hardly_matters_leaves_the_length_valid():
    stop = record("q0", output_tokens=5, accepted_tokens=1, draft_tokens=4, finish="stop")
    result = only(stop, *many(200, output_tokens=9, accepted_tokens=4, draft_tokens=8))

    length = metric(result, "acceptance_length")
    assert length.value == (4 + 200 * 8) / (3 + 200 * 4)
    assert length.valid


@pytest.mark.parametrize(("cut_at_limit", "valid"), [(False, True), (True, False)])
def test_limit_cuts_only_engines_that_verify_past_it(cut_at_limit, valid):
    result = only(*many(accepted_tokens=1, output_tokens=5), cut_at_limit=cut_at_limit)

    assert metric(result, "acceptance_length").value == 4 / 3
    assert metric(result, "acceptance_length").valid is valid


def test_harness_length_is_mean_over_conversations_of_all_their_turns():
    result = only(
        # 2 turns: D = 8 and 5, A = 4 and 0, so S = 4 and 5; 15 tokens ÷ (2 turns + 9).
        record("q1", 0, output_tokens=9, accepted_tokens=4, draft_tokens=4),
        record("q1", 1, output_tokens=6, accepted_tokens=0, draft_tokens=4),
        # 1 turn: D = 4, A = 2; 5 tokens ÷ (1 + 2).
        record("q2", 0, output_tokens=5, accepted_tokens=2, draft_tokens=4),
    )

    length = metric(result, "acceptance_length_harness")
    assert length.value == pytest.approx((15 / 11 + 5 / 3) / 2)
    assert length.n == 2


def test_conversation_counts_once_a_launch_and_load_level_in_the_harness_length():
    short = record("q1", output_tokens=5, accepted_tokens=2, draft_tokens=4)  # 5 ÷ (1 + 2)
    long = record("q1", output_tokens=9, accepted_tokens=0, draft_tokens=4)  # 9 ÷ (1 + 8)
    levels = (phase([short]), phase([long], concurrency=4))
    result = analyse(run(job(*levels), job(phase([long]), repeat=1)))

    length = metric(result, "acceptance_length_harness")
    assert length.value == pytest.approx((5 / 3 + 1 + 1) / 3)
    assert length.n == 3


def test_failed_request_spoils_the_lengths_that_are_over_all_requests():
    result = only(record("q1"), failed("q2"))

    for name in ("acceptance_length", "acceptance_length_harness"):
        assert metric(result, name).reasons[:1] == ("requests_failed",)
        assert not metric(result, name).valid
    assert metric(result, "acceptance_length_drafted").valid


def test_harness_length_comes_from_chunks_where_a_chunk_is_a_step():
    untold = record(output_tokens=8, accepted_tokens=None, draft_tokens=None)  # 4 chunks
    result = only(untold, one_chunk_a_step=True)

    assert metric(result, "acceptance_length_harness").value == 2.0
    assert metric(result, "acceptance_length_harness", category="coding").value == 2.0


def test_without_counts_by_request_categories_have_no_lengths():
    untold = record(accepted_tokens=None, draft_tokens=None)
    counters = snapshot(drafts=2, draft_tokens=4, accepted_tokens=1)
    result = analyse(run(job(phase([untold], after=counters))))

    for name in ("acceptance_length", "acceptance_length_harness", "acceptance_rate"):
        absent = metric(result, name, category="coding")
        assert (absent.value, absent.valid, absent.reasons) == (
            None,
            False,
            ("no_per_request_counts",),
        )
    overall = metric(result, "acceptance_length")
    assert overall.value == 3 / 2
    assert overall.valid
    assert (overall.low, overall.reasons) == (None, ("no_per_request_counts",))


def test_engine_without_counters_has_no_lengths_of_whole_phases():
    none = snapshot(drafts=None, draft_tokens=None, accepted_tokens=None)
    untold = record(accepted_tokens=None, draft_tokens=None)
    result = analyse(run(job(phase([untold], before=none, after=none))))

    for name in ("acceptance_length", "acceptance_length_drafted", "acceptance_rate"):
        assert metric(result, name).reasons[0] == "no_counters"


@pytest.mark.parametrize(
    "none", [None, snapshot(drafts=None, draft_tokens=None, accepted_tokens=None)]
)
def test_requests_tell_of_whole_phases_where_the_engine_has_no_counters(none):
    result = analyse(run(job(phase([record()], before=none, after=none))))

    for name, value in {"acceptance_length": 3 / 2, "acceptance_rate": 1 / 3}.items():
        for where in ({}, {"category": "coding"}):
            assert metric(result, name, **where).value == value
            assert metric(result, name, **where).valid
    assert metric(result, "acceptance_length_drafted").reasons[0] == "no_counters"


def positions_run() -> JobData:
    before = snapshot("before", drafts=10, draft_tokens=40, accepted_per_position=(5,))
    after = snapshot(
        drafts=30,
        draft_tokens=100,
        accepted_tokens=24,
        accepted_per_position=(21, 6, 2),
    )
    return job(phase(many(accepted_tokens=None), before=before, after=after))


def test_position_rates_are_over_drafts_jointly_and_over_the_position_before_conditionally():
    result = analyse(run(positions_run()))

    values = [metric(result, f"acceptance_joint_position_{i}").value for i in (1, 2, 3, 4)]
    assert values == [16 / 20, 6 / 20, 2 / 20, 0.0]
    values = [metric(result, f"acceptance_conditional_position_{i}").value for i in (1, 2, 3, 4)]
    assert values == [16 / 20, 6 / 16, 2 / 6, 0.0]
    assert metric(result, "acceptance_conditional_position_2").n == 16


def test_positions_past_the_draft_length_are_not_emitted():
    names = {m.name for m in analyse(run(positions_run())).metrics}

    assert "acceptance_joint_position_4" in names
    assert "acceptance_joint_position_5" not in names


def test_position_after_one_never_accepted_has_no_conditional_rate():
    after = snapshot(drafts=2, draft_tokens=8, accepted_per_position=(0, 0, 0, 0))
    result = analyse(run(job(phase([record(accepted_tokens=0)], after=after))))

    assert metric(result, "acceptance_conditional_position_1").value == 0.0
    assert metric(result, "acceptance_conditional_position_2").reasons == ("no_decode_steps",)


def test_drafts_are_not_told_by_category():
    result = analyse(run(positions_run()))

    for name in ("acceptance_length_drafted", "acceptance_joint_position_1", "drafts"):
        assert metric(result, name, category="coding").reasons == ("no_per_request_drafts",)


def test_answer_of_one_token_has_no_decode_steps():
    result = only(record(output_tokens=1, accepted_tokens=0, draft_tokens=1))

    assert metric(result, "acceptance_length").reasons == ("no_decode_steps",)
    assert metric(result, "acceptance_length_harness").value == 1.0


def test_baseline_has_no_acceptance_but_counts():
    names = {m.name for m in analyse(run(job(phase(many()), speculation="none"))).metrics}

    beside = ("acceptance", "stream", "speedup", "identical")
    assert not any(name.startswith(beside) for name in names)
    assert {"drafts", "draft_tokens", "accepted_tokens", "requests"} <= names


@st.composite
def decoded(draw: st.DrawFn, draft_length: int = 4):
    """Draw a request step by step, so that its steps are known: (record, steps)."""
    steps = draw(
        st.lists(
            st.integers(0, draft_length).flatmap(
                lambda drafted: st.tuples(st.just(drafted), st.integers(0, drafted))
            ),
            min_size=1,
            max_size=12,
        )
    )
    cut = draw(st.integers(0, steps[-1][1]))  # of accepted + 1 verified tokens, 1 is always kept
    decode = sum(accepted + 1 for _, accepted in steps) - cut
    made = record(
        output_tokens=decode + 1,
        draft_tokens=sum(drafted for drafted, _ in steps),
        accepted_tokens=sum(accepted for _, accepted in steps),
        finish="stop" if cut else "length",
    )
    return made, len(steps), cut


@settings(deadline=None)
@given(decoded())
def test_length_is_exact_with_a_cut_where_the_engine_tells_the_steps(case):
    made, steps, _ = case
    result = analyse(run(job(phase([replace(made, verify_steps=steps)]), speculation="eagle3")))

    for where in ({}, {"category": "coding"}):
        where = {"speculation": "eagle3", **where}
        length = metric(result, "acceptance_length", **where)
        assert length.value == (made.output_tokens - 1) / steps
        assert "cut_unknown" not in length.reasons
        harness = metric(result, "acceptance_length_harness", **where)
        assert harness.value == made.output_tokens / (1 + steps)


@settings(deadline=None)
@given(decoded())
def test_length_is_exact_where_the_engine_fills_up_drafts_that_were_not_found(case):
    made, steps, _ = case
    told = phase([replace(made, verify_steps=steps)])
    length = metric(analyse(run(job(told, every_step_drafts=True))), "acceptance_length")
    assert length.value == (made.output_tokens - 1) / steps
    assert "cut_unknown" not in length.reasons


@settings(deadline=None)
@given(decoded(), st.data())
def test_steps_told_of_a_drafter_that_may_find_no_draft_are_only_the_least_there_were(case, data):
    made, steps, _ = case
    told = data.draw(st.integers(1, steps), label="steps that had a draft")
    length = metric(only(replace(made, verify_steps=told)), "acceptance_length")

    if length.valid:
        assert length.value == pytest.approx((made.output_tokens - 1) / steps, rel=0.0101)


@settings(deadline=None)
@given(decoded())
def test_length_is_exact_without_a_cut_and_never_below_the_truth_with_one(case):
    made, steps, cut = case
    length = metric(only(made), "acceptance_length", category="coding")
    decode = made.output_tokens - 1

    assert length.value is not None
    assert length.value >= decode / steps >= 1
    if not cut:
        assert length.value == pytest.approx(decode / steps)
    assert "impossible_counts" not in length.reasons


@settings(deadline=None)
@given(
    st.integers(1, 50).flatmap(
        lambda drafts: st.tuples(
            st.just(drafts),
            st.lists(st.integers(0, drafts), min_size=4, max_size=4).map(
                lambda counts: tuple(sorted(counts, reverse=True))
            ),
        )
    )
)
def test_joint_rates_never_rise_and_are_products_of_the_conditional_ones(case):
    drafts, accepted = case
    after = snapshot(drafts=drafts, draft_tokens=drafts * 4, accepted_per_position=accepted)
    result = analyse(run(job(phase([record(accepted_tokens=None)], after=after))))

    joint = [metric(result, f"acceptance_joint_position_{i}").value for i in (1, 2, 3, 4)]
    assert joint == sorted(joint, reverse=True)
    product = 1.0
    for position, rate in enumerate(joint, 1):
        conditional = metric(result, f"acceptance_conditional_position_{position}").value
        product *= 0.0 if conditional is None else conditional
        assert rate == pytest.approx(product)
