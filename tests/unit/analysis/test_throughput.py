from __future__ import annotations

import pytest

from specseal.analysis import Objectives, analyse
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


def of(*records, **where):
    result = analyse(run(job(phase(records))))
    return lambda name: metric(result, name, **where)


def test_output_tps_is_of_each_launch_then_averaged():
    def phases(seconds):
        return (
            phase(three(plain), seconds=seconds),
            phase(three(plain), concurrency=4, seconds=1),
        )

    result = analyse(run(baseline(*phases(1)), baseline(*phases(3), repeat=1)))

    # 12 tokens a phase: 24 ÷ 2 s and 24 ÷ 4 s over both levels; 12 ÷ 1 s and 12 ÷ 3 s at 1.
    both = metric(result, "output_tps", speculation="none")
    assert both.value == pytest.approx((12 + 6) / 2)
    assert both.n == 2
    assert both.reasons == ("fewer_than_3_launches",)
    at_one = metric(result, "output_tps", speculation="none", concurrency=1)
    assert at_one.value == pytest.approx((12 + 12 / 3) / 2)


def test_output_tps_of_a_category_is_not_a_throughput():
    absent = of(*three(record), category="coding")("output_tps")

    assert (absent.value, absent.reasons) == (None, ("whole_phase_only",))


def test_phase_that_took_no_time_has_no_throughput():
    result = analyse(run(job(phase(three(record, end_ns=0), seconds=0))))

    assert metric(result, "output_tps").reasons == ("no_requests",)
    assert metric(result, "user_tps_mean").reasons == ("no_requests",)


def test_every_rate_divides_by_the_same_time_of_the_phase():
    result = analyse(run(job(phase([record("q1"), record("q2"), failed("q3")], seconds=2))))

    rates = {
        "output_tps": 8 / 2,
        "input_tps": 20 / 2,
        "total_tps": 28 / 2,
        "request_rate": 2 / 2,
        "output_tps_per_device": 8 / 2,
    }
    assert {name: metric(result, name).value for name in rates} == rates
    assert metric(result, "request_rate").unit == "requests/s"


def test_rate_per_device_divides_by_all_devices_that_the_job_held():
    result = analyse(run(job(phase([record()]), devices=4)))

    assert metric(result, "output_tps_per_device").value == 4 / 4
    assert metric(result, "output_tps").value == 4


def in_time(objectives: Objectives, *records):
    result = analyse(run(job(phase(records, seconds=2)), objectives=objectives))
    return metric(result, "goodput"), metric(result, "goodput_share")


SLOW_START = record("slow start", submit_ns=-200 * MS)  # TTFT 300 ms, TPOT 20 ms
SLOW_PACE = record("slow pace", chunk_ns=(100 * MS, 160 * MS, 220 * MS, 280 * MS), end_ns=280 * MS)
GOOD = record("good")  # TTFT 100 ms, TPOT 20 ms


@pytest.mark.parametrize(
    ("objectives", "kept"),
    [
        (Objectives(ttft_s=0.2), 2),
        (Objectives(tpot_s=0.04), 2),
        (Objectives(ttft_s=0.2, tpot_s=0.04), 1),
        (Objectives(ttft_s=0.1, tpot_s=0.02), 1),  # a limit may be reached
        (Objectives(ttft_s=0.05), 0),
    ],
)
def test_goodput_counts_completed_requests_that_keep_to_every_limit(objectives, kept):
    rate, share = in_time(objectives, GOOD, SLOW_START, SLOW_PACE, failed("q4"))

    assert rate.value == kept / 2
    assert share.value == kept / 4  # of all sent: one that failed kept to nothing
    assert share.n == 4


def test_answer_in_one_chunk_has_no_pace_that_could_be_too_slow():
    rate, _ = in_time(Objectives(tpot_s=0.001), record(chunk_ns=(MS,), chunk_tokens=(4,)))

    assert rate.value == 1 / 2


@pytest.mark.parametrize(
    ("objectives", "is_asked"),
    [(Objectives(ttft_s=0.2), False), (Objectives(ttft_s=0.2, tpot_s=0.04), True)],
)
def test_goodput_needs_counted_first_chunks_only_where_pace_is_limited(objectives, is_asked):
    untold = [record(name, chunk_tokens=None) for name in ("q1", "q2", "q3")]
    for figure in in_time(objectives, *untold):
        assert figure.value is not None
        assert ("first_chunk_not_counted" in figure.reasons) == is_asked
        assert figure.valid != is_asked


def test_without_objectives_there_is_no_goodput():
    names = {m.name for m in analyse(run(job(phase([record()])))).metrics}

    assert not {"goodput", "goodput_share"} & names


def test_failed_requests_lower_the_share_in_time_but_leave_it_valid():
    rate, share = in_time(Objectives(ttft_s=1), GOOD, failed("q2"))

    assert (share.value, share.valid) == (0.5, True)
    assert "requests_failed" in rate.reasons
