"""Results against the first of them: what differs between setups, and by how much figures do.

Looking at many figures, some differ by chance: each p is corrected for all that the comparison
shows, so that of those that are said to differ at most one in twenty is wrong on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from specseal.columns import is_of_a_row, trust
from specseal.compare.beside import Beside, beside
from specseal.compare.difference import Difference, differences
from specseal.compare.fields import Kind
from specseal.compare.setups import SetupDifferences, setup_differences
from specseal.compare.side import Side
from specseal.errors import AnswerIsNo, InputError

SIGNIFICANT = 0.05
"""A corrected p below it is a difference."""
NEAR = 0.05
"""A relative difference within it, either way, is none to speak of."""
UNDEFINED = "whole_phase_only"
"""The code of a figure that no part of a phase can have, however well it was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure in two results, and what can be said of it."""

    difference: Difference
    p_corrected: float | None
    """Corrected for all figures of the comparison; None where there is no p."""

    @property
    def says(self) -> str:
        """Return it in words."""
        found = self.difference
        if not found.valid:
            return "not valid"
        if self.p_corrected is None or found.low is None or found.high is None:
            return "can't be told"
        is_near = found.low >= -NEAR and found.high <= NEAR
        if self.p_corrected < SIGNIFICANT:
            return f"differs, within {NEAR:.0%}" if is_near else "differs"
        return f"same within {NEAR:.0%}" if is_near else "no difference shown"

    @property
    def is_defined(self) -> bool:
        """Whether there can be such a figure: of a category there is no throughput."""
        found = self.difference
        return UNDEFINED not in found.reasons or (found.first, found.second) != (None, None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**self.difference.to_dict(), "p_corrected": self.p_corrected, "says": self.says}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One of the results against the first."""

    first: Side
    second: Side
    setup: SetupDifferences
    beside: Beside
    figures: tuple[Compared, ...]
    """Empty where the two are not comparable, unless they were asked for."""

    @property
    def is_comparable(self) -> bool:
        """Whether figures of the two are about the same thing."""
        return self.setup.kind != Kind.NOT_COMPARABLE

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "first": self.first.manifest,
            "second": self.second.manifest,
            "setup": self.setup.to_dict(),
            "alone": list(self.beside.alone),
            "figures": [figure.to_dict() for figure in self.figures],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Results against the first of them."""

    sides: tuple[Side, ...]
    pairs: tuple[Pair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "bundles": [
                {
                    "bundle": side.manifest,
                    "name": side.name,
                    "recipe": side.lock.recipe,
                    **trust(side.environment),
                }
                for side in self.sides
            ],
            "pairs": [pair.to_dict() for pair in self.pairs],
        }

    def demand(self) -> None:
        """Raise where two are not comparable. Raises: AnswerIsNo."""
        for pair in self.pairs:
            if not pair.is_comparable:
                why = "; ".join(field.sentence for field in pair.setup.deciding)
                raise AnswerIsNo(
                    f"{pair.second.name} is not comparable with {pair.first.name}: {why}",
                    mend="compare results of the same model, prompts and sampling; --anyway sets "
                    "their figures side by side all the same",
                )


def compare(
    sides: Sequence[Side], *, metrics: Sequence[str], group: Sequence[str], anyway: bool = False
) -> Comparison:
    """Hold results against the first of them.

    Args:
        sides: two or more.
        metrics: names of the metrics to look at.
        group: the keys of `where` that say what a row is.
        anyway: whether figures are wanted of results that are not comparable.
    """
    first, *others = sides
    pairs = [_pair(first, other, metrics, group, anyway=anyway) for other in others]
    figures = iter(corrected([one for _, _, _, found in pairs for one in found]))
    return Comparison(
        sides=tuple(sides),
        pairs=tuple(
            Pair(
                first=first,
                second=second,
                setup=setup,
                beside=placed,
                figures=tuple(next(figures) for _ in found),
            )
            for second, setup, placed, found in pairs
        ),
    )


def known_metrics(sides: Sequence[Side], asked: Sequence[str], group: Sequence[str]) -> None:
    """See that every metric asked for is in a result, and has rows there.

    Raises:
        InputError: one is not, or has none.
    """
    known = {metric.name for side in sides for metric in side.result.metrics}
    in_rows = {
        metric.name
        for side in sides
        for metric in side.result.metrics
        if is_of_a_row(metric.where, group)
    }
    for name in asked:
        if name in known - in_rows:
            raise InputError(
                f"--metric {name}: no figure of it is of one {' or '.join(group)}",
                mend="choose other rows with --by, or read it with `specseal show --json`",
            )
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise InputError(
                f"--metric {name}: no result has such a metric",
                mend=f"did you mean {near[0]}?" if near else "`specseal show --json` names them",
            )


def corrected(found: Sequence[Difference]) -> list[Compared]:
    """Correct the p of every difference for how many there are.

    Source: Benjamini and Hochberg 1995, the false discovery rate.
    """
    known = [one.p for one in found if one.p is not None]
    if known:
        from scipy.stats import false_discovery_control  # takes a second to import

        known = false_discovery_control(known).tolist()
    adjusted = iter(known)
    return [
        Compared(difference=one, p_corrected=None if one.p is None else next(adjusted))
        for one in found
    ]


def _pair(
    first: Side, second: Side, metrics: Sequence[str], group: Sequence[str], *, anyway: bool
) -> tuple[Side, SetupDifferences, Beside, list[Difference]]:
    setup = setup_differences(first, second)
    placed = beside(first, second)
    if setup.kind == Kind.NOT_COMPARABLE and not anyway:
        return second, setup, placed, []
    found = differences(first, second, metrics=metrics, seen_as=placed.seen_as)
    rows = [one for one in found if is_of_a_row(one.where, group)]
    return second, setup, placed, sorted(rows, key=lambda one: metrics.index(one.metric))
