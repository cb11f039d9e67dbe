"""A phase held against its own records: what is told of it, and the load that it was to offer.

In: a phase whose records make sense, and are whole conversations, those of the lock's plan. What is
demanded is what every phase gives that the load generator has seen to its end, in one process or in
several: they share one clock, and none sends a conversation before what it has to wait for is over.
Output throughput rests on when a phase began and ended; the records alone say that.

Source: `specseal.client`, its modules `measure`, `offer` and `load`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from specseal.analysis import PhaseData
from specseal.bundle.counts import COUNTS
from specseal.bundle.findings import Finding
from specseal.bundle.tables import RECORDS
from specseal.plan import Phase
from specseal.record_columns import BoolArray, IntArray, difference
from specseal.record_table import RecordTable, table_of
from specseal.records import Load, PhaseStatus

_EARLY_NS = 1_000_000
"""An event loop may wake as much too early as its clock is coarse."""
_ROUNDED_NS = 1_000
"""A schedule adds up logarithms, the last digits of which are the machine's own."""


def phase_against_records(
    where: str, phase: PhaseData, plan: Phase, *, is_of_the_first: bool
) -> Iterator[Finding]:
    """Yield a finding for each way in which a phase is not what its records give.

    Args:
        where: which phase it is, for people.
        phase: as it is in the bundle, with at least one record.
        plan: as the lock has it.
        is_of_the_first: whether it is of a bundle of the first, of which some are kept that were
            made by hand: they tell of other failures and late sends than their records.

    Raises:
        OverflowError: two times are further apart than 64 bits can say.
    """
    table = table_of(phase.records)
    told = f"{COUNTS}: {where}"
    yield from _status(told, phase.status, table, is_of_the_first=is_of_the_first)
    yield from _snapshots(told, phase)
    for said in _load(plan, table):
        yield Finding("recompute.load", f"{RECORDS}: {where}: {said}")


def _status(
    where: str, status: PhaseStatus, table: RecordTable, *, is_of_the_first: bool
) -> Iterator[Finding]:
    given = {
        "start_ns": int(table.number("submit_ns").min()),
        "end_ns": int(table.number("end_ns").max()),
        "requests": len(table),
    }
    if not is_of_the_first:
        late = np.sort(_lateness(table))
        given |= {
            "failed": int((~table.texts["error"].are(None)).sum()),
            "send_lag_p99_ns": int(late[math.ceil(0.99 * len(late)) - 1]) if len(late) else 0,
            "send_lag_max_ns": int(late[-1]) if len(late) else 0,
        }
    for name, value in given.items():
        found = getattr(status, name)
        if found != value:
            yield Finding(
                "recompute.status", f"{where}: {name} is {found}, the records give {value}"
            )


def _lateness(table: RecordTable) -> IntArray:
    """Return how late each request was sent, of those of which it is known when they were due."""
    due = table.numbers["due_ns"]
    known = due.are_known()
    ready = difference(table.number("submit_ns")[known], table.number("connect_ns")[known])
    return difference(ready, due.values[known])


