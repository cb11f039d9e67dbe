"""Raw counts, from which the ratios are derived, and which anyone can add up again."""

from __future__ import annotations

from collections.abc import Callable

from specseal.analysis.columns import UNKNOWN, IntArray, Requests
from specseal.analysis.counters import CounterChange, total
from specseal.analysis.definition import Definition, one
from specseal.analysis.intervals import Estimate, absent
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs


def counted(selection: Selection, counter: Callable[[CounterChange], int | None]) -> int | None:
    """Return how much a counter of the engine rose over all phases, or None where unknown."""
    return total(counter(phase.change) for phase in selection.phases)


def told_by_request(requests: Requests, counts: IntArray) -> int | None:
    """Return the sum of a count over completed requests, or None where one is not told."""
    completed = counts[requests.completed]
    return None if (completed == UNKNOWN).any() else int(completed.sum())


def accepted_tokens(selection: Selection) -> int | None:
    """Return the accepted tokens: of whole phases by the counters, of categories by request."""
    if selection.is_whole_phase:
        return counted(selection, lambda change: change.accepted_tokens)
    return told_by_request(selection.requests, selection.requests.accepted_tokens)


def draft_tokens(selection: Selection) -> int | None:
    """Return the drafted tokens: of whole phases by the counters, of categories by request."""
    if selection.is_whole_phase:
        return counted(selection, lambda change: change.draft_tokens)
    return told_by_request(selection.requests, selection.requests.draft_tokens)


def drafts(selection: Selection) -> int | None:
    """Return the verify steps that had a draft, which only the counters tell."""
    if selection.is_whole_phase:
        return counted(selection, lambda change: change.drafts)
    return None


def _of_speculation(
    count: Callable[[Selection], int | None], *, untold_by_request: str
) -> Callable[[Selection], tuple[Estimate, ...]]:
    def estimate(selection: Selection) -> Estimate:
        value = count(selection)
        if value is None and selection.is_baseline and _has_snapshots(selection):
            value = 0  # an engine without speculation has no such counters to tell
        if value is None:
            return absent("no_counters" if selection.is_whole_phase else untold_by_request)
        return _exact(value, selection)

    return one(estimate)


def _has_snapshots(selection: Selection) -> bool:
    return all(phase.change.settled for phase in selection.phases)


def _exact(value: int, selection: Selection) -> Estimate:
    return Estimate(value=float(value), n=len(selection.requests), spread="exact_count")


def _requests(selection: Selection) -> Estimate:
    return _exact(len(selection.requests), selection)


def _failed_requests(selection: Selection) -> Estimate:
    return _exact(int((~selection.requests.completed).sum()), selection)


def _output_tokens(selection: Selection) -> Estimate:
    completed = selection.requests.completed
    return _exact(int(selection.requests.output_tokens[completed].sum()), selection)


DEFINITIONS = (
    Definition(
        names=("requests",),
        unit="count",
        formula="requests sent, a turn of a conversation each",
        source="records",
        needs=Needs.NOTHING,
        estimate=one(_requests),
    ),
    Definition(
        names=("failed_requests",),
        unit="count",
        formula="requests that ended in an error",
        source="records",
        needs=Needs.NOTHING,
        estimate=one(_failed_requests),
    ),
    Definition(
        names=("output_tokens",),
        unit="count",
        formula="Σ output tokens of completed requests, a trailing stop token included",
        source="records",
        needs=Needs.NOTHING,
        estimate=one(_output_tokens),
    ),
    Definition(
        names=("drafts",),
        unit="count",
        formula="verify steps that had a draft",
        source="engine counters, after − before",
        needs=Needs.COUNTERS,
        estimate=_of_speculation(drafts, untold_by_request="no_per_request_drafts"),
    ),
    Definition(
        names=("draft_tokens",),
        unit="count",
        formula="tokens drafted",
        source="engine counters; by category, records",
        needs=Needs.COUNTERS,
        estimate=_of_speculation(draft_tokens, untold_by_request="no_per_request_counts"),
    ),
    Definition(
        names=("accepted_tokens",),
        unit="count",
        formula="draft tokens accepted, those dropped at a stop or at max_tokens included",
        source="engine counters; by category, records",
        needs=Needs.COUNTERS,
        estimate=_of_speculation(accepted_tokens, untold_by_request="no_per_request_counts"),
    ),
)
