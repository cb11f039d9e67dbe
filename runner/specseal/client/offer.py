"""Which conversations a phase sends, in which order and when: pure, fixed before it begins.

A phase may be spread over several processes. Each works the whole of it out and takes its own
share, so that nothing has to be said between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import NamedTuple, TypeVar

from specseal.client.phases import Phase

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One process's part of a phase: every `of`-th of everything, from `index` on."""

    index: int = 0
    of: int = 1

    def take(self, everything: Iterable[T]) -> Iterator[T]:
        """Yield what is this share's."""
        return islice(everything, self.index, None, self.of)


class Place(NamedTuple):
    """One conversation in the order of a phase."""

    conversation: str
    cycle: int
    """0-based: how often the phase had sent it before."""


def places(phase: Phase) -> Iterator[Place]:
    """Yield the conversations of a phase in order: once each, or again and again.

    They come again where the phase is limited by time; an open load has as many as it has instants.
    """
    in_cycles = chain.from_iterable(
        (Place(name, cycle) for name in phase.conversations) for cycle in count()
    )
    if phase.load.mode == "open":
        return islice(in_cycles, len(phase.offsets_ns))
    if phase.load.duration_s is None:
        return islice(in_cycles, len(phase.conversations))
    return in_cycles


def worker_offsets_ns(phase: Phase) -> tuple[int, ...]:
    """Return when each of the conversations that are in flight together first begins.

    From the start of the phase: closed, all at once; in a ramp, spread so evenly over its duration
    that each number in flight from 1 to the last stands equally long.
    """
    workers = phase.load.concurrency or 0
    rise_s = phase.load.duration_s or 0.0
    step_ns = rise_s * 1e9 / workers if phase.load.mode == "ramp" else 0.0
    return tuple(round(number * step_ns) for number in range(workers))


def groups(phase: Phase, share: Share) -> Iterator[list[Place]]:
    """Yield the share's part of each burst; it is empty where the last burst has too few."""
    numbered = enumerate(places(phase))
    while group := list(islice(numbered, phase.load.concurrency)):
        yield [place for number, place in group if number % share.of == share.index]


def is_over(phase: Phase, elapsed_ns: int) -> bool:
    """Say whether no new conversation may begin so long after the start."""
    duration_s = phase.load.duration_s
    return duration_s is not None and elapsed_ns > duration_s * 1e9


STREAMS_A_PROCESS = 256
"""Above that, others' load generators in one Python process say of themselves that they skew: the
README of NVIDIA's specdec_bench, and KNOWN_LIMITATION.md of InferenceX."""
_OPEN_LATENCY_S = 30
"""For an open load, whose streams in flight nobody knows beforehand: how long a conversation is
taken to last when processes are reckoned."""


def processes_for(phase: Phase, streams_a_process: int = STREAMS_A_PROCESS) -> int:
    """Return over how many processes a phase is spread."""
    if phase.load.mode == "open":
        window_ns = _OPEN_LATENCY_S * 10**9
        streams = sum(offset < window_ns for offset in phase.offsets_ns)
    else:
        streams = phase.load.concurrency or 1
    return -(-streams // streams_a_process)
