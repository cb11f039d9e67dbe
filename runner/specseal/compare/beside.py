"""Where a figure of one result stands in another: the same load and input, perhaps another drafter.

Figures at the same `where` stand beside each other. Where each side has exactly one way of drafting
that the other has not, at the same input and setting of a sweep, these two do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from specseal.analysis.result import Where
from specseal.compare.side import Side
from specseal.words import BASELINE, drafting, printable, said

_OF_DRAFTING = ("speculation", "draft_length")
Way = tuple[str, int]
"""Method and draft length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Which of the second's ways of drafting is held against which of the first's."""

    other: tuple[Way, Way] | None
    """The first's and the second's, where they are not the same; None: there is no such pair."""
    alone: tuple[str, ...]
    """Sentences: what only one side has, so that nothing stands beside it."""

    def seen_as(self, where: Where) -> Where:
        """Return at which `where` of the first a figure of the second stands."""
        if self.other is None or _way(where) != self.other[1]:
            return dict(where)
        return _moved(where, self.other[0])

    def told_as(self, where: Where) -> Where:
        """Return the `where` of the second's figure that stands at one of the first."""
        if self.other is None or _way(where) != self.other[0]:
            return dict(where)
        return _moved(where, self.other[1])


def beside(first: Side, second: Side) -> Beside:
    """Return what of two results stands beside each other."""
    one, other = _ways(first), _ways(second)
    only = (sorted(one - other), sorted(other - one))
    pair = (only[0][0], only[1][0]) if len(only[0]) == len(only[1]) == 1 else None
    found = Beside(other=pair, alone=())
    drafts = () if pair else _alone(only, (first.name, second.name))
    return replace(found, alone=(*drafts, *_alone_at(first, second, found.seen_as)))


def _ways(side: Side) -> set[Way]:
    return {
        _way(metric.where)
        for metric in side.result.metrics
        if metric.where.get("speculation", BASELINE) != BASELINE
    }


def _way(where: Where) -> Way:
    return str(where.get("speculation", BASELINE)), int(where.get("draft_length", 0))


def _moved(where: Where, way: Way) -> Where:
    return {**where, **dict(zip(_OF_DRAFTING, way, strict=True))}


def _alone(only: tuple[list[Way], list[Way]], names: tuple[str, str]) -> Iterator[str]:
    for ways, name in zip(only, names, strict=True):
        if ways:
            told = ", ".join(drafting(dict(zip(_OF_DRAFTING, way, strict=True))) for way in ways)
            yield f"only {name} drafts by {told}: nothing stands beside that"


def _alone_at(first: Side, second: Side, seen_as: Callable[[Where], Where]) -> Iterator[str]:
    """Yield a sentence for each load level, input, or value of a sweep that only one side has."""
    one = _values(metric.where for metric in first.result.metrics)
    other = _values(seen_as(metric.where) for metric in second.result.metrics)
    for key in dict.fromkeys((*one, *other)):
        for mine, theirs, name in ((one, other, first.name), (other, one, second.name)):
            alone = sorted(mine.get(key, set()) - theirs.get(key, set()), key=_order)
            if alone:
                yield f"only {name} has {printable(key)} {', '.join(map(said, alone))}"


def _values(wheres: Iterator[Where]) -> dict[str, set[str | int | float | bool]]:
    found: dict[str, set[str | int | float | bool]] = {}
    for where in wheres:
        for key, value in where.items():
            if key not in _OF_DRAFTING:
                found.setdefault(key, set()).add(value)
    return found


def _order(value: str | int | float | bool) -> tuple[bool, str | float]:
    return (True, value) if isinstance(value, str) else (False, value)
