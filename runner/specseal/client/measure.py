"""Task `measure`: each phase's load, its records, and the engine's counters around it.

Appends to `records.jsonl` and `counts.jsonl` as phases end; only measured phases leave anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from time import monotonic_ns

from specseal.client.counts import snapshot
from specseal.client.decode import Decoded
from specseal.client.errors import JobFailed
from specseal.client.job import Measure, Phase
from specseal.client.load import ClosedLoop, Turn
from specseal.client.output import Output
from specseal.client.ownhealth import OwnHealth, watch
from specseal.client.progress import Progress, shown
from specseal.client.server import Server
from specseal.client.text import ServerText
from specseal.client.wire import Dialect
from specseal.records import PhaseStatus, Record


async def measure(
    task: Measure, dialect: Dialect, server: Server, output: Output
) -> AsyncIterator[PhaseStatus]:
    """Run the phases in order; yield each one's status when its records are written.

    Raises:
        JobFailed: the server is gone, no request of a phase succeeded, or the counters can't be
            read. The status of the phase in which that was seen has been yielded before.
        OutputFailed: the records can't be written.
    """
    text = ServerText(server, dialect.text)
    for phase in task.phases:
        if phase.measured:
            await _count(task, server, output, phase, "before")
        progress = Progress(phase=phase.name, total=_requests(task, phase), start_ns=monotonic_ns())
        loop = ClosedLoop(task=task, dialect=dialect, server=server, text=text, progress=progress)
        async with shown(progress, output), watch() as health:
            await loop.run(phase)
        turns = sorted(loop.turns, key=lambda turn: turn.exchange.submit_ns)
        records = [_record(phase, turn, await loop.decoded(turn)) for turn in turns]
        if phase.measured:
            output.append("records.jsonl", [record.to_dict() for record in records])
        yield _status(phase, records, health)
        _check(phase, records, loop.stopped)
        if phase.measured:
            await _count(task, server, output, phase, "after")


async def _count(task: Measure, server: Server, output: Output, phase: Phase, moment: str) -> None:
    taken = await snapshot(server, task.counts, phase=phase.name, moment=moment)
    if taken is not None:
        output.append("counts.jsonl", [taken.to_dict()])


def _requests(task: Measure, phase: Phase) -> int:
    return sum(1 + len(task.conversations[name].between) for name in phase.conversations)


def _check(phase: Phase, records: list[Record], stopped: str) -> None:
    if stopped:
        raise JobFailed(f"phase {phase.name}: {stopped}")
    if all(record.error is not None for record in records):
        raise JobFailed(
            f"phase {phase.name}: all {len(records)} requests failed; "
            f"the first with: {records[0].error}"
        )


def _record(phase: Phase, turn: Turn, decoded: Decoded) -> Record:
    final = decoded.final
    ids = json.dumps(turn.input_ids, separators=(",", ":"))
    return Record(
        phase=phase.name,
        conversation=turn.conversation.id,
        category=turn.conversation.category,
        turn=turn.number,
        submit_ns=turn.exchange.submit_ns,
        chunk_ns=tuple(piece.time_ns for piece in decoded.pieces),
        chunk_tokens=tuple(piece.tokens for piece in decoded.pieces),
        end_ns=turn.exchange.end_ns,
        input_tokens=len(turn.input_ids),
        input_sha256=hashlib.sha256(ids.encode()).hexdigest(),
        output_tokens=sum(piece.tokens for piece in decoded.pieces),
        output_ids=decoded.ids if decoded.ids_are_certain else None,
        finish=final.finish if final is not None and decoded.error is None else "error",
        error=decoded.error,
        draft_tokens=final.draft_tokens if final else None,
        accepted_tokens=final.accepted_tokens if final else None,
        cached_tokens=final.cached_tokens if final else None,
    )


def _status(phase: Phase, records: list[Record], health: OwnHealth) -> PhaseStatus:
    return PhaseStatus(
        phase=phase.name,
        measured=phase.measured,
        concurrency=phase.concurrency,
        start_ns=min(record.submit_ns for record in records),
        end_ns=max(record.end_ns for record in records),
        requests=len(records),
        failed=sum(record.error is not None for record in records),
        loop_lag_p99_ns=health.lag_p99_ns,
        loop_lag_max_ns=health.lag_max_ns,
        client_cpu_share=health.cpu_share,
    )
