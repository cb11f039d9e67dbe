"""One process's share of a phase being offered to the server: the modes of load."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic_ns
from typing import Any

from specseal.client.decode import Decoded, decode
from specseal.client.offer import Place, Share, groups, is_over, places, worker_offsets_ns
from specseal.client.phases import Phase
from specseal.client.progress import Totals
from specseal.client.prompts import Conversation, Dialogue
from specseal.client.server import Server
from specseal.client.sse import events
from specseal.client.text import ServerText
from specseal.client.turns import first_input, following_input, sent_ids
from specseal.client.wire import Dialect, Exchange, Final, Input, Request

Meet = Callable[[int], Awaitable[int]]
"""When this process's part of a burst has ended → when the whole burst has."""

_LAST = 4
"""Reads, and events in them, in which the end of an answer is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request that was sent."""

    conversation: Conversation | Dialogue
    number: int
    """0-based turn within the conversation."""
    cycle: int
    due_ns: int
    sent: Input
    exchange: Exchange
    decoded: Decoded | None = None
    """Already there where the conversation had to go on from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """Whom the load is offered to, and how one speaks with it."""

    server: Server
    dialect: Dialect
    model: str
    text: ServerText | None
    """None where the server can't be asked to encode."""
    stop_ids: frozenset[int]


@dataclass(slots=True, kw_only=True)
class Offering:
    """One process's share of one phase."""

    phase: Phase
    share: Share
    conversations: Mapping[str, Conversation | Dialogue]
    counterpart: Counterpart
    totals: Totals
    meet: Meet
    turns: list[Turn] = field(default_factory=list)
    """In the order in which they ended."""
    stopped: str = ""
    """Why the phase was given up, or empty."""
    start_ns: int = 0
    _first: dict[str, bytes] = field(default_factory=dict)
    """Each conversation's first request, written before the clock runs."""
    _running: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Write the first request of each conversation."""
        mine = {place.conversation for place in self._first_cycle()}
        self._first = {name: self._request(first_input(self.conversations[name])) for name in mine}

    async def run(self, start_ns: int) -> None:
        """Send the share's conversations from `start_ns` on; return when the last one ended.

        A request that fails ends its conversation. The phase is given up where nobody listens any
        more, where a stream has been silent for too long (the times of all others are spoilt with
        it), or where a conversation can't go on because the server's tokenizer fails or it tells no
        token ids. What is in flight then is dropped without a record.
        """
        if self.stopped:
            return
        self.start_ns = start_ns
        self._running = asyncio.create_task(MODES[self.phase.load.mode](self))
        try:
            await self._running
        except asyncio.CancelledError:
            if not self.stopped:
                raise

    def give_up(self, reason: str) -> None:
        """End the phase at once, unless it has ended; one that has not begun never does."""
        if self.stopped or (self._running is not None and self._running.done()):
            return
        self.stopped = reason
        if self._running is not None:
            self._running.cancel()

    async def decoded(self, turn: Turn) -> Decoded:
        """Return a turn's output, decoded now if it was not before."""
        if turn.decoded is not None:
            return turn.decoded
        with_whom = self.counterpart
        return await decode(
            turn.exchange,
            with_whom.dialect,
            with_whom.text.encode if with_whom.text else None,
            input_tokens=sent_ids(turn.sent),
        )

    async def work(self, waiting: Iterator[Place], due_ns: int) -> None:
        """Send one conversation after another, each when the one before has ended."""
        await _until(due_ns)
        while not self._is_over() and (place := next(waiting, None)) is not None:
            due_ns = await self.converse(place, due_ns)
            if self.stopped:
                return

    async def converse(self, place: Place, due_ns: int) -> int:
        """Send a conversation turn by turn; return when its last response was complete."""
        conversation = self.conversations[place.conversation]
        sent, request = first_input(conversation), self._first[place.conversation]
        for number in range(conversation.length):
            exchange = await self.counterpart.server.stream(request)
            turn = Turn(
                conversation=conversation,
                number=number,
                cycle=place.cycle,
                due_ns=due_ns,
                sent=sent,
                exchange=exchange,
            )
            due_ns = exchange.end_ns
            following = await self._note(turn)
            if following is None:
                break
            sent, request = following, self._request(following)
        return due_ns

    async def _note(self, turn: Turn) -> Input | None:
        """Keep a turn; return what the next one sends, if there is to be one."""
        exchange, conversation = turn.exchange, turn.conversation
        self.totals.add(self._peek(exchange))
        following = reason = None
        if turn.number + 1 < conversation.length:
            answer = await self.decoded(turn)
            turn = replace(turn, decoded=answer, exchange=replace(exchange, reads=()))
            following, reason = self._following(turn, answer)
        self.turns.append(turn)
        if exchange.refused:
            reason = f"the server is gone: {exchange.error}"
        elif exchange.timed_out:
            reason = f"the server hangs: {exchange.error}"
        if reason is not None:
            self.give_up(reason)
            return None
        return following

    def _following(self, turn: Turn, answer: Decoded) -> tuple[Input | None, str | None]:
        """Return the next turn's input, and why no conversation can go on."""
        text = self.counterpart.text
        if text is not None and text.failure is not None:
            return None, f"the server's tokenizer fails: {text.failure}"
        if answer.error is not None:
            return None, None
        following = following_input(
            turn.conversation,
            turn.number + 1,
            turn.sent,
            answer,
            stop_ids=self.counterpart.stop_ids,
        )
        if following is None:
            return None, "the server tells no ids of what it generates, so no turn can follow it"
        return following, None

    def _peek(self, exchange: Exchange) -> Final | None:
        """Return what the end of a stream says, for the display of progress only.

        The reads still have their framing, in which an event can't be read that is cut by it.
        """
        for _, data in reversed(list(events(exchange.reads[-_LAST:]))[-_LAST:]):
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                if final := self.counterpart.dialect.peek(data):
                    return final
        return None

    def _request(self, given: Input) -> bytes:
        whom = self.counterpart
        request = Request(
            input=given, sampling=self.phase.sampling, model=whom.model, stop_ids=whom.stop_ids
        )
        return whom.server.prepare(whom.dialect.complete(request))

    def _first_cycle(self) -> Iterator[Place]:
        """Yield what the share sends, without end or repetition."""
        names = len(self.phase.conversations)
        # After so many places the share has come to all conversations that it comes to at all.
        yield from (
            place
            for number, place in zip(range(names * self.share.of), places(self.phase), strict=False)
            if number % self.share.of == self.share.index
        )

    def _is_over(self) -> bool:
        return is_over(self.phase, monotonic_ns() - self.start_ns)


