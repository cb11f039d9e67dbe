"""The closed table of count sources, and snapshots of the engine's counters.

Where a job can't know what server it meets (`detect`), its page of metrics is looked at once.

A snapshot is taken when nothing is in flight and two reads in a row agree, so that what the engine
adds up after a response is complete is in it. A source that reading empties is read by one reader
for the whole job, and what was lost between two of its reads leaves the phase without counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from time import monotonic_ns
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from specseal.client.errors import InputRefused, JobFailed, ServerError
from specseal.client.iterations import Iterations
from specseal.client.job import COUNTERS, CountSource
from specseal.client.server import Server
from specseal.records import Snapshot

SETTLE_DEADLINE_S = 10.0
_SETTLE_INTERVAL_S = 0.1
_LATE_S = 0.5
"""How long after a response an iteration may still get into the list (TensorRT-LLM ships its
statistics every 0.1 s)."""
_SLOW_READ_S = 60.0
"""A read of the list of iterations ends only after 2 s without a new one, and may have a hundred
megabytes to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One read of the counters; a counter that the engine does not show is None."""

    counters: dict[str, int | None]
    """Keyed by `COUNTERS`."""
    accepted_per_position: tuple[int, ...] | None
    idle: bool
    is_whole: bool = True
    """Whether nothing was lost since the read before."""


def parse_prometheus(text: str, source: CountSource) -> Reading:
    """Read counters out of Prometheus text; a name's value is the sum over its label sets.

    Raises:
        ValueError: not Prometheus text.
    """
    totals: dict[str, float] = {}
    positions: dict[int, float] = {}
    name_of_positions, label = source.per_position or ("", "")
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0) + sample.value
            if sample.name == name_of_positions:
                position = int(sample.labels.get(label, ""))
                positions[position] = positions.get(position, 0) + sample.value
    per_position = tuple(int(positions.get(at, 0)) for at in range(max(positions, default=-1) + 1))
    return Reading(
        counters=_counters(totals, source),
        accepted_per_position=per_position if source.per_position else None,
        idle=all(totals.get(name) == 0 for name in source.in_flight),
    )


def _counters(totals: Mapping[str, float], source: CountSource) -> dict[str, int | None]:
    counters = {name: _count(totals, source.names.get(name, [])) for name in COUNTERS}
    if any(value is not None for value in counters.values()):
        counters |= {name: counters[name] or 0 for name in source.zero_until_seen}
    return counters


def _count(totals: Mapping[str, float], names: str | list[str]) -> int | None:
    names = [names] if isinstance(names, str) else names
    shown = [totals[name] for name in names if name in totals]
    if not all(map(isfinite, shown)):
        raise ValueError(f"{shown} is no count")
    return sum(map(int, shown)) if shown else None


async def _read_prometheus(server: Server, source: CountSource) -> Reading:
    try:
        return parse_prometheus(await server.get_text(source.path), source)
    except (ServerError, ValueError) as error:
        raise JobFailed(f"the engine's counters can't be read: {error}") from error


async def _read_nothing(server: Server, source: CountSource) -> None:
    return None


ReadCounts = Callable[[Server, CountSource], Awaitable[Reading | None]]


def _reader_of_iterations() -> ReadCounts:
    """Return a reader that adds up what it reads. It is at rest where a read gives nothing new."""
    iterations = Iterations()

    async def read(server: Server, source: CountSource) -> Reading:
        await asyncio.sleep(_LATE_S)
        try:
            text = await server.get_text(source.path, silence_timeout_s=_SLOW_READ_S)
            items, is_whole = iterations.add(text, source)
        except (ServerError, ValueError, KeyError, TypeError) as error:
            raise JobFailed(f"the engine's counters can't be read: {error!r}") from error
        return Reading(
            counters=iterations.counters(source),
            accepted_per_position=None,
            idle=items == 0,
            is_whole=is_whole,
        )

    return read


COUNT_SOURCES: dict[str, Callable[[], ReadCounts]] = {
    "prometheus": lambda: _read_prometheus,
    "iteration-list": _reader_of_iterations,
    "none": lambda: _read_nothing,
}
DETECT = "detect"
NO_SOURCE = CountSource(source="none", names={})


def check_source(source: CountSource) -> None:
    """Refuse a source that is no row of the table. Raises: InputRefused."""
    if source.source not in (*COUNT_SOURCES, DETECT):
        known = ", ".join((*COUNT_SOURCES, DETECT))
        raise InputRefused(f"counts.source {source.source!r} is none of {known}")


def reader_of(source: CountSource) -> ReadCounts:
    """Return what reads a source. It may remember what it read: one reader a job."""
    return COUNT_SOURCES[source.source]()


async def find_source(
    server: Server, source: CountSource
) -> tuple[CountSource, dict[str, Any] | None]:
    """Return the source to read, and where it had to be detected, what was found.

    Of the candidates the one is taken that has most of its counters on the page. Where none has
    any, or there is no such page, there is no source; `reason` says why.
    """
    if source.source != DETECT:
        return source, None
    try:
        page = await server.get_text(source.path)
        shown = {
            name: _counters_shown(page, candidate) for name, candidate in source.candidates.items()
        }
    except (ServerError, ValueError) as error:
        return NO_SOURCE, {"source": "none", "reason": f"no page of metrics: {error}"}
    best = max(shown, key=lambda name: shown[name], default="")
    if not shown.get(best):
        known = ", ".join(source.candidates)
        return NO_SOURCE, {
            "source": "none",
            "reason": f"{source.path} has no counter of {known}",
        }
    return source.candidates[best], {"source": best}


def _counters_shown(page: str, candidate: CountSource) -> int:
    counters = parse_prometheus(page, candidate).counters
    return sum(value is not None for value in counters.values())


async def snapshot(
    server: Server,
    source: CountSource,
    *,
    phase: str,
    moment: str,
    read: ReadCounts | None = None,
    deadline_s: float = SETTLE_DEADLINE_S,
) -> Snapshot | None:
    """Read the counters until they settle, or the deadline passes (`settled` is then False).

    Neither are they settled after a phase of which something was lost. What was lost before a
    phase is in none of its counts, because they are differences.

    Returns None where there is no source of counts.

    Args:
        server: whom to ask.
        source: where its counters are.
        phase: the phase that they are for.
        moment: `before` or `after` it.
        read: the job's reader; None: one that has read nothing before.
        deadline_s: how long to wait for rest.

    Raises:
        JobFailed: the counters can't be read.
    """
    read = read or reader_of(source)
    reading = await read(server, source)
    # From the first answer on: some sources take longer to give it than they may take to settle.
    give_up_ns = monotonic_ns() + int(deadline_s * 1e9)
    settled, is_whole = False, reading is None or reading.is_whole
    while reading is not None and not settled and monotonic_ns() < give_up_ns:
        await asyncio.sleep(_SETTLE_INTERVAL_S)
        again = await read(server, source)
        is_whole &= again is None or again.is_whole
        settled = again == reading and reading.idle
        reading = again
    if reading is None:
        return None
    return Snapshot(
        phase=phase,
        moment=moment,
        time_ns=monotonic_ns(),
        settled=settled and (is_whole or moment == "before"),
        accepted_per_position=reading.accepted_per_position,
        **reading.counters,
    )
