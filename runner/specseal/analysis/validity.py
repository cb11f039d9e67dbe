"""Why a metric can't be trusted, can't be computed, or has no interval: every code, once.

A check looks at one measured phase and says whether something is wrong with it; its row names what
that spoils. A metric needs some of these things; where a check that spoils one of them fires in a
phase behind the metric, the metric carries the check's code and is not valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto

from specseal.analysis.columns import is_completed, may_be_cut
from specseal.analysis.counters import CounterChange
from specseal.analysis.data import JobData, PhaseData, RunData

BASELINE = "none"
"""`JobData.speculation` of the job without speculation."""
MOST_CLIENT_CPU_SHARE = 0.9
MOST_LOOP_LAG_NS = 10_000_000


class Needs(Flag):
    """What a metric relies on."""

    NOTHING = 0
    SPECULATION = auto()
    """The job speculated as its name and draft length say; a baseline did not."""
    COUNTERS = auto()
    """The engine's counters were read at rest."""
    ACCEPTED = auto()
    """The counts of accepted tokens agree with each other and with the output."""
    COMPLETE = auto()
    """No request of the phase failed."""
    CLOCK = auto()
    """The client kept up."""
    PREFILL = auto()
    """Every prompt was prefilled whole."""
    BASELINE = auto()
    """The baseline was measured in the same session; its phases must hold too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFacts:
    """One measured phase with all that a check may ask about."""

    run: RunData
    job: JobData
    phase: PhaseData
    change: CounterChange

    @property
    def is_baseline(self) -> bool:
        """Whether the phase ran without speculation."""
        return self.job.speculation == BASELINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that may be wrong with a phase."""

    code: str
    sentence: str
    spoils: Needs
    fires: Callable[[PhaseFacts], bool]


def _speculation_not_active(facts: PhaseFacts) -> bool:
    drafted = facts.change.drafts
    if drafted is None:
        drafted = sum(record.draft_tokens or 0 for record in facts.phase.records)
    return drafted > 0 if facts.is_baseline else drafted == 0


def _accepted_over_draft_length(facts: PhaseFacts) -> bool:
    length, change = facts.job.draft_length, facts.change
    totals = [(change.accepted_tokens, change.draft_tokens)]
    totals += [(record.accepted_tokens, record.draft_tokens) for record in facts.phase.records]
    over_drafted = any(
        accepted is not None and drafted is not None and accepted > drafted
        for accepted, drafted in totals
    )
    over_length = (
        change.accepted_tokens is not None
        and change.drafts is not None
        and change.accepted_tokens > change.drafts * length
    )
    return over_drafted or over_length or any((change.accepted_per_position or ())[length:])


def _requests_failed(facts: PhaseFacts) -> bool:
    return facts.phase.status.failed > 0 or not all(map(is_completed, facts.phase.records))


def _counters_not_settled(facts: PhaseFacts) -> bool:
    return not facts.change.settled


def _client_bottleneck(facts: PhaseFacts) -> bool:
    status = facts.phase.status
    return (
        status.client_cpu_share > MOST_CLIENT_CPU_SHARE or status.loop_lag_p99_ns > MOST_LOOP_LAG_NS
    )


def _other_session_baseline(facts: PhaseFacts) -> bool:
    return any(
        job.speculation == BASELINE
        and job.repeat == facts.job.repeat
        and job.session != facts.job.session
        for job in facts.run.jobs
    )


def _cached_prompts(facts: PhaseFacts) -> bool:
    return any((record.cached_tokens or 0) > 0 for record in facts.phase.records)


def _counters_and_requests_disagree(facts: PhaseFacts) -> bool:
    accepted = [record.accepted_tokens for record in facts.phase.records]
    told = [count for count in accepted if count is not None]
    counted = facts.change.accepted_tokens
    if counted is None or len(told) < len(accepted) or not told or _requests_failed(facts):
        return False  # nothing to hold against each other; other checks say why
    return sum(told) != counted


