"""Every code is provoked, and says nothing of metrics that do not need what it spoils; what comes
near to it without cause provokes none."""

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
    telemetry,
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


def with_tokens(
    *, sent: dict[str, Any] | None = None, prefix_cache: bool | None = False, **counted: int
) -> RunData:
    """Return a run in which the counters rose so. The requests had 24 output tokens, 60 of prompts.

    Its answers are those of `ours`, with `sent` changed.
    """
    before = snapshot("before", **dict.fromkeys(counted, 100))
    after = snapshot(**COUNTERS, **{name: 100 + count for name, count in counted.items()})
    return with_speculation(
        phase(ours(**(sent or {})), before=before, after=after), prefix_cache=prefix_cache
    )


def with_cache(
    *,
    requests: int | None,
    counter: int | None,
    prefix_cache: bool | None = False,
    prompt_tokens: int | None = None,
) -> RunData:
    """Return a run of which each request and the counter tell so many cached tokens."""
    before = snapshot(
        "before", cached_tokens=None if counter is None else 5, prompt_tokens=prompt_tokens and 0
    )
    after = snapshot(
        **COUNTERS,
        cached_tokens=None if counter is None else 5 + counter,
        prompt_tokens=prompt_tokens,
    )
    return run(
        baseline(phase(theirs())),
        job(
            phase(ours(cached_tokens=requests), before=before, after=after),
            prefix_cache=prefix_cache,
        ),
    )


def with_drafts(method: str, **counts: int) -> RunData:
    counters = snapshot(**{**COUNTERS, **counts})
    return with_speculation(phase(ours(), after=counters), speculation=method)


def with_status(*, latency_ms: int = 160, **changes: Any) -> RunData:
    return with_speculation(phase(ours(end_ns=latency_ms * MS), status=changes))


def with_telemetry(seconds: int, **fields: Any) -> RunData:
    return with_speculation(
        phase(ours(), seconds=seconds),
        telemetry=telemetry(seconds, **fields),
        accelerator="any",
        devices=2,
    )


def with_latencies(*latencies_ms: int) -> RunData:
    requests = [
        record(f"q{i}", end_ns=milliseconds * MS) for i, milliseconds in enumerate(latencies_ms)
    ]
    return with_speculation(phase(requests))


def on_accelerators(*found: str, asked: str = "nvidia/h100-sxm5-80gb", devices: int = 2) -> RunData:
    return with_speculation(
        phase(ours()), accelerator=asked, accelerators_found=found, devices=devices
    )


def busy(engine_cores: float, client_cores: float, percent: float) -> dict[str, Any]:
    return {
        "cpus": 2,
        "cpu_percent": percent,
        "engine_cpu_s": lambda second: engine_cores * second,
        "client_cpu_s": lambda second: client_cores * second,
    }


def streamed(chunks: int) -> RunData:
    """Return a run in which 3 decoded tokens, 1 of them accepted, came in so many chunks."""
    requests = ours(
        chunk_ns=tuple(100 * MS + i * MS for i in range(chunks)),
        chunk_tokens=(*[1] * (chunks - 1), 4 - (chunks - 1)),
    )
    return with_speculation(phase(requests), one_chunk_a_step=True)


def told_by_steps_alone(steps: int, **changes: Any) -> RunData:
    """Return a run of which nothing is told but the steps in which 3 tokens were decoded."""
    requests = ours(draft_tokens=None, accepted_tokens=None, verify_steps=steps)
    return with_speculation(phase(requests, before=None, after=None), **changes)


@pytest.mark.parametrize("method", ["eagle3", "mtp", "ngram"])
def test_fewer_steps_than_tokens_show_that_drafts_were_made(method: str):
    result = analyse(told_by_steps_alone(2, speculation=method))

    assert not [m for m in result.metrics if "speculation_not_active" in m.reasons]


