"""Acceptance lengths and rates, from counts and chunks alone. No clock enters here.

D, A, cut and S are those of `specseal.analysis.steps`.
"""

from __future__ import annotations

import numpy as np

from specseal.analysis.clusters import Clusters
from specseal.analysis.columns import UNKNOWN, IntArray, Requests
from specseal.analysis.counts import accepted_tokens, counter_rise, draft_tokens, untold
from specseal.analysis.definition import PAPER, Definition, one, speculates
from specseal.analysis.intervals import Estimate, OverConversations, absent
from specseal.analysis.selection import Selection
from specseal.analysis.steps import (
    MOST_CUT_EFFECT,
    Steps,
    StepTotals,
    always_drafts,
    step_totals,
    steps_of,
    stream_agreement,
    stream_steps,
)
from specseal.analysis.validity import Needs

_COUNTS = Needs.SPECULATION | Needs.ACCEPTED
_WHOLE = _COUNTS | Needs.COUNTERS
_STREAM = Needs.SPECULATION | Needs.STREAM


def _cut_effect(at_least_cut: float, at_most_cut: float) -> tuple[str, ...]:
    return ("cut_unknown",) if at_least_cut / at_most_cut - 1 > MOST_CUT_EFFECT else ()


def _steps(selection: Selection) -> Steps:
    return steps_of(
        selection.requests,
        selection.draft_length,
        always_drafts=always_drafts(selection.phases[0].job),
    )


def _totals(selection: Selection) -> StepTotals | None:
    return step_totals(
        _steps(selection),
        accepted=counter_rise(selection, lambda change: change.accepted_tokens),
    )


def _acceptance_length(selection: Selection) -> Estimate:
    """D ÷ S at the least possible cut; not valid if the largest possible is over 1% away."""
    requests, totals = selection.requests, _totals(selection)
    if totals is None:
        if selection.one_chunk_a_step and not selection.is_whole_phase:
            return _acceptance_length_stream(selection)
        return untold(selection)
    if totals.decode == 0:
        return absent("no_decode_steps")
    if totals.least <= 0:
        return absent("impossible_counts")
    steps = _steps(selection)
    spread: OverConversations | str = "no_per_request_counts"
    if steps.least is not None:
        cluster = selection.clusters.of_request[requests.completed]
        spread = OverConversations(
            numerator=selection.clusters.sums(cluster, steps.decode),
            denominator=selection.clusters.sums(cluster, steps.least),
        )
    return Estimate(
        value=totals.decode / totals.least,
        n=len(steps.decode),
        spread=spread,
        reasons=_cut_effect(totals.decode / totals.least, totals.decode / totals.most),
        spares=Needs.STREAM | (Needs.COUNTERS if totals.by_request else Needs.NOTHING),
    )


def _acceptance_length_stream(selection: Selection) -> Estimate:
    """D ÷ steps that the stream shows; not valid unless the counts of each phase agree."""
    if not selection.one_chunk_a_step:
        return absent("no_one_chunk_a_step")
    requests, clusters = selection.requests, selection.clusters
    done = requests.completed
    decode, steps = np.maximum(requests.output_tokens[done] - 1, 0), stream_steps(requests)
    if steps.sum() == 0:
        return absent("no_decode_steps")
    return Estimate(
        value=float(decode.sum() / steps.sum()),
        n=len(decode),
        spread=OverConversations(
            numerator=clusters.sums(clusters.of_request[done], decode),
            denominator=clusters.sums(clusters.of_request[done], steps),
        ),
        reasons=_not_checked(selection),
        spares=Needs.COUNTERS | Needs.ACCEPTED,
    )


def _not_checked(selection: Selection) -> tuple[str, ...]:
    if any(phase.stream_agreement is None for phase in selection.phases):
        return ("stream_not_checked",)
    # Chunks that were merged may hide in what an unknown cut allows.
    return () if all(phase.steps_are_told for phase in selection.phases) else ("cut_unknown",)


def _stream_step_agreement(selection: Selection) -> Estimate:
    if not selection.one_chunk_a_step:
        return absent("no_one_chunk_a_step")
    totals = _totals(selection)
    if totals is None:
        return untold(selection)
    agreement = stream_agreement(selection.requests, totals)
    if agreement is None:
        return absent("no_decode_steps")
    return Estimate(
        value=agreement,
        n=int(stream_steps(selection.requests).sum()),
        spread="exact_count",
        spares=Needs.COUNTERS if totals.by_request else Needs.NOTHING,
    )


