"""By how much the metrics of two results differ, each with a 95% interval and a p."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal

from specseal.analysis.result import Where
from specseal.compare.side import Side

Over = Literal["prompts paired", "prompts", "launches"]


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
    """(second − first) ÷ first; None where that can't be told."""
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
    """Codes, as the analysis has them, and those of `REASONS`."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "reasons": list(self.reasons)}


def differences(
    first: Side, second: Side, *, metrics: Collection[str] | None = None
) -> tuple[Difference, ...]:
    """Compare every metric that both results have at the same `where`, in the order of the first.

    Args:
        first: what the differences are relative to.
        second: the other.
        metrics: names of the metrics; None: all of them.
    """
    raise NotImplementedError
