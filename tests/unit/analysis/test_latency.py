from __future__ import annotations

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import MS, failed, job, metric, phase, record, run


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


def test_tpot_leaves_out_all_tokens_of_the_first_chunk():
    three_first = record(
        chunk_ns=(100 * MS, 160 * MS), chunk_tokens=(3, 4), output_tokens=7, end_ns=160 * MS
    )
    untold = record(chunk_ns=(100 * MS, 160 * MS), chunk_tokens=None, output_tokens=7)

    assert of(three_first)("tpot_mean").value == pytest.approx(0.060 / 4)
    assert of(untold)("tpot_mean").value == pytest.approx(0.060 / 6)


def test_decoding_pace_is_the_inverse_of_each_tpot():
    slow = record("q1", end_ns=500 * MS)  # 3 tokens in 60 ms after the first
    fast = record("q2", chunk_ns=(100 * MS, 110 * MS, 120 * MS, 130 * MS), end_ns=500 * MS)
    of_both = of(slow, fast)

    assert of_both("user_tps_decode_mean").value == pytest.approx((50 + 100) / 2)
    assert of_both("user_tps_decode_p50").value == pytest.approx(50)
    assert of_both("user_tps_decode_mean").n == 2


def test_chunks_at_one_instant_have_no_decoding_pace():
    at_once = record(chunk_ns=(100 * MS,) * 4, end_ns=100 * MS)

    assert of(at_once)("tpot_mean").value == 0.0
    assert of(at_once)("user_tps_decode_mean").reasons == ("no_requests",)


def test_gap_longer_than_32_bits_of_nanoseconds_is_exact():
    stalled = record(chunk_ns=(0, 1, 2, 10_000 * MS), end_ns=10_000 * MS)

    assert of(stalled)("inter_chunk_time_p99").value == pytest.approx(10 - 2e-9, abs=1e-10)
