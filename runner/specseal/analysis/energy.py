"""Power, energy, and the clocks that it bought: telemetry over the measured phases, by launch.

Power is the mean over the part of a phase that the samples cover (at least 90% of it); energy is
that power times the whole phase. A job's accelerators count together, so do all CPU packages. On a
machine with more accelerators than the job held, they are those that worked while it ran, if these
are as many; else nothing is told of accelerators.
"""

from __future__ import annotations

from collections.abc import Callable

from specseal.analysis.definition import Definition, one
from specseal.analysis.facts import Needs
from specseal.analysis.intervals import Estimate, absent
from specseal.analysis.launches import (
    NOT_WATCHED,
    Part,
    extreme,
    mean_over_launches,
    of_whole_phases,
    on_accelerators,
)
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.selection import Selection
from specseal.analysis.telemetry import (
    Window,
    accelerator_watts,
    of_each_accelerator,
    throttled_samples,
    window_of,
)
from specseal.analysis.throughput import output_tokens

_POWER = Needs.SPECULATION | Needs.COMPLETE | Needs.CLOCK
_ENERGY = _POWER | Needs.PREFILL | Needs.THROUGHPUT
_NO_ENERGY = "no_energy_telemetry"
_NO_TELEMETRY = "no_telemetry"

Watts = Callable[[Window], float | None]


def _package_watts(window: Window) -> float | None:
    return window.rate("package_energy_j")


def _mean_power(watts: Watts) -> Callable[[Selection], Estimate]:
    def part(phase: MeasuredPhase) -> Part | None:
        window = window_of(phase.job, phase.data)
        power = watts(window)
        return None if power is None else (power * window.seconds, window.seconds)

    return lambda selection: mean_over_launches(selection, part, if_none=_NO_ENERGY)


def _energy_per_output_token(watts: Watts) -> Callable[[Selection], Estimate]:
    def part(phase: MeasuredPhase) -> Part | None:
        window = window_of(phase.job, phase.data)
        power = watts(window)
        return None if power is None else (power * window.seconds, output_tokens(phase))

    return lambda selection: mean_over_launches(selection, part, if_none=_NO_ENERGY)


def _clocks(
    phase: MeasuredPhase, read: Callable[[Window, str], float | None]
) -> list[float] | None:
    """Return the clock of each accelerator; None where there is none, or one does not tell."""
    window = window_of(phase.job, phase.data)
    return of_each_accelerator(window, lambda device: read(window, f"{device}_clock_mhz"))


def _accelerator_clock_mean(selection: Selection) -> Estimate:
    def part(phase: MeasuredPhase) -> Part | None:
        clocks = _clocks(phase, Window.mean)
        seconds = phase.elapsed_ns / 1e9
        return None if clocks is None else (sum(clocks) * seconds, len(clocks) * seconds)

    return mean_over_launches(selection, part, if_none=_NO_TELEMETRY)


def _accelerator_clock_min(selection: Selection) -> Estimate:
    def least(phase: MeasuredPhase) -> float | None:
        return min(_clocks(phase, Window.least) or (), default=None)

    return extreme(selection, least, min, if_none=_NO_TELEMETRY)


def _throttled_share(selection: Selection) -> Estimate:
    def part(phase: MeasuredPhase) -> Part | None:
        return throttled_samples(window_of(phase.job, phase.data))

    if any(part(phase) is None and _has_accelerators(phase) for phase in selection.phases):
        return absent(NOT_WATCHED)
    return mean_over_launches(selection, part, if_none=_NO_TELEMETRY, multiplies=False)


def _has_accelerators(phase: MeasuredPhase) -> bool:
    """Say whether there is anything to watch, for all that is known: nobody looked, or some are."""
    return phase.job.accelerators_found != ()


def _cpu_clock_mean(selection: Selection) -> Estimate:
    def part(phase: MeasuredPhase) -> Part | None:
        window = window_of(phase.job, phase.data)
        clock = window.mean("cpu_mhz")
        return None if clock is None else (clock * window.seconds, window.seconds)

    return mean_over_launches(selection, part, if_none=_NO_TELEMETRY)


def _of_power(
    names: tuple[str, str],
    watts: Watts,
    *,
    of: str,
    source: str,
    applies: Callable[[Selection], bool],
) -> tuple[Definition, Definition]:
    """Return the rows of what draws power: its mean power, and its energy for a token."""
    power, energy = names
    return (
        Definition(
            names=(power,),
            unit="W",
            formula=f"energy of {of} ÷ Σ (end − start) over the phases of a launch; "
            "mean over launches",
            source=source,
            needs=_POWER,
            estimate=one(_mean_power(watts)),
            applies=applies,
        ),
        Definition(
            names=(energy,),
            unit="J/token",
            formula=f"energy of {of} ÷ Σ output tokens over the phases of a launch; "
            "mean over launches",
            source=source,
            needs=_ENERGY,
            estimate=one(_energy_per_output_token(watts)),
            applies=applies,
        ),
    )


DEFINITIONS = (
    *_of_power(
        ("accelerator_power_mean", "accelerator_energy_per_output_token"),
        accelerator_watts,
        of="all accelerators of the job",
        source="telemetry: energy counters, else power by trapezoids",
        applies=on_accelerators,
    ),
    *_of_power(
        ("package_power_mean", "package_energy_per_output_token"),
        _package_watts,
        of="all CPU packages of the machine",
        source="telemetry: RAPL",
        applies=of_whole_phases,
    ),
    Definition(
        names=("accelerator_clock_mean",),
        unit="MHz",
        formula="mean over time and accelerators of the clock, in the phases of a launch; "
        "mean over launches",
        source="telemetry, by trapezoids",
        needs=Needs.NOTHING,
        estimate=one(_accelerator_clock_mean),
        applies=on_accelerators,
    ),
    Definition(
        names=("accelerator_clock_min",),
        unit="MHz",
        formula="least clock of any accelerator in any sample within the phases",
        source="telemetry",
        needs=Needs.NOTHING,
        estimate=one(_accelerator_clock_min),
        applies=on_accelerators,
    ),
    Definition(
        names=("accelerator_throttled_share",),
        unit="ratio",
        formula="samples in which an accelerator gives a reason for throttling ÷ samples that "
        "tell, in the phases of a launch; mean over launches",
        source="telemetry",
        needs=Needs.NOTHING,
        estimate=one(_throttled_share),
        applies=on_accelerators,
    ),
    Definition(
        names=("cpu_clock_mean",),
        unit="MHz",
        formula="mean over time of the CPUs' mean clock, in the phases of a launch; "
        "mean over launches",
        source="telemetry, by trapezoids",
        needs=Needs.NOTHING,
        estimate=one(_cpu_clock_mean),
        applies=of_whole_phases,
    ),
)