def test_steps_alone_are_enough_for_the_length_of_a_drafter_that_always_drafts():
    result = analyse(told_by_steps_alone(2, speculation="eagle3"))

    length = metric(result, "acceptance_length", speculation="eagle3")
    assert (length.value, length.valid) == (1.5, True)


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
    expected = {
        "no_counters",
        "no_per_request_drafts",
        "whole_phase_only",
        "all_identical",
        "no_one_chunk_a_step",
        "no_energy_telemetry",
        "no_telemetry",
        "not_watched",
    }
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
        told_by_steps_alone(3),
    ],
    "draft_length_not_as_asked": [
        with_counters(accepted_per_position=(6, 0, 0, 0, 1)),
        with_counters(accepted_tokens=19),
        with_counters(draft_tokens=25),
        with_counters(drafts=1),
        with_speculation(phase(ours(draft_tokens=1, accepted_tokens=2))),
        with_speculation(phase(ours(draft_tokens=5, verify_steps=1))),
        with_speculation(phase(ours(draft_tokens=5, accepted_tokens=5, verify_steps=1))),
    ],
    "set_to_another_draft_length": [
        with_speculation(phase(ours()), draft_length_found=3),
        with_speculation(phase(ours()), draft_length_found=8),
        with_drafts("eagle3", drafts=20, draft_tokens=60),
    ],
    "method_not_as_asked": [
        with_speculation(phase(ours()), method_found="suffix"),
        with_speculation(phase(ours()), method_found="none"),
    ],
    "requests_failed": [
        with_speculation(phase([*ours(), failed("q9")])),
        with_speculation(phase([*ours(), record("q9", finish="error")])),
        with_status(failed=1),
    ],
    "counters_not_settled": [
        with_speculation(phase(ours(), before=None)),
        with_speculation(phase(ours(), after=None)),
        with_speculation(
            phase(
                ours(),
                before=snapshot("before", cached_tokens=9),
                after=snapshot(cached_tokens=8, **COUNTERS),
            )
        ),
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
        with_status(client_cpu_share=0.46, client_cpu_total=0.91),
        with_status(client_cpu_share=0.7, client_cpu_total=1.81, client_cpus=2),
        with_status(loop_lag_p99_ns=10 * MS + 1),
        with_status(send_lag_p99_ns=10 * MS + 1),
        with_status(send_lag_p99_ns=20 * MS + 1, latency_ms=2000),
    ],
    "machine_busy": [
        with_telemetry(10, **busy(1.5, 0.1, 100)),
        with_telemetry(10, **busy(50, 0.1, 40) | {"cpus": 128}),  # 1.1 cores of 128
    ],
    "clocks_throttled": [
        with_telemetry(
            10,
            accelerator0_throttle="",
            accelerator1_throttle=lambda second: "sw_power_cap" if second == 5 else "",
        )
    ],
    "phase_too_short": [with_latencies(160, 160), with_latencies(100, 100, 1000)],
    "fewer_tokens_than_asked": [
        with_speculation(phase(ours(), max_tokens=5)),
        with_speculation(phase(ours(finish="stop"), max_tokens=5, ignore_eos=True)),
    ],
    "engine_not_as_locked": [
        with_speculation(phase(ours()), engine_version_found="1.0.1"),
        with_speculation(phase(ours()), engine_version_found="2.0"),
    ],
    "accelerator_not_as_locked": [
        on_accelerators(),
        on_accelerators("nvidia/h100-sxm5-80gb"),
        on_accelerators("nvidia/h100-sxm5-80gb", "nvidia/a100-sxm4-80gb"),
    ],
    "drafts_remembered": [with_speculation(phase(ours()), drafter_remembers=True)],
    "bos_added": [
        with_speculation(phase(ours(engine_input_tokens=11))),
        with_speculation(phase(ours(), bos_doubled=True)),
    ],
    "history_not_rewritten": [
        with_speculation(phase([*ours(), record("q0", turn=1)], history_not_rewritten=True))
    ],
    "cached_prompts": [
        with_speculation(phase(ours(cached_tokens=1))),
        with_speculation(phase(ours(cached_tokens=1)), prefix_cache=None),
        with_speculation(phase([*ours(cached_tokens=None), record("q9", cached_tokens=1)])),
        with_cache(requests=None, counter=1),
        with_cache(requests=None, counter=1, prefix_cache=None),
        with_cache(requests=0, counter=1, prefix_cache=None),
    ],
    "cache_unknown": [
        with_cache(requests=None, counter=None, prefix_cache=None),
        with_speculation(
            phase([*ours(cached_tokens=None), record("q9", cached_tokens=0)]), prefix_cache=None
        ),
        with_speculation(
            phase(ours(cached_tokens=None), before=None, after=None), prefix_cache=None
        ),
    ],
    "counters_and_requests_disagree": [
        with_counters(accepted_tokens=7),
        with_counters(accepted_tokens=5),
        with_tokens(output_tokens=25),
        with_tokens(output_tokens=23),
        with_tokens(prompt_tokens=61),
    ],
    "other_requests_served": [
        with_counters(accepted_tokens=7),
        with_tokens(output_tokens=25),
        with_tokens(prompt_tokens=61),
        with_cache(requests=None, counter=0, prompt_tokens=61),
    ],
    "first_chunk_not_counted": [with_speculation(phase(ours(chunk_tokens=None)))],
    "counters_and_stream_disagree": [streamed(chunks=2), streamed(chunks=4)],
    "impossible_counts": [
        with_speculation(phase(ours(verify_steps=1))),  # 3 tokens decoded, 1 of them accepted
        with_speculation(phase(ours(verify_steps=3))),
        with_speculation(phase(ours(accepted_tokens=4, draft_tokens=4))),
        with_speculation(phase(ours(accepted_tokens=8, draft_tokens=8, finish="stop"))),
    ],
    "baseline_other_session": [with_speculation(phase(ours()), session="s2")],
}
SPOILS = {
    "set_to_another_draft_length": "latency_mean",
    "method_not_as_asked": "latency_mean",
    "speculation_not_active": "latency_mean",
    "draft_length_not_as_asked": "latency_mean",
    "requests_failed": "latency_mean",
    "counters_not_settled": "acceptance_length_drafted",
    "client_bottleneck": "inter_chunk_time_p50",
    "cached_prompts": "ttft_mean",
    "cache_unknown": "ttft_mean",
    "counters_and_requests_disagree": "acceptance_rate",
    "other_requests_served": "tpot_mean",
    "first_chunk_not_counted": "tpot_mean",
    "impossible_counts": "acceptance_length_harness",
    "baseline_other_session": "speedup_user_tps",
    "machine_busy": "ttft_mean",
    "clocks_throttled": "tpot_mean",
    "phase_too_short": "output_tps",
    "fewer_tokens_than_asked": "user_tps_mean",
    "engine_not_as_locked": "acceptance_length_drafted",
    "accelerator_not_as_locked": "latency_mean",
    "drafts_remembered": "acceptance_length",
    "bos_added": "acceptance_length",
    "history_not_rewritten": "acceptance_length",
    "counters_and_stream_disagree": "acceptance_length_stream",
}
SPARES = {
    "set_to_another_draft_length": "output_tokens",
    "method_not_as_asked": "output_tokens",
    "speculation_not_active": "output_tokens",
    "draft_length_not_as_asked": "output_tokens",
    "requests_failed": "acceptance_length_drafted",
    "counters_not_settled": "latency_mean",
    "client_bottleneck": "acceptance_length",
    "cached_prompts": "tpot_mean",
    "cache_unknown": "tpot_mean",
    "counters_and_requests_disagree": "requests",
    "other_requests_served": "acceptance_length_drafted",
    "first_chunk_not_counted": "latency_mean",
    "impossible_counts": "latency_mean",
    "baseline_other_session": "latency_mean",
    "machine_busy": "acceptance_length",
    "clocks_throttled": "identical_output_share",
    "phase_too_short": "latency_mean",
    "fewer_tokens_than_asked": "acceptance_length_drafted",
    "engine_not_as_locked": "requests",
    "accelerator_not_as_locked": "requests",
    "drafts_remembered": "requests",
    "bos_added": "requests",
    "history_not_rewritten": "requests",
    "counters_and_stream_disagree": "acceptance_length",
}