def _impossible_counts(facts: PhaseFacts) -> bool:
    """A verify step keeps at least one token of its own beside at most draft-length accepted."""
    length = facts.job.draft_length
    for record in facts.phase.records:
        accepted = record.accepted_tokens
        if not accepted or not length or not is_completed(record):
            continue
        cut = may_be_cut(record, cut_at_limit=facts.job.cut_at_limit)
        most_dropped = min(length, accepted) if cut else 0
        steps_at_most = record.output_tokens - 1 + most_dropped - accepted
        if steps_at_most * length < accepted:
            return True
    return False


CHECKS = (
    Check(
        code="speculation_not_active",
        sentence="A job with speculation drafted nothing, or a baseline drafted.",
        spoils=Needs.SPECULATION,
        fires=_speculation_not_active,
    ),
    Check(
        code="accepted_over_draft_length",
        sentence="More tokens were accepted than were drafted, or than the draft length allows.",
        spoils=Needs.SPECULATION,
        fires=_accepted_over_draft_length,
    ),
    Check(
        code="requests_failed",
        sentence="Requests failed, so the load was not the load that was asked for.",
        spoils=Needs.COMPLETE,
        fires=_requests_failed,
    ),
    Check(
        code="counters_not_settled",
        sentence="The engine's counters are missing, were read while it worked, or went down.",
        spoils=Needs.COUNTERS,
        fires=_counters_not_settled,
    ),
    Check(
        code="client_bottleneck",
        sentence="The load generator used over 90% of a core or was over 10 ms late (p99).",
        spoils=Needs.CLOCK,
        fires=_client_bottleneck,
    ),
    Check(
        code="cached_prompts",
        sentence="Prompt tokens came from a cache, so their prefill was not measured.",
        spoils=Needs.PREFILL,
        fires=_cached_prompts,
    ),
    Check(
        code="counters_and_requests_disagree",
        sentence="The accepted tokens of the requests do not sum to those of the counters.",
        spoils=Needs.ACCEPTED,
        fires=_counters_and_requests_disagree,
    ),
    Check(
        code="impossible_counts",
        sentence="More tokens were accepted than the output can hold.",
        spoils=Needs.ACCEPTED,
        fires=_impossible_counts,
    ),
    Check(
        code="other_session_baseline",
        sentence="The baseline of the same repeat was measured in another session.",
        spoils=Needs.BASELINE,
        fires=_other_session_baseline,
    ),
)

_ABSENCES = {
    "no_requests": "No completed request has what this metric is of.",
    "no_counters": "The engine has no such counter.",
    "no_decode_steps": "No token was decoded after the first, or none was drafted or accepted.",
    "no_per_request_counts": "The engine does not tell accepted tokens by request.",
    "no_per_request_drafts": "The engine tells drafts only for a whole phase.",
    "cut_unknown": "Accepted tokens dropped at a stop are unknown, and matter by more than 1%.",
    "whole_phase_only": "Throughput belongs to a phase; its categories share the engine's time.",
    "no_baseline": "No baseline was measured for the same turns.",
    "not_greedy": "Outputs are only expected to be identical at temperature 0.",
    "no_comparable_turns": "No turn has the same input as in the baseline and known output ids.",
    "all_identical": "Every comparable output is identical to the baseline's.",
    "exact_count": "A count has no interval.",
    "fewer_than_5_conversations": "No interval: it would rest on fewer than 5 conversations.",
    "fewer_than_3_launches": "No interval: it would rest on fewer than 3 launches.",
}

REASONS: dict[str, str] = {check.code: check.sentence for check in CHECKS} | _ABSENCES
"""Every code that a metric may carry, and its sentence for people."""


def spoilt(facts: PhaseFacts) -> dict[str, Needs]:
    """Return the code of every check that fires in a phase, with what it spoils."""
    return {check.code: check.spoils for check in CHECKS if check.fires(facts)}
