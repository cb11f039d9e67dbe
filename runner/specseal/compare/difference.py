"""By how much the metrics of two results differ, each with a 95% interval and a p.

Differences are relative, and their intervals symmetric on the log scale: twice as much one way is
half as much the other. `contrast` says what is paired with what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from specseal.analysis.figures import Figure, figures
from specseal.analysis.intervals import CONFIDENCE
from specseal.analysis.result import Metric, Where
from specseal.compare.contrast import Contrast, Over, contrast, same_prompts
from specseal.compare.side import Side
from specseal.compare.spread import Spread
from specseal.digests import canonical

Place = tuple[str, bytes]
"""A metric's name, and its `where` as canonical JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric in two results, at the same `where`."""

    metric: str
    where: Where
    unit: str
    first: float | None
    """The metric's value in the first result."""
    second: float | None
    relative: float | None
    """(second − first) ÷ first; None where that can't be told, or the first is 0 or less."""
    low: float | None
    """Lower end of the 95% interval of `relative`."""
    high: float | None
    p: float | None
    """Two-sided, of no difference; not corrected for how many are looked at."""
    n: int
    """Prompts that are paired; else prompts, or launches, of the side that has fewer."""
    over: Over
    """What varies."""
    valid: bool
    """Whether both values are."""
    reasons: tuple[str, ...]
    """Codes, as the analysis has them, and those of `specseal.compare.REASONS`."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A relative difference, its interval, and its p."""

    value: float
    low: float
    high: float
    p: float


def differences(
    first: Side,
    second: Side,
    *,
    metrics: Collection[str] | None = None,
    seen_as: Callable[[Where], Where] = dict,
) -> tuple[Difference, ...]:
    """Compare every metric that both results have at the same `where`, in the order of the first.

    Args:
        first: what the differences are relative to.
        second: the other.
        metrics: names of the metrics; None: all of them.
        seen_as: at which `where` of the first a figure of the second is to stand: another drafter
            beside the first's.
    """
    theirs = {place(metric.name, seen_as(metric.where)): metric for metric in second.result.metrics}
    shared = [
        (metric, theirs[at])
        for metric in first.result.metrics
        if (at := place(metric.name, metric.where)) in theirs
        and (metrics is None or metric.name in metrics)
    ]
    mine = figures_at(first, metrics)
    others = {
        place(one.name, seen_as(one.where)): one for one in figures(second.run, names=metrics)
    }
    found = []
    for metric, other in shared:
        at = place(metric.name, metric.where)
        one, two = mine.get(at), others.get(at)
        told = None
        if one is not None and two is not None:
            told = contrast(one, two, same_prompts=same_prompts(first, second, one, two))
        doubts = (*_doubts(metric, one), *_doubts(other, two))
        found.append(_difference(metric, other, told, doubts))
    return tuple(found)


def relative(first: float, second: float, spread: Spread) -> Relative:
    """Return (second − first) ÷ first of two positive values, its 95% interval, and its p.

    Args:
        first: what it is relative to.
        second: the other.
        spread: of log(second ÷ first).
    """
    low, high = spread.around(second / first, CONFIDENCE)
    return Relative(
        value=second / first - 1,
        low=low - 1,
        high=high - 1,
        p=spread.p_of_zero(math.log(second / first)),
    )


def place(name: str, where: Where) -> Place:
    """Return what names one figure of a result."""
    return name, canonical(where)


def figures_at(side: Side, names: Collection[str] | None = None) -> dict[Place, Figure]:
    """Return the figures of a result by what names them."""
    return {place(one.name, one.where): one for one in figures(side.run, names=names)}


def _difference(
    first: Metric, second: Metric, found: Contrast | None, doubts: Iterable[str]
) -> Difference:
    value, ends = None, None
    if first.value is not None and first.value > 0 and second.value is not None:
        value = second.value / first.value - 1
        if found and found.spread and second.value > 0:
            ends = relative(first.value, second.value, found.spread)
    return Difference(
        metric=first.name,
        where=dict(first.where),
        unit=first.unit,
        first=first.value,
        second=second.value,
        relative=value,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        p=ends.p if ends else None,
        n=found.n if found else 0,
        over=found.over if found else "launches",
        valid=first.valid and second.valid,
        reasons=tuple(dict.fromkeys((*doubts, *(found.reasons if found else ())))),
    )


def _doubts(metric: Metric, figure: Figure | None) -> tuple[str, ...]:
    """Return the codes of why a value is not there, or not valid: not those of its own interval."""
    if figure is not None and (figure.value is None) == (metric.value is None):
        return figure.reasons
    return metric.reasons  # computed before ids were withheld: only the result has it
