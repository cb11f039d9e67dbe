"""Telemetry over a stretch of time: from samples to rates, means and extremes.

In: a job's samples, in the order of time. A field that could not be read is absent from a sample;
samples without it are passed over. Out: a number, or None where the samples that have the field
cover too little of the time asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from specseal.analysis.columns import FloatArray
from specseal.analysis.data import JobData, PhaseData

Samples: TypeAlias = Sequence[Mapping[str, Any]]

LEAST_COVERED = 0.9
"""Sampling once a second ends up to a second before a phase does. A tenth of a phase unseen can
move a mean by a tenth only if the machine then did nothing at all."""

_ACCELERATOR = re.compile(r"accelerator(\d+)_")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A job's samples, and the time within it that is asked about."""

    samples: Samples
    start_ns: int
    end_ns: int
    held: int
    """Accelerators that the job held."""

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.start_ns) / 1e9

    def within(self) -> Samples:
        """Return the samples taken in the window."""
        return [
            sample for sample in self.samples if self.start_ns <= sample["time_ns"] <= self.end_ns
        ]

    def accelerators(self) -> tuple[int, ...]:
        """Return the numbers of the job's accelerators that its samples tell of, sorted.

        Where they are more than it held, they are those that worked while it ran, if these are as
        many as it held; else none of them: nothing says which were its own.
        """
        names = {name for sample in self.samples for name in sample}
        told = sorted({int(m[1]) for m in map(_ACCELERATOR.match, names) if m})
        if len(told) > self.held:
            told = [number for number in told if self._has_worked(number)]
            return tuple(told) if len(told) == self.held else ()
        return tuple(told)

    def _has_worked(self, accelerator: int) -> bool:
        """Say whether any sample of the job shows an accelerator at work, or none tells."""
        field = f"accelerator{accelerator}_utilization_percent"
        told = [sample[field] for sample in self.samples if field in sample]
        return not told or max(told) > 0

    def rate(self, field: str) -> float | None:
        """Return how much a cumulative field rose a second, interpolated to the window's ends."""
        series = self._series(field)
        if series is None:
            return None
        rise = float(np.interp(series.high, series.seconds, series.values)) - float(
            np.interp(series.low, series.seconds, series.values)
        )
        # Only a counter that began anew goes down; how far it had come is then not known.
        return None if rise < 0 else rise / (series.high - series.low)

    def mean(self, field: str) -> float | None:
        """Return the mean of a field that holds at the instant of its sample (trapezoids)."""
        series = self._series(field)
        if series is None:
            return None
        inside = (series.seconds > series.low) & (series.seconds < series.high)
        times = np.concatenate(([series.low], series.seconds[inside], [series.high]))
        values = np.interp(times, series.seconds, series.values)
        area = float(((values[1:] + values[:-1]) / 2 * np.diff(times)).sum())
        return area / (series.high - series.low)

    def mean_since_last(self, field: str) -> float | None:
        """Return the mean of a field that is of the time since the sample before."""
        series = self._series(field)
        if series is None:
            return None
        area = np.concatenate(([0.0], np.cumsum(series.values[1:] * np.diff(series.seconds))))
        rise = np.interp([series.low, series.high], series.seconds, area)
        return float(rise[1] - rise[0]) / (series.high - series.low)

    def least(self, field: str) -> float | None:
        """Return the least value sampled in the window; None where there is none."""
        return min(self._values(field), default=None)

    def greatest(self, field: str) -> float | None:
        """Return the greatest value sampled in the window; None where there is none."""
        return max(self._values(field), default=None)

    def _values(self, field: str) -> list[float]:
        return [float(sample[field]) for sample in self.within() if field in sample]

    def _series(self, field: str) -> _Series | None:
        having = [sample for sample in self.samples if field in sample]
        if len(having) < 2:
            return None
        # Relative to the window's start, nanoseconds keep their digits as floats.
        seconds = np.array([sample["time_ns"] - self.start_ns for sample in having]) / 1e9
        low, high = max(0.0, float(seconds[0])), min(self.seconds, float(seconds[-1]))
        if high <= low or high - low < LEAST_COVERED * self.seconds:
            return None
        values = np.array([sample[field] for sample in having], dtype=np.float64)
        return _Series(seconds=seconds, values=values, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    """One field's samples, and the part of the window that they cover."""

    seconds: FloatArray
    """Since the window's start."""
    values: FloatArray
    low: float
    high: float


def window_of(job: JobData, phase: PhaseData) -> Window:
    """Return the job's telemetry over one of its phases."""
    return Window(
        samples=job.telemetry,
        start_ns=phase.status.start_ns,
        end_ns=phase.status.end_ns,
        held=0 if job.accelerator == "cpu" else job.devices,
    )


def of_each_accelerator(window: Window, read: Callable[[str], float | None]) -> list[float] | None:
    """Return what each accelerator that the job held tells; None where one of them does not.

    Args:
        window: of the job.
        read: from the beginning of an accelerator's fields to what is asked of it.
    """
    told = [read(f"accelerator{i}") for i in window.accelerators()]
    known = [value for value in told if value is not None]
    return known if known and len(known) == window.held else None


def accelerator_watts(window: Window) -> float | None:
    """Return the mean power of the job's accelerators together; None where one's is not told."""
    told = of_each_accelerator(
        window, lambda device: _watts(window, f"{device}_energy_j", f"{device}_power_w")
    )
    return None if told is None else sum(told)


def accelerator_memory(window: Window) -> float | None:
    """Return the most memory that a sample shows of the job's accelerators together.

    None where no sample tells of every one of them.
    """
    fields = [f"accelerator{i}_memory_used_bytes" for i in window.accelerators()]
    if not fields or len(fields) != window.held:
        return None
    whole = [sample for sample in window.within() if all(field in sample for field in fields)]
    return max((float(sum(sample[field] for field in fields)) for sample in whole), default=None)


def _watts(window: Window, energy: str, power: str) -> float | None:
    """Prefer the counter: a power read once a second misses what lies between."""
    counted = window.rate(energy)
    return window.mean(power) if counted is None else counted


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersCpu:
    """CPU time that neither the engine nor the client used."""

    cores: float
    """CPU seconds a second."""
    cpus: int
    """CPUs that the job may use, of which these are."""

    @property
    def share(self) -> float:
        """Of all CPUs that the job may use."""
        return self.cores / self.cpus


def others_cpu(window: Window) -> OthersCpu | None:
    """Return what of the CPUs that the job may use worked for neither the engine nor the client.

    None where the machine, the engine or the client was not sampled.
    """
    percent, cpus = window.mean_since_last("cpu_percent"), window.greatest("cpus")
    engine, client = window.rate("engine_cpu_s"), window.rate("client_cpu_s")
    if percent is None or engine is None or client is None or not cpus:
        return None
    return OthersCpu(cores=max(percent / 100 * cpus - (engine + client), 0.0), cpus=int(cpus))


def throttled_samples(window: Window) -> tuple[int, int] | None:
    """Return how many samples show a throttled accelerator, and how many tell whether one was.

    None where none tells.
    """
    fields = [f"accelerator{i}_throttle" for i in window.accelerators()]
    told = [[sample[field] for field in fields if field in sample] for sample in window.within()]
    told = [reasons for reasons in told if reasons]
    return (sum(map(any, told)), len(told)) if told else None
