"""One process's work on a phase: offer its share, then make records of what came.

A `Hand` is whoever does that: `OwnHand` in this process, `shards.RemoteHand` in another one. What
they do on the clock and off it is kept apart (`run`, `collect`), so that no process decodes while
another still stamps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from specseal.client.decode import Decoded
from specseal.client.job import Measure
from specseal.client.load import Counterpart, Meet, Offering, Turn
from specseal.client.offer import Share
from specseal.client.ownhealth import Health, OwnHealth, collect_garbage, watch
from specseal.client.phases import Phase
from specseal.client.progress import Totals
from specseal.client.turns import digest, sent_ids
from specseal.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a process has to show for its share of a phase."""

    records: tuple[Record, ...]
    health: Health


class Hand(Protocol):
    """A process that works on phases, one at a time."""

    totals: Totals

    async def prepare(self, phase: Phase, share: Share, meet: Meet) -> None:
        """Get all ready that can be before the clock runs."""

    async def run(self, start_ns: int) -> str:
        """Offer the share from `start_ns` on; return why the phase was given up, or ''."""

    async def give_up(self, reason: str) -> None:
        """End the phase at once, unless it has ended here."""

    async def collect(self) -> Part:
        """Decode what came."""


@dataclass(slots=True, kw_only=True)
class OwnHand:
    """The hand that is this process."""

    task: Measure
    counterpart: Counterpart
    totals: Totals = field(default_factory=Totals)
    _offering: Offering | None = None
    _health: OwnHealth = field(default_factory=OwnHealth)

    async def prepare(self, phase: Phase, share: Share, meet: Meet) -> None:
        """Write the first requests."""
        self.totals.set(Totals())
        self._offering = Offering(
            phase=phase,
            share=share,
            conversations=self.task.prompts[phase.prompts],
            counterpart=self.counterpart,
            totals=self.totals,
            meet=meet,
        )
        self._offering.prepare()
        collect_garbage()

    async def run(self, start_ns: int) -> str:
        """Offer the share; return why it was given up, or ''."""
        async with watch() as self._health:
            await self._prepared.run(start_ns)
        return self._prepared.stopped

    async def give_up(self, reason: str) -> None:
        """End the phase at once, unless it has ended."""
        self._prepared.give_up(reason)

    async def collect(self) -> Part:
        """Make records, in the order in which requests were sent; let go of the raw reads."""
        offering, health = self._prepared, self._health.so_far()
        turns = sorted(offering.turns, key=lambda turn: turn.exchange.submit_ns, reverse=True)
        offering.turns.clear()
        records = []
        while turns:
            turn = turns.pop()
            records.append(
                _record(offering.phase, turn, await offering.decoded(turn), self.counterpart)
            )
        self._offering = None
        return Part(records=tuple(records), health=health)

    @property
    def _prepared(self) -> Offering:
        if self._offering is None:
            raise RuntimeError("a phase is prepared before it is run")
        return self._offering


async def work_together(hands: Sequence[Hand], start_ns: int) -> str:
    """Run all hands at once; return why the phase was given up, or ''.

    Raises:
        JobFailed: a process died.
    """
    runs = [asyncio.create_task(hand.run(start_ns)) for hand in hands]
    reason = ""
    try:
        for ended in asyncio.as_completed(runs):
            stopped = await ended
            if stopped and not reason:
                reason = stopped
                for hand in hands:
                    await hand.give_up(reason)
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
    return reason


class Meeting:
    """Where the hands of a burst wait for each other."""

    def __init__(self, hands: int) -> None:
        self._hands = hands
        self._ends_ns: list[int] = []
        self._over: asyncio.Future[int] | None = None

    async def arrive(self, end_ns: int) -> int:
        """Wait for all others; return the latest of their ends."""
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        over = self._over
        self._ends_ns.append(end_ns)
        if len(self._ends_ns) == self._hands:
            over.set_result(max(self._ends_ns))
            self._ends_ns, self._over = [], None
        # Shielded: one that is called off must not call off the others.
        return await asyncio.shield(over)


def _record(phase: Phase, turn: Turn, decoded: Decoded, counterpart: Counterpart) -> Record:
    final = decoded.final
    input_tokens = sent_ids(turn.sent)
    counted = final.input_tokens if final else None
    error = decoded.error and counterpart.server.address.redacted(decoded.error)
    return Record(
        phase=phase.name,
        conversation=turn.conversation.id,
        category=turn.conversation.category,
        turn=turn.number,
        cycle=turn.cycle,
        due_ns=turn.due_ns,
        connect_ns=turn.exchange.connect_ns,
        submit_ns=turn.exchange.submit_ns,
        chunk_ns=decoded.chunk_ns,
        chunk_tokens=decoded.chunk_tokens,
        end_ns=turn.exchange.end_ns,
        input_tokens=(counted or 0) if input_tokens is None else input_tokens,
        engine_input_tokens=counted,
        input_sha256=digest(turn.sent),
        output_tokens=decoded.output_tokens,
        output_ids=decoded.ids if decoded.ids_are_certain else None,
        finish=final.finish if final is not None and error is None else "error",
        error=error,
        draft_tokens=final.draft_tokens if final else None,
        accepted_tokens=final.accepted_tokens if final else None,
        verify_steps=final.verify_steps if final else None,
        cached_tokens=final.cached_tokens if final else None,
    )
