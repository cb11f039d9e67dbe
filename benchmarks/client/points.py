"""At which loads the clients are measured, and the engine's schedule at each of them.

Steps get longer with concurrency, as they do with the batch of a real engine: the chunks a second
stay at what one core of each client can still take, and a run has more than 100,000 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TTFT_S = 0.05
INPUT_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One load: a closed loop, one token a chunk."""

    concurrency: int
    requests: int
    tokens: int
    """Output tokens of each request, so also chunks."""
    step_s: float

    @property
    def chunks(self) -> int:
        """Chunks of the whole run."""
        return self.requests * self.tokens

    def behaviour(self) -> dict[str, Any]:
        """Return what the truth engine is told."""
        return {"ttft_s": TTFT_S, "step_s": self.step_s}


POINTS = (
    Point(concurrency=16, requests=1600, tokens=64, step_s=0.01),
    Point(concurrency=128, requests=2048, tokens=64, step_s=0.02),
    Point(concurrency=512, requests=4096, tokens=64, step_s=0.05),
)
START = Point(concurrency=1, requests=1, tokens=2, step_s=0.01)
"""Next to nothing: what a client needs for itself."""
