"""What a metric's row says: names, unit, formula, source, and the function that estimates it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specseal.analysis.intervals import Estimate
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs

PAPER = "SPEED-Bench, arXiv:2604.09557"


def always(_: Selection) -> bool:
    """Say that a metric is of every selection."""
    return True


def speculates(selection: Selection) -> bool:
    """Say that a metric is of decoding with speculation only."""
    return not selection.is_baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One quantity and its statistics."""

    names: tuple[str, ...]
    unit: str
    formula: str
    """For people, in Markdown."""
    source: str
    needs: Needs
    estimate: Callable[[Selection], tuple[Estimate, ...]]
    """Returns one estimate a name, in their order."""
    applies: Callable[[Selection], bool] = always
    """Whether there is such a metric of a selection at all, be it absent for a reason."""


def one(estimate: Callable[[Selection], Estimate]) -> Callable[[Selection], tuple[Estimate, ...]]:
    """Make the `estimate` of a row that has one name."""
    return lambda selection: (estimate(selection),)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimated:
    """One metric of one selection, before its interval is known."""

    name: str
    row: Definition
    estimate: Estimate
    doubts: tuple[str, ...]
    """Codes: why there is no value, or why it is not valid."""


def estimates(selection: Selection, rows: Sequence[Definition]) -> list[Estimated]:
    """Return all metrics of a selection, in the order of their rows."""
    return [
        Estimated(
            name=name,
            row=row,
            estimate=estimate,
            doubts=tuple(
                dict.fromkeys((*estimate.reasons, *selection.codes(row.needs & ~estimate.spares)))
            ),
        )
        for row in rows
        if row.applies(selection)
        for name, estimate in zip(row.names, row.estimate(selection), strict=True)
    ]
