"""The closed loop: a fixed number of workers, each with one conversation at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from specseal.client.decode import Decoded, decode, next_input
from specseal.client.job import Conversation, Measure, Phase, TokenIds
from specseal.client.progress import Progress
from specseal.client.server import Server
from specseal.client.sse import last_event
from specseal.client.text import ServerText
from specseal.client.wire import Dialect, Exchange, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request that was sent."""

    conversation: Conversation
    number: int
    """0-based turn within the conversation."""
    input_ids: TokenIds
    exchange: Exchange
    decoded: Decoded | None = None
    """Already there where the conversation had to go on from it."""


@dataclass(slots=True, kw_only=True)
class ClosedLoop:
    """One phase being offered to a server."""

    task: Measure
    dialect: Dialect
    server: Server
    text: ServerText
    progress: Progress
    turns: list[Turn] = field(default_factory=list)
    """In the order in which they ended."""
    stopped: str = ""
    """Why the phase was given up, or empty."""
    _workers: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self, phase: Phase) -> None:
        """Send all conversations of a phase, in order; return when the last one ended.

        A request that fails ends its conversation. The phase is given up where nobody listens any
        more, where a stream has been silent for too long (the times of all others are spoilt with
        it), or where the server's tokenizer, which a conversation needs to go on, fails. What is
        in flight then is dropped without a record.
        """
        waiting = iter([self.task.conversations[name] for name in phase.conversations])
        async with asyncio.TaskGroup() as workers:
            self._workers = [
                workers.create_task(self._work(waiting))
                for _ in range(min(phase.concurrency, len(phase.conversations)))
            ]

    async def decoded(self, turn: Turn) -> Decoded:
        """Return a turn's output, decoded now if it was not before."""
        return turn.decoded or await decode(
            turn.exchange, self.dialect, self.text.encode, input_tokens=len(turn.input_ids)
        )

    async def _work(self, waiting: Iterator[Conversation]) -> None:
        for conversation in waiting:
            await self._converse(conversation)
            if self.stopped:
                for other in {*self._workers} - {asyncio.current_task()}:
                    other.cancel()
                return

    async def _converse(self, conversation: Conversation) -> None:
        input_ids = conversation.first
        for number in range(len(conversation.between) + 1):
            call = self.dialect.complete(input_ids, self.task.sampling)
            exchange = await self.server.stream(call)
            self._note(exchange)
            turn = Turn(
                conversation=conversation, number=number, input_ids=input_ids, exchange=exchange
            )
            if number == len(conversation.between):
                self.turns.append(turn)
                return
            decoded = await self.decoded(turn)
            self.turns.append(replace(turn, decoded=decoded))
            if self.text.failure is not None:
                self.stopped = f"the server's tokenizer fails: {self.text.failure}"
            if decoded.error is not None or decoded.final is None or self.stopped:
                return
            input_ids = next_input(
                input_ids,
                decoded.ids,
                conversation.between[number],
                stop_ids=self.task.stop_ids,
                finish=decoded.final.finish,
            )

    def _note(self, exchange: Exchange) -> None:
        self.progress.add(self._peek(exchange))
        if exchange.refused:
            self.stopped = f"the server is gone: {exchange.error}"
        elif exchange.timed_out:
            self.stopped = f"the server hangs: {exchange.error}"

    def _peek(self, exchange: Exchange) -> Final | None:
        data = None if exchange.error else last_event(exchange.reads)
        try:
            return self.dialect.decode(data).final if data else None
        except (ValueError, KeyError, TypeError):
            return None  # Said with its reason when the whole stream is decoded.
