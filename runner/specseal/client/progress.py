"""`progress.json`: how far the phase is, for whoever watches the job from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from specseal.client.output import Output
from specseal.client.wire import Final

_INTERVAL_S = 0.5


@dataclass(slots=True, kw_only=True)
class Progress:
    """Running totals of one phase."""

    phase: str
    total: int
    """Requests that the phase will send if none fails."""
    start_ns: int
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

    def to_dict(self, *, now_ns: int) -> dict[str, Any]:
        """Return what the file holds."""
        return {
            "phase": self.phase,
            "done": self.done,
            "total": self.total,
            "output_tokens": self.output_tokens,
            "draft_tokens": self.draft_tokens,
            "accepted_tokens": self.accepted_tokens,
            "elapsed_s": (now_ns - self.start_ns) / 1e9,
        }


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
            await asyncio.wait_for(over.wait(), _INTERVAL_S)
        # In a thread, because a slow disk would hold up the loop that stamps the reads.
        await asyncio.to_thread(_write, progress, output)


def _write(progress: Progress, output: Output) -> None:
    output.replace("progress.json", progress.to_dict(now_ns=monotonic_ns()))
