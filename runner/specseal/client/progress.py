"""`progress.json`: how far the phase is, for whoever watches the job from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from time import monotonic_ns
from typing import Any

from specseal.client.output import Output
from specseal.client.wire import Final

INTERVAL_S = 0.5


@dataclass(slots=True, kw_only=True)
class Totals:
    """What one process has done of a phase so far."""

    done: int = 0
    output_tokens: int = 0
    draft_tokens: int = 0
    accepted_tokens: int = 0

    def add(self, final: Final | None) -> None:
        """Count one finished request; `final` is None where it failed."""
        self.done += 1
        if final is not None:
            self.output_tokens += final.output_tokens
            self.draft_tokens += final.draft_tokens or 0
            self.accepted_tokens += final.accepted_tokens or 0

    def set(self, other: Totals) -> None:
        """Take over what another process says."""
        for name, value in asdict(other).items():
            setattr(self, name, value)


@dataclass(slots=True, kw_only=True)
class Progress:
    """Running totals of one phase, over all processes."""

    phase: str
    total: int | None
    """Requests that the phase will send if none fails; None while only time limits them."""
    start_ns: int
    parts: Sequence[Totals]

    def to_dict(self, *, now_ns: int) -> dict[str, Any]:
        """Return what the file holds."""
        sums = {name: sum(getattr(part, name) for part in self.parts) for name in _TOTALS}
        return {
            "phase": self.phase,
            "total": self.total,
            **sums,
            "elapsed_s": (now_ns - self.start_ns) / 1e9,
        }


_TOTALS = tuple(asdict(Totals()))


@asynccontextmanager
async def shown(progress: Progress, output: Output) -> AsyncIterator[None]:
    """Keep `progress.json` fresh while the block runs, and write it once more at its end.

    Raises:
        OutputFailed: it can't be written; known at the end of the block.
    """
    over = asyncio.Event()
    writer = asyncio.create_task(_keep_writing(progress, output, over))
    try:
        yield
    finally:
        over.set()
        await writer


async def _keep_writing(progress: Progress, output: Output, over: asyncio.Event) -> None:
    while not over.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), INTERVAL_S)
            break
        # In a thread, because a slow disk would hold up the loop that stamps the reads.
        await asyncio.to_thread(_write, progress, output)
    if progress.total is None:
        progress.total = sum(part.done for part in progress.parts)
    # Once more whatever was being written when it ended.
    await asyncio.to_thread(_write, progress, output)


def _write(progress: Progress, output: Output) -> None:
    output.replace("progress.json", progress.to_dict(now_ns=monotonic_ns()))
