"""Checks of what the phase ran on and with: machine, client, engine, prompts, baseline.

Each looks at one measured phase and says whether something is wrong with it.
"""

from __future__ import annotations

import math

import numpy as np

from specseal.analysis.caches import cached_tokens
from specseal.analysis.data import PhaseData
from specseal.analysis.facts import BASELINE, DRAFTER, EVERYTHING, Check, Needs, PhaseFacts
from specseal.analysis.telemetry import others_cpu, throttled_samples

MOST_CLIENT_CPU_SHARE = 0.9
"""Of one core for one process, and of all CPUs that they may use for all processes together: above
it they queue their own work behind themselves."""
MOST_LOOP_LAG_NS = 10_000_000
"""A stamp is late by at most this lag. Seen with engine and client on the same two busy cores: p99
of 3.5 to 5 ms; 10 ms is what a machine with cores for both does not come near."""
MOST_SEND_LAG_NS = 10_000_000
"""Lateness that a client's event loop alone may cause, as above."""
MOST_SEND_LAG_SHARE = 0.01
"""Lateness ÷ latency is the share of the load that a late send takes away: below this it can't
move throughput by more than 1%, however late that is."""
LEAST_REQUESTS = 3
"""Two requests say nothing of how much requests differ."""
MOST_RELATIVE_ERROR = 1 / 3
"""Relative standard error of the mean latency: above it, even its 95% interval (about twice that
to both sides) leaves open by which factor, up to 5, the phase would come out with other prompts.
Seen in the quickstart's phases of 8 requests with prompts of 30 to 1,200 tokens: 0.10 to 0.28."""
MOST_THROTTLED_SHARE = 0.05
"""Of a phase's samples: throttled for less, its mean pace has hardly moved."""
MOST_OTHERS_CPU_SHARE = 0.1
"""Of all CPUs that the job may use. Seen on a quiet machine of two cores: 0.025 to 0.04, most of it
the kernel's and the container engine's work for the benchmark itself."""
MOST_OTHERS_CORES = 1.0
"""Above ten CPUs a tenth of them hides whole cores, and an engine whose threads wait for each other
is as slow as the one of them that has lost its core."""
_ANY_ACCELERATOR = ("cpu", "any")


def _client_bottleneck(facts: PhaseFacts) -> bool:
    status = facts.phase.status
    return (
        status.client_cpu_share > MOST_CLIENT_CPU_SHARE
        or status.client_cpu_total > MOST_CLIENT_CPU_SHARE * status.client_cpus
        or status.loop_lag_p99_ns > MOST_LOOP_LAG_NS
        or status.send_lag_p99_ns > max(MOST_SEND_LAG_NS, MOST_SEND_LAG_SHARE * _latency_ns(facts))
    )


def _latency_ns(facts: PhaseFacts) -> float:
    latencies = facts.requests.latency_ns[facts.requests.completed]
    return float(latencies.mean()) if len(latencies) else 0.0


def _phase_too_short(facts: PhaseFacts) -> bool:
    latencies = facts.requests.latency_ns[facts.requests.completed]
    if len(latencies) < LEAST_REQUESTS:
        return True
    error = float(np.std(latencies, ddof=1)) / math.sqrt(len(latencies))
    return error > MOST_RELATIVE_ERROR * float(latencies.mean())


def _machine_busy(facts: PhaseFacts) -> bool:
    others = others_cpu(facts.window)
    return others is not None and (
        others.share > MOST_OTHERS_CPU_SHARE or others.cores > MOST_OTHERS_CORES
    )


def _clocks_throttled(facts: PhaseFacts) -> bool:
    counted = throttled_samples(facts.window)
    return counted is not None and counted[0] > MOST_THROTTLED_SHARE * counted[1]


def _engine_not_as_locked(facts: PhaseFacts) -> bool:
    asked, found = facts.job.engine_version, facts.job.engine_version_found
    if not asked or found is None:
        return False  # nothing was asked for, or the engine does not say
    # A build of a release may add a local part to its version (PEP 440): 0.9.1+cu126.
    return found != asked and not found.startswith(f"{asked}+")


def _accelerator_not_as_locked(facts: PhaseFacts) -> bool:
    job = facts.job
    if job.accelerator in _ANY_ACCELERATOR or job.accelerators_found is None:
        return False  # nothing was asked for, or nobody could look
    return job.accelerators_found.count(job.accelerator) < job.devices


def _cached_prompts(facts: PhaseFacts) -> bool:
    cached = cached_tokens(facts.records, facts.change)
    return bool(cached) and not facts.job.prefix_cache


