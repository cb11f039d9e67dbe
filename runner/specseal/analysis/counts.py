"""Raw counts, from which the ratios are derived, and which anyone can add up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from specseal.analysis.columns import UNKNOWN, IntArray, Requests
from specseal.analysis.counters import CounterChange, total
from specseal.analysis.definition import Definition, one
from specseal.analysis.intervals import Estimate, absent
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many, and who says so."""

    value: int
    by_request: bool
    """Whether the requests tell, not the engine's counters."""

    @property
    def spares(self) -> Needs:
        """What a metric of this count does not need."""
        return Needs.COUNTERS if self.by_request else Needs.NOTHING


def counter_rise(
    selection: Selection, counter: Callable[[CounterChange], int | None]
) -> int | None:
    """Return how much a counter rose over whole phases; None for a category, or where unknown."""
    if not selection.is_whole_phase:
        return None
    return total(counter(phase.change) for phase in selection.phases)


def accepted_tokens(selection: Selection) -> Count | None:
    """Return the accepted tokens: by the counters, else (and by category) by request."""
    counted = counter_rise(selection, lambda change: change.accepted_tokens)
    return _count(counted, selection.requests, selection.requests.accepted_tokens)


def draft_tokens(selection: Selection) -> Count | None:
    """Return the drafted tokens: by the counters, else (and by category) by request."""
    counted = counter_rise(selection, lambda change: change.draft_tokens)
    return _count(counted, selection.requests, selection.requests.draft_tokens)


def drafts(selection: Selection) -> Count | None:
    """Return the verify steps that had a draft, which only the counters tell."""
    counted = counter_rise(selection, lambda change: change.drafts)
    return None if counted is None else Count(value=counted, by_request=False)


def untold(selection: Selection) -> Estimate:
    """Return the estimate of what needs counts that nothing tells."""
    return absent("no_counters" if selection.is_whole_phase else "no_per_request_counts")


def _count(counted: int | None, requests: Requests, column: IntArray) -> Count | None:
    if counted is not None:
        return Count(value=counted, by_request=False)
    of_completed = column[requests.completed]
    if len(of_completed) == 0 or (of_completed == UNKNOWN).any():
        return None
    return Count(value=int(of_completed.sum()), by_request=True)


def _of_speculation(
    count: Callable[[Selection], Count | None], *, untold_by_request: str
) -> Callable[[Selection], tuple[Estimate, ...]]:
    def estimate(selection: Selection) -> Estimate:
        found = count(selection)
        if found is None and selection.is_baseline and _has_snapshots(selection):
            found = Count(value=0, by_request=False)  # without speculation there is none to tell
        if found is None:
            return absent("no_counters" if selection.is_whole_phase else untold_by_request)
        return replace(_exact(found.value, selection), spares=found.spares)

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
