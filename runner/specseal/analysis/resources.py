"""CPU and memory of the engine and of the client, and what CPU time went elsewhere."""

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
    accelerator_memory,
    others_cpu,
    window_of,
)

_NO_TELEMETRY = "no_telemetry"


def _mean_over_time(
    read: Callable[[Window], float | None], *, multiplies: bool
) -> Callable[[Selection], Estimate]:
    def part(phase: MeasuredPhase) -> Part | None:
        window = window_of(phase.job, phase.data)
        value = read(window)
        return None if value is None else (value * window.seconds, window.seconds)

    return lambda selection: mean_over_launches(
        selection, part, if_none=_NO_TELEMETRY, multiplies=multiplies
    )


def _engine_cores(window: Window) -> float | None:
    return window.rate("engine_cpu_s")


def _client_cores(window: Window) -> float | None:
    return window.rate("client_cpu_s")


def _others_share(window: Window) -> float | None:
    others = others_cpu(window)
    return None if others is None else others.share


def _others(selection: Selection) -> Estimate:
    """Of all phases or none: a phase that nobody watched must not hide behind others."""
    windows = [window_of(phase.job, phase.data) for phase in selection.phases]
    if any(others_cpu(window) is None for window in windows):
        return absent(NOT_WATCHED)
    return _mean_over_time(_others_share, multiplies=False)(selection)


def _engine_memory(phase: MeasuredPhase) -> float | None:
    return window_of(phase.job, phase.data).greatest("engine_memory_bytes")


def _client_memory(phase: MeasuredPhase) -> float:
    return float(phase.data.status.client_memory_bytes)


def _accelerator_memory(phase: MeasuredPhase) -> float | None:
    return accelerator_memory(window_of(phase.job, phase.data))


def _cpu(name: str, estimate: Callable[[Selection], Estimate], *, unit: str, of: str) -> Definition:
    return Definition(
        names=(name,),
        unit=unit,
        formula=f"{of}, mean over time in the phases of a launch; mean over launches",
        source="telemetry",
        needs=Needs.NOTHING,
        estimate=one(estimate),
        applies=of_whole_phases,
    )


def _memory(
    name: str,
    of_phase: Callable[[MeasuredPhase], float | None],
    *,
    of: str,
    source: str = "telemetry",
    applies: Callable[[Selection], bool] = of_whole_phases,
) -> Definition:
    return Definition(
        names=(name,),
        unit="bytes",
        formula=f"greatest {of} in any of the phases",
        source=source,
        needs=Needs.NOTHING,
        estimate=one(lambda selection: extreme(selection, of_phase, max, if_none=_NO_TELEMETRY)),
        applies=applies,
    )


DEFINITIONS = (
    _cpu(
        "engine_cpu_mean",
        _mean_over_time(_engine_cores, multiplies=True),
        unit="cores",
        of="CPU seconds a second of the engine's processes",
    ),
    _cpu(
        "client_cpu_mean",
        _mean_over_time(_client_cores, multiplies=True),
        unit="cores",
        of="CPU seconds a second of the client's processes",
    ),
    _cpu(
        "other_cpu_share",
        _others,
        unit="ratio",
        of="share of the CPUs that the job may use which worked for neither the engine nor "
        "the client",
    ),
    _memory(
        "engine_memory_peak", _engine_memory, of="memory of the engine's processes in a sample"
    ),
    _memory(
        "client_memory_peak",
        _client_memory,
        of="peak memory of all the client's processes together",
        source="the client's own health",
    ),
    _memory(
        "accelerator_memory_peak",
        _accelerator_memory,
        of="Σ over accelerators of the memory used in a sample",
        applies=on_accelerators,
    ),
)
