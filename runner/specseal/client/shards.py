"""A phase spread over several processes: one event loop stamps late above some hundreds of streams.

This process is the first of them; it alone reads counters and health and writes files. The others
(`shard`) are started once a job, as many as its largest phase needs. They speak JSON lines over
pipes, orders one way and reports the other:

    prepare {phase, index, of}  →  ready
    start   {at_ns}             →  progress {totals}…, over {stopped}
    together {end_ns}           ←  ended {end_ns}       (between bursts)
    give_up {reason}            →  over {stopped}
    collect                     →  record {record}…, part {health}

`at_ns` is an instant of CLOCK_MONOTONIC, which all processes of a machine share. A process whose
pipe closes ends at once, so none is left over when the first one is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from specseal.client.errors import JobFailed
from specseal.client.hand import Part
from specseal.client.load import Meet
from specseal.client.offer import Share
from specseal.client.ownhealth import Health
from specseal.client.phases import Phase
from specseal.client.progress import Totals
from specseal.records import Record

_LONGEST_LINE = 1 << 28
"""Bytes; a record of a million chunks has 40 MB."""
_FAREWELL_S = 5.0


@dataclass(slots=True, kw_only=True)
class RemoteHand:
    """A hand in another process."""

    process: Process
    number: int
    """From 2: the first process is this one."""
    totals: Totals = field(default_factory=Totals)
    _meet: Meet | None = None
    _waiting: asyncio.Future[int] | None = None
    _given_up: bool = False

    async def prepare(self, phase: Phase, share: Share, meet: Meet) -> None:
        """Have the other process write its first requests."""
        self.totals.set(Totals())
        self._meet, self._given_up = meet, False
        await self._say("prepare", phase=phase.name, **asdict(share))
        await self._hear("ready")

    async def run(self, start_ns: int) -> str:
        """Have it offer its share; return why it gave up, or ''."""
        await self._say("start", at_ns=start_ns)
        while True:
            report = await self._hear("progress", "ended", "over")
            if report["report"] == "progress":
                self.totals.set(Totals(**report["totals"]))
            elif report["report"] == "over":
                return str(report["stopped"])
            else:
                await self._meet_others(report["end_ns"])

    async def give_up(self, reason: str) -> None:
        """Have it end the phase."""
        self._given_up = True
        if self._waiting is not None:
            self._waiting.cancel()
        await self._say("give_up", reason=reason)

    async def collect(self) -> Part:
        """Have it decode, and take its records."""
        await self._say("collect")
        records: list[Record] = []
        while True:
            report = await self._hear("record", "part")
            if report["report"] == "part":
                return Part(records=tuple(records), health=Health(**report["health"]))
            records.append(Record.from_dict(report["record"]))

    async def _meet_others(self, end_ns: int) -> None:
        """Pass on when a burst has ended everywhere, unless the phase is given up meanwhile."""
        if self._meet is None:
            raise RuntimeError("a phase is prepared before it is run")
        if self._given_up:
            return  # its burst had ended before it heard: nobody comes to meet it any more
        self._waiting = asyncio.ensure_future(self._meet(end_ns))
        try:
            await asyncio.wait({self._waiting})
            if not self._waiting.cancelled():
                await self._say("together", end_ns=self._waiting.result())
        finally:
            self._waiting.cancel()

    async def _say(self, order: str, **what: Any) -> None:
        pipe = self.process.stdin
        if pipe is None:
            raise RuntimeError("the process was started without a pipe")
        try:
            pipe.write(line_of("order", order, **what))
            await pipe.drain()
        except ConnectionError:
            await self._mourn()

    async def _hear(self, *expected: str) -> dict[str, Any]:
        pipe = self.process.stdout
        if pipe is None:
            raise RuntimeError("the process was started without a pipe")
        line = await pipe.readline()
        if not line.endswith(b"\n"):
            await self._mourn()
        report: dict[str, Any] = json.loads(line)
        if report["report"] not in expected:
            raise RuntimeError(f"client process {self.number} says {report['report']!r}")
        return report

    async def _mourn(self) -> None:
        code = await self.process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise JobFailed(f"client process {self.number} {how} in the middle of its work")


def line_of(kind: str, name: str, **what: Any) -> bytes:
    """Return one message as it goes through a pipe."""
    return json.dumps({kind: name, **what}, separators=(",", ":")).encode() + b"\n"


@asynccontextmanager
async def remote_hands(count: int, arguments: Sequence[str]) -> AsyncIterator[list[RemoteHand]]:
    """Start `count` more processes with the command line of this one; end them with the block.

    Raises:
        JobFailed: one can't be started.
    """
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(_remote_hand(2 + index, arguments))
            for index in range(count)
        ]


@asynccontextmanager
async def _remote_hand(number: int, arguments: Sequence[str]) -> AsyncIterator[RemoteHand]:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "specseal.client.shard",
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            limit=_LONGEST_LINE,
        )
    except OSError as error:
        raise JobFailed(f"client process {number} can't be started: {error}") from error
    try:
        yield RemoteHand(process=process, number=number)
    finally:
        await _dismiss(process)


async def _dismiss(process: Process) -> None:
    """Close the pipe, upon which the process ends; kill it where it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_FAREWELL_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
