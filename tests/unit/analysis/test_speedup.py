from __future__ import annotations

import math
import statistics

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import (
    MS,
    baseline,
    failed,
    job,
    metric,
    phase,
    plain,
    record,
    run,
    three,
)


def test_user_speedup_is_the_ratio_of_means_over_the_same_turns():
    fast = [record("q1", end_ns=100 * MS), record("q2", end_ns=200 * MS)]
    # q3 has no partner, and must not count.
    slow = [
        plain("q1", end_ns=200 * MS),
        plain("q2", end_ns=400 * MS),
        plain("q3", end_ns=900 * MS),
    ]
    result = analyse(run(baseline(phase(slow)), job(phase(fast))))

    speedup = metric(result, "speedup_user_tps")
    assert speedup.value == pytest.approx((40 + 20) / (20 + 10))
    assert speedup.n == 2
    assert speedup.valid
    assert speedup.reasons == ("fewer_than_5_conversations",)


def test_turns_pair_within_their_repeat_and_load_level():
    def level(made, concurrency, end_ms):
        return phase([made("q1", end_ns=end_ms * MS)], concurrency=concurrency)

    result = analyse(
        run(
            baseline(level(plain, 1, 100), level(plain, 4, 200)),
            job(level(record, 1, 50), level(record, 4, 40)),
            job(level(record, 1, 10), level(record, 4, 10), repeat=1),  # its baseline is missing
        )
    )

    assert metric(result, "speedup_user_tps", concurrency=1).value == pytest.approx(2)
    assert metric(result, "speedup_user_tps", concurrency=4).value == pytest.approx(5)
    assert metric(result, "speedup_user_tps").value == pytest.approx((80 + 100) / (40 + 20))


def test_failed_partner_leaves_the_turn_out():
    result = analyse(
        run(
            baseline(phase([plain("q1", end_ns=320 * MS), failed("q2")])),
            job(phase([record("q1"), record("q2")])),
        )
    )

    assert metric(result, "speedup_user_tps").n == 1
    assert metric(result, "speedup_user_tps").value == pytest.approx(2)
    assert "requests_failed" in metric(result, "speedup_user_tps").reasons


def test_output_speedup_is_paired_by_repeat_then_averaged():
    jobs = []
    for repeat, (slow, fast) in enumerate([(4, 2), (3, 1), (4, 4)]):
        jobs.append(baseline(phase(three(plain), seconds=slow), repeat=repeat))
        jobs.append(job(phase(three(record), seconds=fast), repeat=repeat))
    result = analyse(run(*jobs))

    speedup = metric(result, "speedup_output_tps")
    assert speedup.value == pytest.approx((2 + 3 + 1) / 3)
    assert speedup.n == 3
    # t(2, 97.5%) = 4.302653; launches of a speedup differ by factors, so s is of logarithms.
    factor = math.exp(4.302653 * statistics.stdev(map(math.log, (2, 3, 1))) / 3**0.5)
    assert (speedup.low, speedup.high) == pytest.approx((2 / factor, 2 * factor))
    assert metric(result, "speedup_output_tps", category="coding").reasons == ("whole_phase_only",)


def test_two_repeats_have_a_speedup_without_an_interval():
    jobs = [
        made
        for repeat in (0, 1)
        for made in (
            baseline(phase(three(plain)), repeat=repeat),
            job(phase(three(record)), repeat=repeat),
        )
    ]
    speedup = metric(analyse(run(*jobs)), "speedup_output_tps")

    assert (speedup.value, speedup.low, speedup.high) == (1.0, None, None)
    assert speedup.reasons == ("fewer_than_3_launches",)
    assert speedup.valid


def test_identical_share_counts_turns_with_the_same_input():
    ours = [
        record("q1", output_ids=(1, 2, 3)),
        record("q2", output_ids=(1, 2, 3)),
        record("q3", output_ids=(1, 2, 3)),
        record("q4", output_ids=(1, 2, 3), input_sha256="another"),  # an earlier turn differed
        record("q5", output_ids=None),
    ]
    theirs = [
        plain("q1", output_ids=(1, 2, 3)),
        plain("q2", output_ids=(1, 9, 3)),
        plain("q3", output_ids=(1, 2, 3, 4)),  # goes on where ours stops
        plain("q4", output_ids=(1, 2, 3)),
        plain("q5", output_ids=(1, 2, 3)),
    ]
    result = analyse(run(baseline(phase(theirs)), job(phase(ours))))

    share = metric(result, "identical_output_share")
    assert share.value == pytest.approx(1 / 3)
    assert share.n == 3
    first = metric(result, "first_difference_tokens_p50")
    assert first.value == 1.0  # of 1 and 3, by nearest rank
    assert first.n == 2


def test_equal_outputs_have_no_first_difference():
    result = analyse(run(baseline(phase([plain()])), job(phase([record()]))))

    assert metric(result, "identical_output_share").value == 1.0
    assert metric(result, "first_difference_tokens_p50").reasons == ("all_identical",)


def test_outputs_that_share_no_input_are_not_compared():
    other = plain(input_sha256="another")
    result = analyse(run(baseline(phase([other])), job(phase([record()]))))

    assert metric(result, "identical_output_share").reasons == ("no_comparable_turns",)


def test_baseline_is_held_against_its_own_first_launch():
    other = plain("q2", output_ids=(7, 8, 0, 10))
    launches = [
        baseline(phase([plain("q1"), plain("q2")])),
        baseline(phase([plain("q1"), other]), repeat=1),
        baseline(phase([plain("q1"), plain("q2")]), repeat=2),
    ]
    result = analyse(run(*launches))

    share = metric(result, "identical_output_share", speculation="none")
    assert (share.value, share.n) == (3 / 4, 4)
    first = metric(result, "first_difference_tokens_p50", speculation="none")
    assert first.value == 2.0


def test_baseline_launched_once_has_nothing_to_be_held_against():
    result = analyse(run(baseline(phase([plain()])), job(phase([record()]))))

    found = [m for m in result.metrics if m.name == "identical_output_share"]
    assert {m.where["speculation"] for m in found} == {"ngram"}