def _snapshots(where: str, phase: PhaseData) -> Iterator[Finding]:
    """Hold when counters were read: with some of the phase in flight they would not be its own."""
    status = phase.status
    for moment, taken in (("before", phase.before), ("after", phase.after)):
        if taken is None:
            continue
        if (taken.phase, taken.moment) != (status.phase, moment):
            yield Finding(
                "recompute.snapshots",
                f"{where}: the counters {moment} it are those {taken.moment} {taken.phase}",
            )
        before, after = taken.time_ns <= status.start_ns, taken.time_ns >= status.end_ns
        if not (before if moment == "before" else after):
            yield Finding(
                "recompute.snapshots",
                f"{where}: the counters {moment} it were read at {taken.time_ns}, it was from "
                f"{status.start_ns} to {status.end_ns}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """The conversations that a phase sent, in the order of their numbers."""

    numbers: IntArray
    """Counted through all cycles, from 0."""
    starts: IntArray
    """When each one's first request was submitted."""
    ends: IntArray
    """When each one's last response was complete."""
    dues: IntArray
    """When each one should have begun."""
    dues_known: BoolArray
    follow: bool
    """Whether each turn was submitted when the one before it had ended."""


def _conversations(plan: Phase, table: RecordTable) -> _Sent:
    places = {name: place for place, name in enumerate(plan.conversations)}
    number = table.number("cycle") * len(places) + table.texts["conversation"].numbered(places)
    order = np.lexsort((table.number("turn"), number))
    number = number[order]
    submit, end = table.number("submit_ns")[order], table.number("end_ns")[order]
    due = table.numbers["due_ns"].take(order)
    begins = np.concatenate(([True], number[1:] != number[:-1]))
    ends = np.concatenate((begins[1:], [True]))
    return _Sent(
        numbers=number[begins],
        starts=submit[begins],
        ends=end[ends],
        dues=due.values[begins],
        dues_known=due.are_known()[begins],
        follow=bool((begins[1:] | (submit[1:] >= end[:-1])).all()),
    )


def _load(plan: Phase, table: RecordTable) -> Iterator[str]:
    """Say in what the records are not of the load that was to be offered."""
    sent = _conversations(plan, table)
    if not sent.follow:
        yield "a turn was sent before the one before it had ended"
    if (_lateness(table) < -_EARLY_NS).any():
        yield "a request was sent before it was due"
    if plan.load.mode == "open":
        yield from _schedule(plan, sent)
        return
    starts, ends = np.sort(sent.starts), np.sort(sent.ends)
    in_flight = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
    over = in_flight - _most_in_flight(plan.load, starts, sent)
    if (over > 0).any():
        row = int(over.argmax())
        yield (
            f"at {starts[row]} {in_flight[row]} conversations are in flight, the lock has "
            f"{in_flight[row] - over[row]}"
        )
    if plan.load.mode == "burst" and not _bursts_follow(sent, plan.load.concurrency or 1):
        yield "a burst began before the one before it had ended"


def _schedule(plan: Phase, sent: _Sent) -> Iterator[str]:
    """Hold an open load's conversations against their instants, from the first one's on."""
    if not sent.dues_known.all():
        yield "of a conversation nothing says when it was due, and the lock's schedule does"
        return
    offsets = np.array(plan.offsets_ns, np.int64)[sent.numbers]
    since = difference(sent.dues, np.broadcast_to(sent.dues[0], sent.dues.shape))
    off = np.abs(difference(since, offsets - offsets[0]))
    if (off > _ROUNDED_NS).any():
        row = int(off.argmax())
        yield (
            f"conversation {sent.numbers[row]} was due {since[row]} ns after the first, the lock's "
            f"schedule has {offsets[row] - offsets[0]}"
        )


def _most_in_flight(load: Load, instants: IntArray, sent: _Sent) -> IntArray:
    """Return how many conversations may be in flight at each instant, in order.

    In a ramp each stream begins when its time has come; the first has its at the phase's beginning.
    """
    most = load.concurrency or 1
    if load.mode != "ramp" or load.duration_s is None or not sent.dues_known.any():
        return np.full(len(instants), most, np.int64)
    began = np.broadcast_to(sent.dues[sent.dues_known].min(), instants.shape)
    elapsed = difference(instants, began) + float(_EARLY_NS)
    risen = 1 + np.floor(elapsed * (most / (load.duration_s * 1e9)))
    return np.asarray(np.minimum(most, risen), dtype=np.int64)


def _bursts_follow(sent: _Sent, size: int) -> bool:
    """Say whether each burst began when the last conversation of the one before had ended."""
    burst = sent.numbers // size
    first = np.flatnonzero(np.concatenate(([True], burst[1:] != burst[:-1])))
    starts = np.minimum.reduceat(sent.starts, first)
    ends = np.maximum.reduceat(sent.ends, first)
    return bool((starts[1:] >= ends[:-1]).all())