NEARLY = {
    "set_to_another_draft_length": [
        with_speculation(phase(ours()), draft_length_found=4),
        with_drafts("eagle3", drafts=20, draft_tokens=61),
    ],
    "method_not_as_asked": [
        with_speculation(phase(ours()), method_found="ngram"),
        with_speculation(phase(ours()), method_found=None),
    ],
    "draft_length_not_as_asked": [
        with_counters(draft_tokens=24),
        with_counters(accepted_per_position=(6, 0, 0, 0, 0)),
        with_speculation(phase(ours(verify_steps=2, draft_tokens=8))),
    ],
    "client_bottleneck": [
        with_status(client_cpu_share=0.9, client_cpu_total=0.9),
        with_status(client_cpu_share=0.9, client_cpu_total=1.8, client_cpus=2),
        with_status(loop_lag_p99_ns=10 * MS, send_lag_p99_ns=10 * MS),
        with_status(send_lag_p99_ns=20 * MS, latency_ms=2000),
    ],
    "machine_busy": [
        with_telemetry(10, **busy(1.9, 0.02, 100)),
        with_telemetry(10, **busy(50.3, 0.1, 40) | {"cpus": 128}),
        with_telemetry(10, **busy(1.9, 0.02, 100) | {"cpus": None}),
        with_telemetry(10, **busy(0.1, 0.1, 100) | {"engine_cpu_s": None}),
        with_telemetry(10, **busy(1.9, 0.3, 100)),  # clocks of processes and host may disagree
    ],
    "clocks_throttled": [
        with_telemetry(20, accelerator0_throttle=lambda second: "" if second else "sw_power_cap"),
        with_telemetry(10, accelerator0_throttle=""),
        with_telemetry(10, accelerator0_power_w=700.0),
    ],
    "phase_too_short": [with_latencies(160, 160, 160), with_latencies(100, 100, 100, 300)],
    "fewer_tokens_than_asked": [
        with_speculation(phase(ours(), max_tokens=4, ignore_eos=True)),
        with_speculation(phase(ours(finish="stop"), max_tokens=5)),
    ],
    "engine_not_as_locked": [
        with_speculation(phase(ours()), engine_version_found="1.0+cu126"),
        with_speculation(phase(ours()), engine_version_found=None),
        with_speculation(phase(ours()), engine_version=""),
    ],
    "accelerator_not_as_locked": [
        on_accelerators(*["nvidia/h100-sxm5-80gb"] * 8),
        on_accelerators("nvidia/a100-sxm4-80gb", asked="any"),
        on_accelerators("nvidia/a100-sxm4-80gb", asked="cpu", devices=1),
        with_speculation(phase(ours()), accelerator="nvidia/b200", accelerators_found=None),
    ],
    "cached_prompts": [
        with_speculation(phase(ours(cached_tokens=9)), prefix_cache=True),
        with_cache(requests=None, counter=9, prefix_cache=True),
        with_cache(requests=None, counter=0),
    ],
    "cache_unknown": [
        with_cache(requests=None, counter=None),
        with_cache(requests=None, counter=None, prefix_cache=True),
        with_cache(requests=0, counter=None, prefix_cache=None),
        with_cache(requests=None, counter=0, prefix_cache=None),
    ],
    "counters_and_requests_disagree": [
        with_tokens(output_tokens=24, prompt_tokens=60),
        # What was computed alone, or whole prompts: no two engines agree on it.
        with_tokens(prompt_tokens=51, cached_tokens=9, prefix_cache=True),
        with_tokens(prompt_tokens=51, sent={"cached_tokens": None}),
        with_tokens(prompt_tokens=51, sent={"engine_input_tokens": None}),
    ],
    "counters_not_settled": [with_speculation(phase(ours(), before=None, after=None))],
    "first_chunk_not_counted": [
        with_speculation(
            phase(
                ours(
                    chunk_ns=(100 * MS,), chunk_tokens=None, accepted_tokens=None, draft_tokens=None
                ),
                after=snapshot(**COUNTERS),
            )
        )
    ],
    "bos_added": [with_speculation(phase(ours(engine_input_tokens=None)))],
    "history_not_rewritten": [
        with_speculation(phase(ours(), history_not_rewritten=True)),
        with_speculation(phase([*ours(), record("q0", turn=1)])),
    ],
    "counters_and_stream_disagree": [streamed(chunks=3)],
    "impossible_counts": [with_speculation(phase(ours(verify_steps=2)))],
}


