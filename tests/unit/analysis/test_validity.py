"""Every code is provoked once, and says nothing of metrics that do not need what it spoils."""

from __future__ import annotations

from typing import Any

import pytest

from specseal.analysis import RunData, analyse
from specseal.analysis.validity import CHECKS, REASONS
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
    snapshot,
)

COUNTERS: dict[str, Any] = {"drafts": 6, "draft_tokens": 18, "accepted_tokens": 6}
CONVERSATIONS = [f"q{i}" for i in range(6)]


def ours(**changes: Any):
    return [record(conversation, **changes) for conversation in CONVERSATIONS]


def theirs(**changes: Any):
    return [plain(conversation, **changes) for conversation in CONVERSATIONS]


def with_speculation(sd_phase, **changes: Any) -> RunData:
    return run(baseline(phase(theirs())), job(sd_phase, **changes))


def with_counters(**changes: Any) -> RunData:
    return with_speculation(phase(ours(), after=snapshot(**{**COUNTERS, **changes})))


def with_status(**changes: Any) -> RunData:
    return with_speculation(phase(ours(), status=changes))


def test_clean_run_sets_no_code_of_a_check():
    result = analyse(
        run(
            *(
                made
                for repeat in range(3)
                for made in (
                    baseline(phase(theirs()), repeat=repeat),
                    job(phase(ours()), repeat=repeat),
                )
            )
        )
    )

    checks = {check.code for check in CHECKS}
    assert not [m for m in result.metrics if checks & set(m.reasons)]
    expected = {"no_counters", "no_per_request_drafts", "whole_phase_only", "all_identical"}
    for m in result.metrics:
        assert m.valid == (m.value is not None)
        assert m.valid or expected & set(m.reasons), m
        assert m.low is not None or m.reasons, m


BROKEN = {
    "speculation_not_active": [
        with_speculation(phase(ours(draft_tokens=0, accepted_tokens=0))),
        with_counters(drafts=0),
        with_speculation(
            phase(ours(draft_tokens=None, accepted_tokens=None), before=None, after=None)
        ),
    ],
    "accepted_over_draft_length": [
        with_counters(accepted_per_position=(6, 0, 0, 0, 1)),
        with_counters(accepted_tokens=19),
        with_counters(drafts=1),
        with_speculation(phase(ours(draft_tokens=1, accepted_tokens=2))),
    ],
    "requests_failed": [
        with_speculation(phase([*ours(), failed("q9")])),
        with_speculation(phase([*ours(), record("q9", finish="error")])),
        with_status(failed=1),
    ],
    "counters_not_settled": [
        with_speculation(phase(ours(), before=None)),
        with_speculation(phase(ours(), after=None)),
        with_counters(settled=False),
        with_speculation(
            phase(
                ours(),
                before=snapshot("before", output_tokens=9),
                after=snapshot(output_tokens=8, **COUNTERS),
            )
        ),
        with_speculation(phase(ours(), before=snapshot("before", drafts=99))),
    ],
    "client_bottleneck": [
        with_status(client_cpu_share=0.91),
        with_status(loop_lag_p99_ns=10 * MS + 1),
    ],
    "cached_prompts": [with_speculation(phase(ours(cached_tokens=1)))],
    "counters_and_requests_disagree": [with_counters(accepted_tokens=7)],
    "impossible_counts": [
        with_speculation(phase(ours(accepted_tokens=4, draft_tokens=4))),
        with_speculation(phase(ours(accepted_tokens=8, draft_tokens=8, finish="stop"))),
    ],
    "other_session_baseline": [with_speculation(phase(ours()), session="s2")],
}
SPOILS = {
    "speculation_not_active": "latency_mean",
    "accepted_over_draft_length": "latency_mean",
    "requests_failed": "latency_mean",
    "counters_not_settled": "acceptance_length_drafted",
    "client_bottleneck": "inter_chunk_time_p50",
    "cached_prompts": "ttft_mean",
    "counters_and_requests_disagree": "acceptance_rate",
    "impossible_counts": "acceptance_length_harness",
    "other_session_baseline": "speedup_user_tps",
}
SPARES = {
    "speculation_not_active": "output_tokens",
    "accepted_over_draft_length": "output_tokens",
    "requests_failed": "acceptance_length_drafted",
    "counters_not_settled": "latency_mean",
    "client_bottleneck": "acceptance_length",
    "cached_prompts": "tpot_mean",
    "counters_and_requests_disagree": "latency_mean",
    "impossible_counts": "latency_mean",
    "other_session_baseline": "latency_mean",
}