def _drafts_remembered(facts: PhaseFacts) -> bool:
    """Warm-up draws from the same conversations, and every load level sends all of them again."""
    return facts.job.drafter_remembers and not facts.is_baseline


def _cache_unknown(facts: PhaseFacts) -> bool:
    """An engine that specseal starts has its cache set as the lock says; of others nobody knows."""
    nothing_tells = cached_tokens(facts.records, facts.change) is None
    return facts.job.prefix_cache is None and nothing_tells and len(facts.requests) > 0


def _bos_added(facts: PhaseFacts) -> bool:
    counted, sent = facts.records.numbers["engine_input_tokens"], facts.requests.input_tokens
    one_more = counted.are_known() & (counted.values == sent + 1)
    return facts.phase.bos_doubled or bool(one_more.any())


def _history_not_rewritten(facts: PhaseFacts) -> bool:
    goes_on = bool((facts.records.number("turn") > 0).any())
    return facts.phase.history_not_rewritten and goes_on


def _baseline_other_session(facts: PhaseFacts) -> bool:
    return any(
        job.speculation == BASELINE
        and job.repeat == facts.job.repeat
        and job.session != facts.job.session
        and any(_is_same_but_for_drafter(phase, facts.phase) for phase in job.phases)
        for job in facts.run.jobs
    )


def _is_same_but_for_drafter(baseline: PhaseData, phase: PhaseData) -> bool:
    """Tell whether a baseline's phase is of the same input, load and setting."""
    setting = {k: v for k, v in phase.setting.items() if k.split(".")[0] != DRAFTER}
    return (baseline.input, baseline.load, baseline.setting) == (phase.input, phase.load, setting)


CHECKS = (
    Check(
        code="client_bottleneck",
        sentence="A process of the load generator used over 90% of a core, or all together over "
        "90% of the CPUs that they may use, or one was over 10 ms late (p99) in stamping, or in "
        "sending if that is over 1% of the mean latency.",
        spoils=Needs.CLOCK,
        fires=_client_bottleneck,
    ),
    Check(
        code="machine_busy",
        sentence="Over 10% of the CPUs that the job may use, or more than one of them, worked for "
        "neither the engine nor the client.",
        spoils=Needs.CLOCK,
        fires=_machine_busy,
    ),
    Check(
        code="clocks_throttled",
        sentence="An accelerator throttled its clocks in over 5% of the samples.",
        spoils=Needs.CLOCK,
        fires=_clocks_throttled,
    ),
    Check(
        code="phase_too_short",
        sentence="Fewer than 3 requests completed, or their mean latency has a relative standard "
        "error over one third.",
        spoils=Needs.THROUGHPUT,
        fires=_phase_too_short,
    ),
    Check(
        code="engine_not_as_locked",
        sentence="The engine says that it is another version than the one locked.",
        spoils=EVERYTHING,
        fires=_engine_not_as_locked,
    ),
    Check(
        code="accelerator_not_as_locked",
        sentence="The job found fewer of the accelerators that the lock names than it asks for.",
        spoils=EVERYTHING,
        fires=_accelerator_not_as_locked,
    ),
    Check(
        code="cached_prompts",
        sentence="Prompt tokens came from a cache that was to be off: their prefill was not "
        "measured.",
        spoils=Needs.PREFILL,
        fires=_cached_prompts,
    ),
    Check(
        code="cache_unknown",
        sentence="The server may have a cache of prompts, and nothing tells whether any came from "
        "it: their prefill may not have been measured.",
        spoils=Needs.PREFILL,
        fires=_cache_unknown,
    ),
    Check(
        code="drafts_remembered",
        sentence="The drafter keeps what it saw of earlier requests, and each prompt had been sent "
        "before: it drafts answers that it knows.",
        spoils=EVERYTHING,
        fires=_drafts_remembered,
    ),
    Check(
        code="bos_added",
        sentence="A prompt had a begin-of-sequence token more than its template gives it.",
        spoils=EVERYTHING,
        fires=_bos_added,
    ),
    Check(
        code="history_not_rewritten",
        sentence="The chat template would rewrite earlier turns; the conversations went on "
        "without that.",
        spoils=EVERYTHING,
        fires=_history_not_rewritten,
    ),
    Check(
        code="baseline_other_session",
        sentence="The baseline of the same repeat was measured in another session.",
        spoils=Needs.BASELINE,
        fires=_baseline_other_session,
    ),
)
