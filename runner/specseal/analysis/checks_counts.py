"""Checks of what was generated and counted: speculation, its counts, and the requests themselves.

Each looks at one measured phase and says whether something is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from specseal.analysis.caches import cached_tokens
from specseal.analysis.columns import UNKNOWN, IntArray
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
        if all((counts == UNKNOWN).all() for counts in told):
            drafted = _tokens_over_steps(facts)
    return drafted > 0 if facts.is_baseline else drafted == 0


def _tokens_over_steps(facts: PhaseFacts) -> int:
    """Return the decode tokens that are more than the steps told: drafts made them."""
    requests = facts.requests
    known = requests.completed & (requests.verify_steps != UNKNOWN)
    decode = np.maximum(requests.output_tokens[known] - 1, 0)
    return int((decode - requests.verify_steps[known]).sum())


def _draft_length_not_as_asked(facts: PhaseFacts) -> bool:
    """A token is accepted only if drafted; a step drafts the draft length at most, or a tree."""
    length, change, requests = facts.job.draft_length, facts.change, facts.requests
    told = (change.accepted_tokens, change.draft_tokens, change.drafts)
    accepted, drafted, steps = (np.array([_told(count)]) for count in told)
    of_requests = (requests.accepted_tokens, requests.draft_tokens, requests.verify_steps)
    most = facts.job.drafted_a_step or length
    return (
        _are_over(accepted, drafted, steps, length, most)
        or _are_over(*of_requests, length, most)
        or any((change.accepted_per_position or ())[length:])
    )


def _set_to_another_draft_length(facts: PhaseFacts) -> bool:
    """A drafter that is a model drafts as much in every step but the last of an answer. Where all
    its steps have one length below the one asked for, that is the length it was set to.
    """
    job = facts.job
    if not job.draft_length:
        return False
    if job.draft_length_found is not None and job.draft_length_found != job.draft_length:
        return True
    return job.speculation in ALWAYS_DRAFTING and _is_always_shorter(facts.change, job.draft_length)


def _method_not_as_asked(facts: PhaseFacts) -> bool:
    found = facts.job.method_found
    return found is not None and found != facts.job.speculation


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
    return facts.change.told and not facts.change.settled


def _counters_and_requests_disagree(facts: PhaseFacts) -> bool:
    return any(received != counted for received, counted in _counted_twice(facts))


def _other_requests_served(facts: PhaseFacts) -> bool:
    return any(counted > received for received, counted in _counted_twice(facts))


def _counted_twice(facts: PhaseFacts) -> Iterator[tuple[int, int]]:
    """Yield what both the requests and the rise of a counter tell, as (requests', counter's).

    Nothing where a request failed: what an engine has done for it by then is in its counters alone.
    Prompt tokens only where none came from a cache: vLLM and SGLang count whole prompts, llama.cpp
    what it had to compute (the sources are named in `specseal.engines.counters`).
    """
    requests, change, records = facts.requests, facts.change, facts.records
    if len(requests) == 0 or _requests_failed(facts):
        return
    sent = records.numbers["engine_input_tokens"].or_else(UNKNOWN)
    nothing_cached = cached_tokens(records, change) == 0
    pairs = (
        (_sum_of_told(requests.accepted_tokens), change.accepted_tokens),
        (_sum_of_told(requests.output_tokens), change.output_tokens),
        (_sum_of_told(sent), change.prompt_tokens) if nothing_cached else (None, None),
    )
    for received, counted in pairs:
        if received is not None and counted is not None:
            yield received, counted


def _sum_of_told(counts: IntArray) -> int | None:
    """Return the sum; None where one is not told."""
    return None if (counts == UNKNOWN).any() else int(counts.sum())


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


def _first_chunk_not_counted(facts: PhaseFacts) -> bool:
    """A single chunk has no time after it, so that nothing is divided by what it leaves."""
    requests = facts.requests
    paced = requests.completed & (requests.chunks >= 2)
    return bool((paced & (requests.first_chunk_tokens == UNKNOWN)).any())


def _requests_failed(facts: PhaseFacts) -> bool:
    return facts.phase.status.failed > 0 or not facts.requests.completed.all()


def _fewer_tokens_than_asked(facts: PhaseFacts) -> bool:
    """Only a stop token may end an output early, and none where stop tokens are ignored."""
    short = facts.requests.completed & (facts.requests.output_tokens < facts.phase.max_tokens)
    if not facts.phase.ignore_eos:
        short &= facts.records.texts["finish"].are("length")
    return bool(short.any())


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
        code="set_to_another_draft_length",
        sentence="The engine counts another number of draft positions than the draft length asked "
        "for, or all its drafts had one length below that.",
        spoils=Needs.SPECULATION,
        fires=_set_to_another_draft_length,
    ),
    Check(
        code="method_not_as_asked",
        sentence="The engine was seen to draft by another method than the one asked for.",
        spoils=Needs.SPECULATION,
        fires=_method_not_as_asked,
    ),
    Check(
        code="counters_not_settled",
        sentence="A reading of the engine's counters is missing, was taken while it worked, or "
        "they went down.",
        spoils=Needs.COUNTERS,
        fires=_counters_not_settled,
    ),
    Check(
        code="counters_and_requests_disagree",
        sentence="The accepted, output or prompt tokens of the requests do not sum to those of the "
        "counters.",
        spoils=Needs.ACCEPTED | Needs.COUNTERS,
        fires=_counters_and_requests_disagree,
    ),
    Check(
        code="other_requests_served",
        sentence="The counters rose by more tokens than the requests had: the server worked for "
        "others, too.",
        spoils=Needs.CLOCK,
        fires=_other_requests_served,
    ),
    Check(
        code="first_chunk_not_counted",
        sentence="The server does not tell how many tokens a first chunk holds: for the pace after "
        "it, one was assumed.",
        spoils=Needs.FIRST_CHUNK,
        fires=_first_chunk_not_counted,
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