async def _workers(offering: Offering) -> None:
    """Closed and ramp: workers, each with one conversation at a time."""
    phase, share = offering.phase, offering.share
    waiting = share.take(places(phase))
    async with asyncio.TaskGroup() as workers:
        for offset_ns in share.take(worker_offsets_ns(phase)):
            workers.create_task(offering.work(waiting, offering.start_ns + offset_ns))


async def _arrivals(offering: Offering) -> None:
    """Open: each conversation begins at its instant, however many are in flight."""
    phase = offering.phase
    timetable = zip(phase.offsets_ns, places(phase), strict=True)
    async with asyncio.TaskGroup() as conversations:
        for offset_ns, place in offering.share.take(timetable):
            due_ns = offering.start_ns + offset_ns
            await _until(due_ns)
            conversations.create_task(offering.converse(place, due_ns))


async def _bursts(offering: Offering) -> None:
    """Burst: all of a group begin at once; when the last one has ended, the next group."""
    due_ns = offering.start_ns
    await _until(due_ns)
    for group in groups(offering.phase, offering.share):
        if is_over(offering.phase, due_ns - offering.start_ns):
            return
        async with asyncio.TaskGroup() as conversations:
            tasks = [conversations.create_task(offering.converse(each, due_ns)) for each in group]
        due_ns = await offering.meet(max((task.result() for task in tasks), default=due_ns))


MODES: dict[str, Callable[[Offering], Coroutine[Any, Any, None]]] = {
    "closed": _workers,
    "open": _arrivals,
    "burst": _bursts,
    "ramp": _workers,
}


async def _until(instant_ns: int) -> None:
    left_ns = instant_ns - monotonic_ns()
    if left_ns > 0:
        await asyncio.sleep(left_ns / 1e9)
