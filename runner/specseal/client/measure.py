"""Task `measure`: each phase's load, its records, and the engine's counters around it.

Appends to `records.jsonl` and `counts.jsonl` as phases end; only measured phases leave anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import monotonic_ns

from specseal.client.counts import ReadCounts, reader_of, snapshot
from specseal.client.errors import JobFailed
from specseal.client.hand import Hand, Meeting, Part, work_together
from specseal.client.job import Measure
from specseal.client.offer import Share, places, processes_for
from specseal.client.output import Output
from specseal.client.ownhealth import Health, p99, together
from specseal.client.phases import Phase
from specseal.client.progress import Progress, shown
from specseal.client.server import Server
from specseal.records import PhaseStatus, Record

_HEADSTART_NS = 50_000_000
"""From the order to begin to the beginning, so that it has reached every process by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Came:
    """What came of a phase."""

    records: list[Record]
    health: Health
    processes: int
    stopped: str
    """Why it was given up, or empty."""


async def measure(
    task: Measure,
    server: Server,
    hands: Sequence[Hand],
    output: Output,
    *,
    streams_a_process: int,
) -> AsyncIterator[PhaseStatus]:
    """Run the phases in order; yield each one's status when its records are written.

    Raises:
        JobFailed: the server is gone, no request of a phase succeeded, the counters can't be read
            (the status of the phase in which that was seen has been yielded before), or a process
            of the client died.
        OutputFailed: the records can't be written.
    """
    read = reader_of(task.counts)

    async def count(phase: Phase, moment: str) -> None:
        if phase.measured:
            await _count(task, server, read, output, phase, moment)

    for phase in task.phases:
        await count(phase, "before")
        wanted = hands[: processes_for(phase, streams_a_process)]
        came = await _offer(phase, wanted, output, requests=_requests(task, phase))
        if phase.measured:
            output.append("records.jsonl", [record.to_dict() for record in came.records])
        if came.records:
            yield _status(phase, came)
        _check(phase, came)
        await count(phase, "after")


async def _offer(
    phase: Phase, hands: Sequence[Hand], output: Output, *, requests: int | None
) -> _Came:
    meeting = Meeting(len(hands))
    shares = [Share(index=index, of=len(hands)) for index in range(len(hands))]
    await asyncio.gather(
        *(
            hand.prepare(phase, share, meeting.arrive)
            for hand, share in zip(hands, shares, strict=True)
        )
    )
    start_ns = monotonic_ns() + (_HEADSTART_NS if len(hands) > 1 else 0)
    progress = Progress(
        phase=phase.name,
        total=requests,
        start_ns=start_ns,
        parts=[hand.totals for hand in hands],
    )
    async with shown(progress, output):
        stopped = await work_together(hands, start_ns)
    parts: list[Part] = await asyncio.gather(*(hand.collect() for hand in hands))
    records = [record for part in parts for record in part.records]
    return _Came(
        records=sorted(records, key=lambda record: record.submit_ns),
        health=together([part.health for part in parts]),
        processes=len(hands),
        stopped=stopped,
    )


async def _count(
    task: Measure, server: Server, read: ReadCounts, output: Output, phase: Phase, moment: str
) -> None:
    taken = await snapshot(server, task.counts, phase=phase.name, moment=moment, read=read)
    if taken is not None:
        output.append("counts.jsonl", [taken.to_dict()])


def _requests(task: Measure, phase: Phase) -> int | None:
    """Return how many requests a phase has if none fails; None where only time limits them."""
    if phase.load.duration_s is not None and phase.load.mode != "open":
        return None
    prompts = task.prompts[phase.prompts]
    return sum(prompts[place.conversation].length for place in places(phase))


def _check(phase: Phase, came: _Came) -> None:
    if came.stopped:
        raise JobFailed(f"phase {phase.name}: {came.stopped}")
    if not came.records:
        raise JobFailed(
            f"phase {phase.name}: its {phase.load.duration_s} s were over before anything was "
            "sent: they are too few, or the machine was busy"
        )
    if all(record.error is not None for record in came.records):
        raise JobFailed(
            f"phase {phase.name}: all {len(came.records)} requests failed; "
            f"the first with: {came.records[0].error}"
        )


def _status(phase: Phase, came: _Came) -> PhaseStatus:
    records, health = came.records, came.health
    late = [
        record.submit_ns - record.connect_ns - record.due_ns
        for record in records
        if record.due_ns is not None
    ]
    return PhaseStatus(
        phase=phase.name,
        measured=phase.measured,
        start_ns=min(record.submit_ns for record in records),
        end_ns=max(record.end_ns for record in records),
        requests=len(records),
        failed=sum(record.error is not None for record in records),
        loop_lag_p99_ns=health.lag_p99_ns,
        loop_lag_max_ns=health.lag_max_ns,
        send_lag_p99_ns=p99(late),
        send_lag_max_ns=max(late, default=0),
        client_cpu_share=health.cpu_share,
        client_cpu_total=health.cpu_total,
        client_cpus=health.cpus,
        client_memory_bytes=health.memory_bytes,
        client_processes=came.processes,
    )
