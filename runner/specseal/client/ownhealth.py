"""The client's own health over a phase: was the load generator the bottleneck?"""

from __future__ import annotations

import asyncio
import gc
import math
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns, process_time_ns

_SLEEP_NS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One process over one phase, or all of a phase's processes together."""

    lag_p99_ns: int
    lag_max_ns: int
    cpu_share: float
    """CPU seconds ÷ wall seconds, of the busiest process."""
    cpu_total: float
    """The same of all processes together."""
    cpus: int
    """CPUs that they may use: a container has only those that the runtime gave it."""
    memory_bytes: int
    """The most that was ever resident, up to the end of the phase."""


@dataclass(slots=True)
class OwnHealth:
    """What was seen; complete when the `watch` that gave it has ended."""

    lags_ns: list[int] = field(default_factory=list)
    """How late the event loop woke, once every 20 ms."""
    cpu_share: float = 0.0

    def so_far(self) -> Health:
        """Return it as numbers; a phase shorter than one sleep has no lag."""
        return Health(
            lag_p99_ns=p99(self.lags_ns),
            lag_max_ns=max(self.lags_ns, default=0),
            cpu_share=self.cpu_share,
            cpu_total=self.cpu_share,
            cpus=len(os.sched_getaffinity(0)),
            memory_bytes=_peak_memory_bytes(),
        )


def _peak_memory_bytes() -> int:
    """Return the most that this process ever had resident.

    Not getrusage's figure: that is inherited through fork and exec from whoever started the client.
    Source: proc(5), VmHWM in /proc/pid/status, in KiB.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


def p99(values: Collection[int]) -> int:
    """Return the 99th percentile, nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(0.99 * len(ordered)) - 1] if ordered else 0


def together(parts: Sequence[Health]) -> Health:
    """Return the lag and CPU share of the worst process, and the CPU share and memory of all."""
    return Health(
        lag_p99_ns=max(part.lag_p99_ns for part in parts),
        lag_max_ns=max(part.lag_max_ns for part in parts),
        cpu_share=max(part.cpu_share for part in parts),
        cpu_total=sum(part.cpu_total for part in parts),
        cpus=max(part.cpus for part in parts),
        memory_bytes=sum(part.memory_bytes for part in parts),
    )


def collect_garbage() -> None:
    """Do now what would stop the loop later, for a tenth of a second or more."""
    gc.collect()


@asynccontextmanager
async def watch() -> AsyncIterator[OwnHealth]:
    """Watch the process while the block runs, and keep the garbage collector out of it.

    What it had to collect before is `collect_garbage`'s: the clock runs in here.
    """
    health = OwnHealth()
    sampler = asyncio.create_task(_sample(health.lags_ns))
    gc.disable()
    wall_ns, cpu_ns = monotonic_ns(), process_time_ns()
    try:
        yield health
    finally:
        gc.enable()
        health.cpu_share = (process_time_ns() - cpu_ns) / max(1, monotonic_ns() - wall_ns)
        sampler.cancel()
        with suppress(asyncio.CancelledError):
            await sampler


async def _sample(lags_ns: list[int]) -> None:
    while True:
        before_ns = monotonic_ns()
        await asyncio.sleep(_SLEEP_NS / 1e9)
        lags_ns.append(max(0, monotonic_ns() - before_ns - _SLEEP_NS))