@pytest.mark.parametrize(
    ("code", "broken"), [(code, broken) for code, runs in BROKEN.items() for broken in runs]
)
def test_what_a_fault_spoils_is_not_valid_and_says_why(code: str, broken: RunData):
    result = analyse(broken)

    spoilt = metric(result, SPOILS[code])
    assert code in spoilt.reasons
    assert not spoilt.valid
    assert code not in metric(result, SPARES[code]).reasons


@pytest.mark.parametrize(
    "drafting",
    [
        phase(theirs(), after=snapshot(drafts=1)),
        phase(theirs(draft_tokens=2), before=None, after=None),
    ],
)
def test_baseline_that_drafted_is_not_valid(drafting):
    result = analyse(run(baseline(drafting), job(phase(ours()))))

    assert metric(result, "latency_mean", speculation="none").reasons == ("speculation_not_active",)
    assert metric(result, "speedup_user_tps").reasons == ("speculation_not_active",)
    assert metric(result, "latency_mean").valid


def test_every_check_is_provoked_here():
    assert set(BROKEN) == set(SPOILS) == set(SPARES) == {check.code for check in CHECKS}


@pytest.mark.parametrize(
    "broken", [broken for runs in BROKEN.values() for broken in runs] + [run(), run(job(phase([])))]
)
def test_no_fault_gives_a_number_that_is_none(broken: RunData):
    for m in analyse(broken).metrics:
        for value in (m.value, m.low, m.high):
            assert value is None or abs(value) < float("inf")
        assert m.value is not None or (not m.valid and m.reasons)
        assert set(m.reasons) <= set(REASONS)
        assert (m.low is None) == (m.high is None)
        assert m.low is not None or m.reasons


def test_fault_of_the_baseline_spoils_the_speedup_but_not_our_own_times():
    slow_client = phase(theirs(), status={"client_cpu_share": 1.5})
    result = analyse(run(baseline(slow_client), job(phase(ours()))))

    assert metric(result, "speedup_user_tps").reasons == ("client_bottleneck",)
    assert metric(result, "latency_mean").valid
    assert not metric(result, "latency_mean", speculation="none").valid
    assert metric(result, "identical_output_share").valid


def test_fault_at_one_load_level_leaves_the_other_valid():
    good, bad = phase(ours()), phase(ours(), concurrency=4, status={"client_cpu_share": 1.5})
    result = analyse(run(job(good, bad)))

    assert metric(result, "ttft_mean", concurrency=1).valid
    assert not metric(result, "ttft_mean", concurrency=4).valid
    assert not metric(result, "ttft_mean").valid
    assert not metric(result, "ttft_mean", concurrency=4, category="coding").valid


def test_counters_that_moved_do_not_spoil_what_requests_tell_by_category():
    result = analyse(with_counters(settled=False))

    assert not metric(result, "acceptance_length").valid
    assert metric(result, "acceptance_length").value == 3 / 2
    assert metric(result, "acceptance_length", category="coding").valid


def test_speculation_is_proven_by_requests_where_no_counter_tells():
    result = analyse(with_speculation(phase(ours(), before=None, after=None)))

    assert metric(result, "latency_mean").valid
    assert metric(result, "drafts").reasons == ("no_counters", "counters_not_settled")


def test_baseline_without_speculation_counters_drafted_nothing():
    none = snapshot(drafts=None, draft_tokens=None, accepted_tokens=None)
    result = analyse(run(baseline(phase(theirs(), before=none, after=none))))

    for name in ("drafts", "draft_tokens", "accepted_tokens"):
        counted = metric(result, name, speculation="none")
        assert (counted.value, counted.valid, counted.reasons) == (0.0, True, ("exact_count",))


def test_without_a_baseline_nothing_paired_has_a_value():
    result = analyse(run(job(phase(ours()))))

    for name in (
        "speedup_user_tps",
        "speedup_output_tps",
        "identical_output_share",
        "first_difference_tokens_p50",
    ):
        absent = metric(result, name)
        assert (absent.value, absent.valid, absent.reasons) == (None, False, ("no_baseline",))


def test_sampled_outputs_are_not_expected_to_be_identical():
    result = analyse(run(baseline(phase(theirs())), job(phase(ours())), temperature=0.7))

    assert metric(result, "identical_output_share").reasons == ("not_greedy",)
    assert metric(result, "first_difference_tokens_p50").reasons == ("not_greedy",)
    assert metric(result, "speedup_user_tps").valid
