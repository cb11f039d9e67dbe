"""The schedule of one request, decided by its behaviour and a seed; no clock enters here.

The first chunk is prefill's one token. Each step after it drafts, accepts some of the draft and
adds one token of its own; what goes past the limit is verified, counted, and cut.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from truth.behaviour import Behaviour


class Step(NamedTuple):
    """One verify step."""

    drafted: int
    accepted: int
    tokens: int
    """Sent: accepted + 1, less what was cut at the limit."""


class Chunk(NamedTuple):
    """What goes out at once."""

    after_ns: int
    """When, from the receipt of the request."""
    tokens: int
    steps: tuple[Step, ...]
    """Those that made it; none for the first token, which is prefill's."""


def chunks(behaviour: Behaviour, *, max_tokens: int, seed: int) -> Iterator[Chunk]:
    """Yield a request's chunks in order, each decided only when it is asked for."""
    draw = random.Random(seed ^ behaviour.seed).random
    last = min(max_tokens, behaviour.stop_after or max_tokens)
    ttft_ns, step_ns = round(behaviour.ttft_s * 1e9), round(behaviour.step_s * 1e9)
    yield Chunk(ttft_ns, 1, ())
    sent, taken = 1, 0
    while sent < last:
        steps: list[Step] = []
        before = sent
        while len(steps) < behaviour.merged and sent < last:
            drafted = _drafted(behaviour, left=max_tokens - sent, chance=draw())
            accepted = int(draw() * (drafted + 1))
            step = Step(drafted, accepted, min(accepted + 1, last - sent))
            sent += step.tokens
            steps.append(step)
        taken += len(steps)
        yield Chunk(ttft_ns + taken * step_ns, sent - before, tuple(steps))


def finish(behaviour: Behaviour, *, max_tokens: int) -> str:
    """Return how the request ends: `stop`, or `length`."""
    stop = behaviour.stop_after
    return "stop" if stop is not None and stop <= max_tokens else "length"


def _drafted(behaviour: Behaviour, *, left: int, chance: float) -> int:
    if chance >= behaviour.draft_share:
        return 0
    if behaviour.drafting == "shortened":
        return min(behaviour.draft_length, left - 1)
    return behaviour.draft_length
