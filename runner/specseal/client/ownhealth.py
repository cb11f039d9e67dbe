"""The client's own health over a phase: was the load generator the bottleneck?"""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic_ns, process_time_ns

_SLEEP_NS = 20_000_000


@dataclass(slots=True)
class OwnHealth:
    """What was seen; the numbers are complete when the `watch` that gave it has ended."""

    lags_ns: list[int] = field(default_factory=list)
    """How late the event loop woke, once every 20 ms."""
    cpu_share: float = 0.0
    """CPU seconds of the process ÷ wall seconds."""

    @property
    def lag_p99_ns(self) -> int:
        """99th percentile, nearest rank; 0 where the phase was shorter than one sleep."""
        ordered = sorted(self.lags_ns)
        return ordered[math.ceil(0.99 * len(ordered)) - 1] if ordered else 0

    @property
    def lag_max_ns(self) -> int:
        """The largest lag, or 0."""
        return max(self.lags_ns, default=0)


@asynccontextmanager
async def watch() -> AsyncIterator[OwnHealth]:
    """Watch the process while the block runs, and keep the garbage collector out of it."""
    health = OwnHealth()
    sampler = asyncio.create_task(_sample(health.lags_ns))
    # A full collection over all the reads that are kept would stop the loop for milliseconds.
    gc.collect()
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