def _acceptance_length_harness(selection: Selection) -> Estimate:
    """Mean over conversations of output tokens ÷ (turns + S), as SPEED-Bench's harness reports it.

    The harness takes each chunk for a step; where the engine sends one chunk a step and tells no
    counts by request, so does this. A conversation counts once each time that it was sent.
    """
    requests, clusters = selection.requests, selection.clusters
    done = requests.completed
    if not done.any():
        return absent("no_requests")
    steps = _steps(selection)
    reasons: tuple[str, ...] = ()
    if steps.least is not None and steps.most is not None:
        least_steps, most_steps, spares = 1 + steps.least, 1 + steps.most, Needs.STREAM
    elif selection.one_chunk_a_step:
        least_steps = most_steps = requests.chunks[done]
        reasons, spares = _not_checked(selection), Needs.ACCEPTED
    else:
        return absent("no_per_request_counts")
    instance, cluster = _instances(requests, clusters)
    tokens = np.bincount(instance, weights=requests.output_tokens[done])
    divisors = np.bincount(instance, weights=least_steps)
    if (divisors <= 0).any():
        return absent("impossible_counts")
    lengths = tokens / divisors
    value = float(lengths.mean())
    at_most_cut = float((tokens / np.bincount(instance, weights=most_steps)).mean())
    return Estimate(
        value=value,
        n=len(lengths),
        spread=OverConversations(
            numerator=clusters.sums(cluster, lengths), denominator=clusters.count(cluster)
        ),
        reasons=reasons + (_cut_effect(value, at_most_cut) if value else ()),
        spares=spares,
    )


def _instances(requests: Requests, clusters: Clusters) -> tuple[IntArray, IntArray]:
    """Return the sending of a conversation that each completed request is of, and its cluster."""
    done = requests.completed
    columns = (clusters.of_request, requests.repeat, requests.level, requests.cycle)
    places = np.stack([column[done] for column in columns], axis=1)
    unique, instance = np.unique(places, axis=0, return_inverse=True)
    return instance.reshape(-1), unique[:, 0]


def _acceptance_rate(selection: Selection) -> Estimate:
    accepted, drafted = accepted_tokens(selection), draft_tokens(selection)
    if accepted is None or drafted is None:
        return untold(selection)
    if drafted.value == 0:
        return absent("no_decode_steps")
    requests, clusters = selection.requests, selection.clusters
    done = requests.completed
    spread: OverConversations | str = "no_per_request_counts"
    of_each, drafted_each = requests.accepted_tokens[done], requests.draft_tokens[done]
    if not (of_each == UNKNOWN).any() and not (drafted_each == UNKNOWN).any():
        cluster = clusters.of_request[done]
        spread = OverConversations(
            numerator=clusters.sums(cluster, of_each),
            denominator=clusters.sums(cluster, drafted_each),
        )
    return Estimate(
        value=accepted.value / drafted.value,
        n=drafted.value,
        spread=spread,
        spares=accepted.spares & drafted.spares,
    )


DEFINITIONS = (
    Definition(
        names=("acceptance_length",),
        unit="tokens/step",
        formula="D ÷ S over all decode steps, drafted or not; S as the engine tells it of each "
        "request where each step has a draft, else D + cut − A by its counters, else (and by "
        "category) by request, else by category what the stream shows",
        source=f"AL of {PAPER}",
        needs=_WHOLE | Needs.COMPLETE | Needs.STREAM,
        estimate=one(_acceptance_length),
        applies=speculates,
    ),
    Definition(
        names=("acceptance_length_harness",),
        unit="tokens/step",
        formula="mean over conversations of output tokens ÷ (turns + S), S by request; where the "
        "engine tells no counts by request, turns + S is the chunks",
        source="SPEED-Bench harness, NVIDIA/Model-Optimizer examples/specdec_bench",
        needs=_COUNTS | Needs.COMPLETE | Needs.STREAM,
        estimate=one(_acceptance_length_harness),
        applies=speculates,
    ),
    Definition(
        names=("acceptance_length_stream",),
        unit="tokens/step",
        formula="D ÷ Σ over turns of (chunks − 1), of engines that send one chunk a verify step",
        source="records",
        needs=_STREAM | Needs.COMPLETE,
        estimate=one(_acceptance_length_stream),
        applies=speculates,
    ),
    Definition(
        names=("stream_step_agreement",),
        unit="ratio",
        formula="Σ over turns of (chunks − 1) ÷ S; where S has bounds, the nearest within them",
        source="records, held against engine counts",
        needs=_WHOLE | Needs.COMPLETE,
        estimate=one(_stream_step_agreement),
        applies=speculates,
    ),
    Definition(
        names=("acceptance_rate",),
        unit="ratio",
        formula="accepted ÷ draft tokens",
        source="engine counters; by category, or without counters, records",
        needs=_WHOLE,
        estimate=one(_acceptance_rate),
        applies=speculates,
    ),
)
