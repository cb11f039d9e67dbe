"""Checks of what was generated and counted: speculation, its counts, and the requests themselves.

Each looks at one measured phase and says whether something is wrong with it.
"""

from __future__ import annotations

import numpy as np

from specseal.analysis.columns import UNKNOWN, IntArray, is_completed
from specseal.analysis.counters import CounterChange
from specseal.analysis.facts import Check, Needs, PhaseFacts
from specseal.analysis.steps import ALWAYS_DRAFTING

MOST_STREAM_DISAGREEMENT = 0.01
"""Steps that the stream shows may differ from those counted by this share of them."""
LEAST_DRAFTS = 20
"""Fewer drafts may all be of one length by chance."""


def _speculation_not_active(facts: PhaseFacts) -> bool:
    drafted = facts.change.drafts
    if drafted is None:
        told = (facts.requests.draft_tokens, facts.requests.accepted_tokens)
        drafted = sum(int(counts[counts != UNKNOWN].sum()) for counts in told)
    return drafted > 0 if facts.is_baseline else drafted == 0


def _draft_length_not_as_asked(facts: PhaseFacts) -> bool:
    """A token is accepted only if drafted, and a step drafts at most the draft length, or a tree.

    A drafter that is a model drafts as much in every step but the last of an answer. Where all
    its steps have one length below the one asked for, that is the length it was set to.
    """
    length, change, requests = facts.job.draft_length, facts.change, facts.requests
    told = (change.accepted_tokens, change.draft_tokens, change.drafts)
    accepted, drafted, steps = (np.array([_told(count)]) for count in told)
    of_requests = (requests.accepted_tokens, requests.draft_tokens, requests.verify_steps)
    most = facts.job.drafted_a_step or length
    return (
        _are_over(accepted, drafted, steps, length, most)
        or _are_over(*of_requests, length, most)
        or any((change.accepted_per_position or ())[length:])
        or (facts.job.speculation in ALWAYS_DRAFTING and _is_always_shorter(change, length))
    )


def _is_always_shorter(change: CounterChange, length: int) -> bool:
    drafts, drafted = change.drafts, change.draft_tokens
    if not drafts or drafted is None or drafts < LEAST_DRAFTS:
        return False
    each, over = divmod(drafted, drafts)
    return over == 0 and each < length


def _told(count: int | None) -> int:
    return UNKNOWN if count is None else count


def _are_over(
    accepted: IntArray, drafted: IntArray, steps: IntArray, length: int, drafted_a_step: int
) -> bool:
    """Hold every count that is told against what bounds it, if that is told."""
    bounds = (
        (accepted, drafted, drafted),
        (accepted, steps, steps * length),
        (drafted, steps, steps * drafted_a_step),
    )
    return any(
        bool(((less != UNKNOWN) & (more != UNKNOWN) & (less > most)).any())
        for less, more, most in bounds
    )


def _counters_not_settled(facts: PhaseFacts) -> bool:
    return not facts.change.settled


def _counters_and_requests_disagree(facts: PhaseFacts) -> bool:
    accepted, counted = facts.requests.accepted_tokens, facts.change.accepted_tokens
    untold = len(accepted) == 0 or (accepted == UNKNOWN).any()
    if counted is None or untold or _requests_failed(facts):
        return False  # nothing to hold against each other; other checks say why
    return int(accepted.sum()) != counted


def _counters_and_stream_disagree(facts: PhaseFacts) -> bool:
    agreement, most = facts.stream_agreement, MOST_STREAM_DISAGREEMENT
    return agreement is not None and not 1 - most <= agreement <= 1 + most


def _impossible_counts(facts: PhaseFacts) -> bool:
    """A step keeps at least one token of its own, accepts at most the draft length, and only a
    last step that was trimmed loses tokens."""
    length, requests = facts.job.draft_length, facts.requests
    if not length:
        return False
    accepted, steps = requests.accepted_tokens, requests.verify_steps
    decode = np.maximum(requests.output_tokens - 1, 0)
    counted = requests.completed & (accepted != UNKNOWN)
    most_cut = np.where(requests.may_be_cut, np.minimum(length, accepted), 0)
    too_few_steps = counted & ((decode + most_cut - accepted) * length < accepted)
    cut = steps + accepted - decode
    cut_is_off = (cut < 0) | (cut > np.where(requests.may_be_cut, length, 0))
    return bool((too_few_steps | (counted & (steps != UNKNOWN) & cut_is_off)).any())


def _requests_failed(facts: PhaseFacts) -> bool:
    return facts.phase.status.failed > 0 or not facts.requests.completed.all()


def _fewer_tokens_than_asked(facts: PhaseFacts) -> bool:
    """Only a stop token may end an output early, and none where stop tokens are ignored."""
    return any(
        record.output_tokens < facts.phase.max_tokens
        and (facts.phase.ignore_eos or record.finish == "length")
        for record in facts.phase.records
        if is_completed(record)
    )


CHECKS = (
    Check(
        code="speculation_not_active",
        sentence="A job with speculation drafted nothing, or a baseline drafted.",
        spoils=Needs.SPECULATION,
        fires=_speculation_not_active,
    ),
    Check(
        code="draft_length_not_as_asked",
        sentence="More was drafted or accepted than the draft length allows, or than was drafted.",
        spoils=Needs.SPECULATION,
        fires=_draft_length_not_as_asked,
    ),
    Check(
        code="counters_not_settled",
        sentence="The engine's counters are missing, were read while it worked, or went down.",
        spoils=Needs.COUNTERS,
        fires=_counters_not_settled,
    ),
    Check(
        code="counters_and_requests_disagree",
        sentence="The accepted tokens of the requests do not sum to those of the counters.",
        spoils=Needs.ACCEPTED,
        fires=_counters_and_requests_disagree,
    ),
    Check(
        code="counters_and_stream_disagree",
        sentence="The chunks of the stream are over 1% away from the verify steps counted.",
        spoils=Needs.STREAM,
        fires=_counters_and_stream_disagree,
    ),
    Check(
        code="impossible_counts",
        sentence="More tokens were accepted than the output can hold.",
        spoils=Needs.ACCEPTED,
        fires=_impossible_counts,
    ),
    Check(
        code="requests_failed",
        sentence="Requests failed or were cut, so the load was not the load that was asked for.",
        spoils=Needs.COMPLETE,
        fires=_requests_failed,
    ),
    Check(
        code="fewer_tokens_than_asked",
        sentence="Outputs ended before max_tokens though no stop token was to end them.",
        spoils=Needs.COMPLETE,
        fires=_fewer_tokens_than_asked,
    ),
)