@pytest.mark.parametrize("sound", [sound for runs in NEARLY.values() for sound in runs])
def test_what_comes_near_a_fault_sets_no_code(sound: RunData):
    checks = {check.code for check in CHECKS}

    assert not {code for m in analyse(sound).metrics for code in m.reasons} & checks


@pytest.mark.parametrize(
    ("code", "broken"), [(code, broken) for code, runs in BROKEN.items() for broken in runs]
)
def test_what_a_fault_spoils_is_not_valid_and_says_why(code: str, broken: RunData):
    result = analyse(broken)

    speculation = broken.jobs[1].speculation
    spoilt = metric(result, SPOILS[code], speculation=speculation)
    assert code in spoilt.reasons
    assert not spoilt.valid
    assert code not in metric(result, SPARES[code], speculation=speculation).reasons


@pytest.mark.parametrize(
    "drafting",
    [
        phase(theirs(), after=snapshot(drafts=1)),
        phase(theirs(draft_tokens=2), before=None, after=None),
        phase(theirs(verify_steps=2), before=None, after=None),
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


def test_baseline_of_another_setting_may_be_of_another_session():
    def pair(session: str, threads: int, *, baseline_session: str):
        setting = {"engine.threads": threads}
        return (
            baseline(
                phase(theirs(), setting=setting), session=baseline_session, key=f"ar-{threads}"
            ),
            job(
                phase(ours(), setting={**setting, "drafter.args": "x"}),
                session=session,
                key=f"sd-{threads}",
            ),
        )

    result = analyse(
        run(*pair("s1", 1, baseline_session="s1"), *pair("s2", 2, baseline_session="s1"))
    )

    def speedup(threads: int):
        setting = {"engine.threads": threads, "drafter.args": "x"}
        return metric(result, "speedup_user_tps", **setting)

    assert speedup(1).valid
    assert speedup(2).reasons == ("baseline_other_session",)


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
    assert metric(result, "drafts").reasons == ("no_counters",)


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
    result = analyse(
        run(baseline(phase(theirs(), temperature=0.7)), job(phase(ours(), temperature=0.7)))
    )

    assert metric(result, "identical_output_share").reasons == ("not_greedy",)
    assert metric(result, "first_difference_tokens_p50").reasons == ("not_greedy",)
    assert metric(result, "speedup_user_tps").valid


@pytest.mark.parametrize(
    ("drafted", "accepted", "fires"), [(20, 4, False), (21, 4, True), (20, 5, True)]
)
def test_a_tree_drafts_more_than_its_length_and_accepts_no_more(
    drafted: int, accepted: int, fires: bool
):
    counted = ours(draft_tokens=drafted, accepted_tokens=accepted, verify_steps=1)
    counters = {"before": None, "after": None}
    tree = job(phase(counted, **counters), speculation="eagle3", drafted_a_step=20)
    marked = [m for m in analyse(run(tree)).metrics if "draft_length_not_as_asked" in m.reasons]
    assert bool(marked) is fires


@pytest.mark.parametrize(
    ("method", "drafts", "draft_tokens", "fires"),
    [
        ("eagle3", 20, 60, True),
        ("eagle3", 20, 61, False),  # shortened at the end of some answers
        ("eagle3", 19, 57, False),
        ("eagle3", 20, 80, False),
        ("ngram", 20, 60, False),  # finds as many tokens as it finds
    ],
)
def test_a_model_that_always_drafts_fewer_than_asked_was_set_to_another_length(
    method: str, drafts: int, draft_tokens: int, fires: bool
):
    result = analyse(with_drafts(method, drafts=drafts, draft_tokens=draft_tokens))
    marked = [m for m in result.metrics if "set_to_another_draft_length" in m.reasons]
    assert bool(marked) is fires
