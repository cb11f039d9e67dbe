"""Ratios that only whole phases tell: Σ ÷ Σ over the phases of a launch, then over launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from specseal.analysis.intervals import Estimate, OverLaunches, absent
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.selection import Selection

Part: TypeAlias = tuple[float, float]
"""What one phase adds to the numerator and to the denominator of its launch."""
NOT_WATCHED = "not_watched"
"""Why there is no figure of what a check of every phase looks at: it could not look everywhere."""


def of_whole_phases(selection: Selection) -> bool:
    """Say that a metric is of whole phases only: categories share the machine's time."""
    return selection.is_whole_phase


def on_accelerators(selection: Selection) -> bool:
    """Say that a metric is of whole phases of jobs that may use accelerators."""
    may_use = any(phase.job.accelerator != "cpu" for phase in selection.phases)
    return selection.is_whole_phase and may_use


def mean_over_launches(
    selection: Selection,
    part: Callable[[MeasuredPhase], Part | None],
    *,
    if_none: str,
    multiplies: bool = True,
) -> Estimate:
    """Estimate a ratio; a launch with a phase that tells nothing is left out.

    Args:
        selection: of whole phases.
        part: None where the phase tells nothing.
        if_none: the reason if no launch is left.
        multiplies: whether launches differ by factors, as amounts do, and not shares.
    """
    values = []
    for phases in selection.launches().values():
        parts = [told for phase in phases if (told := part(phase)) is not None]
        below = sum(denominator for _, denominator in parts)
        if len(parts) == len(phases) and below > 0:
            values.append(sum(numerator for numerator, _ in parts) / below)
    if not values:
        return absent(if_none)
    return Estimate(
        value=sum(values) / len(values),
        n=len(values),
        spread=OverLaunches(values=tuple(values), multiplies=multiplies),
    )


def extreme(
    selection: Selection,
    of_phase: Callable[[MeasuredPhase], float | None],
    choose: Callable[[list[float]], float],
    *,
    if_none: str,
) -> Estimate:
    """Return the least or the greatest over all phases; absent where one of them tells nothing."""
    told = [value for phase in selection.phases if (value := of_phase(phase)) is not None]
    if len(told) < len(selection.phases):
        return absent(if_none)
    return Estimate(value=choose(told), n=len(selection.launches()), spread="extreme")
