from __future__ import annotations

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import MS, baseline, failed, job, metric, phase, plain, record, run


def of(*records, **where):
    result = analyse(run(job(phase(records))))
    return lambda name: metric(result, name, **where)


def test_one_request_has_the_times_that_its_chunks_say():
    # 4 tokens, chunks at 100, 120, 140, 160 ms, the end at 200 ms after the submit at 50 ms.
    shifted = tuple((50 + t) * MS for t in (100, 120, 140, 160))
    of_one = of(record(submit_ns=50 * MS, chunk_ns=shifted, end_ns=250 * MS))

    assert of_one("ttft_mean").value == pytest.approx(0.100)
    assert of_one("tpot_mean").value == pytest.approx(0.060 / 3)
    assert of_one("inter_chunk_time_p50").value == pytest.approx(0.020)
    assert of_one("latency_p99").value == pytest.approx(0.200)
    assert of_one("user_tps_mean").value == pytest.approx(4 / 0.200)
    assert of_one("inter_chunk_time_mean").n == 3
    assert of_one("ttft_mean").unit == "s"
    assert of_one("user_tps_mean").unit == "tokens/s"


def test_tpot_divides_by_tokens_not_by_chunks():
    two_chunks = record(
        chunk_ns=(100 * MS, 160 * MS), chunk_tokens=(1, 6), output_tokens=7, end_ns=160 * MS
    )

    assert of(two_chunks)("tpot_mean").value == pytest.approx(0.060 / 6)
    assert of(two_chunks)("inter_chunk_time_mean").value == pytest.approx(0.060)


def test_request_without_a_second_token_or_chunk_has_no_tpot():
    one_token = record("q1", chunk_ns=(MS,), chunk_tokens=(1,), output_tokens=1)
    one_chunk = record("q2", chunk_ns=(MS,), chunk_tokens=(4,), output_tokens=4)
    of_both = of(one_token, one_chunk)

    assert of_both("tpot_p50").value is None
    assert of_both("tpot_p50").reasons == ("no_requests",)
    assert of_both("inter_chunk_time_p50").reasons == ("no_requests",)
    assert of_both("ttft_mean").n == 2


def test_percentiles_are_nearest_ranks():
    of_hundred = of(*(record(f"q{i}", end_ns=i * MS) for i in range(1, 101)))

    values = [of_hundred(f"latency_{name}").value for name in ("p50", "p90", "p99", "mean")]
    assert values == pytest.approx([0.050, 0.090, 0.099, 0.0505])


def test_gaps_of_different_requests_are_never_joined():
    slow = record("q1", chunk_ns=(0, 30 * MS), chunk_tokens=(1, 3))
    fast = record("q2", chunk_ns=(1000 * MS, 1010 * MS, 1020 * MS), chunk_tokens=(1, 1, 2))
    of_both = of(slow, fast)

    assert of_both("inter_chunk_time_mean").value == pytest.approx(0.050 / 3)
    assert of_both("inter_chunk_time_p99").value == pytest.approx(0.030)


def test_gaps_follow_their_request_into_its_category():
    slow = record("q1", category="math", chunk_ns=(0, 30 * MS), chunk_tokens=(1, 3))
    fast = record("q2", category="coding", chunk_ns=(0, 10 * MS, 20 * MS), chunk_tokens=(1, 1, 2))

    assert of(fast, slow, category="math")("inter_chunk_time_mean").value == pytest.approx(0.030)
    assert of(fast, slow, category="coding")("inter_chunk_time_mean").value == pytest.approx(0.010)


def test_failed_requests_are_left_out_of_times_and_counted():
    of_both = of(record("q1"), failed("q2", end_ns=9_000 * MS))

    assert of_both("latency_p99").value == pytest.approx(0.160)
    assert of_both("latency_p99").n == 1
    assert of_both("requests").value == 2.0
    assert of_both("failed_requests").value == 1.0
    assert of_both("output_tokens").value == 4.0


def test_output_tps_is_of_each_launch_then_averaged():
    def phases(seconds):
        return (
            phase([plain("q1"), plain("q2")], seconds=seconds),
            phase([plain("q1"), plain("q2")], concurrency=4, seconds=1),
        )

    result = analyse(run(baseline(*phases(1)), baseline(*phases(3), repeat=1)))

    # 8 tokens a phase: 16 ÷ 2 s and 16 ÷ 4 s over both levels; 8 ÷ 1 s and 8 ÷ 3 s at 1.
    both = metric(result, "output_tps", speculation="none")
    assert both.value == pytest.approx((8 + 4) / 2)
    assert both.n == 2
    assert both.reasons == ("fewer_than_3_launches",)
    at_one = metric(result, "output_tps", speculation="none", concurrency=1)
    assert at_one.value == pytest.approx((8 + 8 / 3) / 2)


def test_output_tps_of_a_category_is_not_a_throughput():
    absent = of(record(), category="coding")("output_tps")

    assert (absent.value, absent.reasons) == (None, ("whole_phase_only",))


def test_phase_that_took_no_time_has_no_throughput():
    result = analyse(run(job(phase([record(end_ns=0)], seconds=0))))

    assert metric(result, "output_tps").reasons == ("no_requests",)
    assert metric(result, "user_tps_mean").reasons == ("no_requests",)
