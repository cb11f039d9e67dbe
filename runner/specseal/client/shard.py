"""A further process of the load generator, started by the first: `python -m specseal.client.shard`.

It reads the same job, takes orders from stdin and reports on stdout (see `shards`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from specseal.client.arguments import Arguments, parse
from specseal.client.errors import ClientError, InputRefused
from specseal.client.hand import OwnHand
from specseal.client.job import Measure, read_job
from specseal.client.offer import Share
from specseal.client.progress import INTERVAL_S
from specseal.client.run import counterpart_of
from specseal.client.server import Server, allow_open_files
from specseal.client.shards import line_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until stdin closes; return the process's exit code."""
    allow_open_files()
    try:
        asyncio.run(_serve(parse(arguments)))
    except ClientError as error:
        sys.stderr.write(f"specseal client: {error}\n")
        return error.exit_code
    return 0


async def _serve(arguments: Arguments) -> None:
    job = read_job(arguments.input)
    if not isinstance(job.task, Measure):
        raise InputRefused("only a measuring job is spread over processes")
    server = Server(arguments.address, silence_timeout_s=job.silence_timeout_s)
    await server.wait_until_healthy(job.health_path, deadline_s=job.deadline_s)
    hand = OwnHand(task=job.task, counterpart=counterpart_of(job, server))
    await _Shard(task=job.task, hand=hand).serve()


@dataclass(slots=True, kw_only=True)
class _Shard:
    """This process as the first one sees it."""

    task: Measure
    hand: OwnHand
    _orders: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def serve(self) -> None:
        """Do what is ordered until stdin closes, and then nothing more."""
        listening = asyncio.create_task(self._listen())
        working = asyncio.create_task(self._work())
        await asyncio.wait({listening, working}, return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, working):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        """Take orders; one to give up can't wait for its turn."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            order = json.loads(line)
            if order["order"] == "give_up":
                await self.hand.give_up(order["reason"])
            else:
                self._orders.put_nowait(order)

    async def _work(self) -> None:
        phases = {phase.name: phase for phase in self.task.phases}
        while True:
            order = await self._next("prepare")
            share = Share(index=order["index"], of=order["of"])
            await self.hand.prepare(phases[order["phase"]], share, self._meet)
            _report("ready")
            order = await self._next("start")
            telling = asyncio.create_task(self._tell_progress())
            stopped = await self.hand.run(order["at_ns"])
            telling.cancel()
            self._tell_totals()
            _report("over", stopped=stopped)
            await self._next("collect")
            part = await self.hand.collect()
            for record in part.records:
                _report("record", record=record.to_dict())
            _report("part", health=asdict(part.health))

    async def _meet(self, end_ns: int) -> int:
        _report("ended", end_ns=end_ns)
        order = await self._next("together")
        return int(order["end_ns"])

    async def _next(self, expected: str) -> dict[str, Any]:
        order = await self._orders.get()
        if order["order"] == "together" != expected:
            # The phase was given up while this was on its way.
            order = await self._orders.get()
        if order["order"] != expected:
            raise RuntimeError(f"the order is {order['order']!r} where {expected!r} was expected")
        return order

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            self._tell_totals()

    def _tell_totals(self) -> None:
        _report("progress", totals=asdict(self.hand.totals))


def _report(report: str, **what: Any) -> None:
    sys.stdout.buffer.write(line_of("report", report, **what))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
