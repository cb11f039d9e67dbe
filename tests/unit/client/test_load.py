"""The modes of load, with a clock and a server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from specseal.client import load as module
from specseal.client.llamacpp import LLAMACPP
from specseal.client.load import Counterpart, Offering, Turn
from specseal.client.offer import Share
from specseal.client.phases import Phase
from specseal.client.progress import Totals
from specseal.client.prompts import Conversation
from specseal.client.server import Server
from specseal.client.wire import Call, Exchange
from unit.client.fake_llamacpp import final, sse, token
from unit.client.test_offer import phase

START_NS = 1000
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@dataclass
class Desk:
    """A server that answers after `takes_ns` by its own clock, which nothing else moves."""

    takes_ns: int = 10
    token: dict[str, Any] = field(default_factory=lambda: token(50, 1))
    before: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))
    """Awaited in each request, before its time passes."""
    now_ns: int = START_NS
    instants_ns: list[int] = field(default_factory=list)
    """What was waited for."""
    begun: int = 0

    def prepare(self, call: Call) -> bytes:
        return bytes(call.body["prompt"])

    async def stream(self, request: bytes) -> Exchange:
        submit_ns = self.now_ns
        self.begun += 1
        await self.before()
        self.now_ns += self.takes_ns
        end = final(self.token["tokens_predicted"], len(request))
        reads = [(self.now_ns, HEAD + sse(self.token, end))]
        return Exchange(connect_ns=0, submit_ns=submit_ns, end_ns=self.now_ns, reads=reads)

    async def until(self, instant_ns: int) -> None:
        self.instants_ns.append(instant_ns)
        self.now_ns = max(self.now_ns, instant_ns)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(module, "monotonic_ns", lambda: desk.now_ns)
    monkeypatch.setattr(module, "_until", desk.until)
    return desk


def offering(desk: Desk, what: Phase, *, turns: int = 1, **changes: Any) -> Offering:
    async def alone(end_ns: int) -> int:
        return end_ns

    return Offering(
        **{
            "phase": what,
            "share": Share(),
            "conversations": {
                name: Conversation(
                    id=name, category="qa", first=(number,), between=((9,),) * (turns - 1)
                )
                for number, name in enumerate(what.conversations)
            },
            "counterpart": Counterpart(
                server=cast(Server, desk),
                dialect=LLAMACPP,
                model="",
                text=None,
                stop_ids=frozenset(),
            ),
            "totals": Totals(),
            "meet": alone,
            **changes,
        }
    )


def run(offered: Offering) -> list[Turn]:
    """Run it; return its turns in the order in which they were due and sent."""

    async def prepared() -> None:
        offered.prepare()
        await offered.run(START_NS)

    asyncio.run(prepared())
    return sorted(offered.turns, key=lambda turn: (turn.due_ns, turn.exchange.submit_ns))


def shown(turns: list[Turn]) -> list[tuple[str, int, int]]:
    """Return conversation and cycle, turn, and when it was due after the start."""
    return [
        (f"{turn.conversation.id}{turn.cycle}", turn.number, turn.due_ns - START_NS)
        for turn in turns
    ]


def test_closed_load_is_due_when_the_one_before_has_ended(desk: Desk) -> None:
    turns = run(offering(desk, phase("a", "b", mode="closed", concurrency=1), turns=2))
    assert shown(turns) == [("a0", 0, 0), ("a0", 1, 10), ("b0", 0, 20), ("b0", 1, 30)]


def test_closed_load_begins_nothing_after_its_duration(desk: Desk) -> None:
    timed = phase("a", "b", mode="closed", concurrency=1, duration_s=25e-9)
    assert shown(run(offering(desk, timed))) == [("a0", 0, 0), ("b0", 0, 10), ("a1", 0, 20)]


def test_conversation_that_has_begun_goes_on_to_its_end(desk: Desk) -> None:
    timed = phase("a", mode="closed", concurrency=1, duration_s=5e-9)
    turns = run(offering(desk, timed, turns=3))
    assert shown(turns) == [("a0", 0, 0), ("a0", 1, 10), ("a0", 2, 20)]


def test_ramp_lets_one_more_begin_at_each_step(desk: Desk) -> None:
    desk.takes_ns = 100
    ramp = phase("a", "b", mode="ramp", concurrency=3, duration_s=30e-9)
    assert shown(run(offering(desk, ramp))) == [("a0", 0, 0), ("b0", 0, 10), ("a1", 0, 20)]
    assert desk.instants_ns == [START_NS, START_NS + 10, START_NS + 20]


def test_open_load_begins_at_its_instants_however_many_are_in_flight(desk: Desk) -> None:
    instants = tuple(range(0, 500, 5))

    async def until_all_have_begun() -> None:
        while desk.begun < len(instants):
            await asyncio.sleep(0)

    desk.before = until_all_have_begun
    timed = phase("a", "b", mode="open", rate=1, duration_s=1, offsets_ns=instants)
    turns = run(offering(desk, timed))
    assert [due_ns for _, _, due_ns in shown(turns)] == list(instants)
    assert [turn.cycle for turn in turns] == [number // 2 for number in range(100)]


def test_burst_begins_when_the_last_of_the_one_before_has_ended_everywhere(desk: Desk) -> None:
    ended = []

    async def others_take_longer(end_ns: int) -> int:
        ended.append(end_ns - START_NS)
        return end_ns + 7

    burst = phase("a", "b", "c", mode="burst", concurrency=2)
    turns = run(offering(desk, burst, meet=others_take_longer))
    assert shown(turns) == [("a0", 0, 0), ("b0", 0, 0), ("c0", 0, 27)]
    assert ended == [20, 30]


def test_burst_that_would_begin_too_late_does_not(desk: Desk) -> None:
    burst = phase("a", mode="burst", concurrency=1, duration_s=15e-9)
    assert shown(run(offering(desk, burst))) == [("a0", 0, 0), ("a1", 0, 10)]


def test_shares_are_the_whole(desk: Desk) -> None:
    five = phase(*"abcde", mode="closed", concurrency=3)
    halves = [offering(desk, five, share=Share(index=index, of=2)) for index in range(2)]
    sent = [[turn.conversation.id for turn in run(half)] for half in halves]
    assert sent == [["a", "c", "e"], ["b", "d"]]


def test_given_up_phase_keeps_what_had_ended_and_drops_what_is_in_flight(desk: Desk) -> None:
    four = offering(desk, phase(*"abcd", mode="closed", concurrency=2))

    async def give_up_at_the_third() -> None:
        await asyncio.sleep(0)
        if desk.begun >= 3:
            four.give_up("enough")
            await asyncio.sleep(0)

    desk.before = give_up_at_the_third
    turns = run(four)
    assert four.stopped == "enough"
    assert {turn.conversation.id for turn in turns} <= {"a", "b"}
    four.give_up("too late")
    assert four.stopped == "enough"


def test_phase_given_up_before_it_began_sends_nothing(desk: Desk) -> None:
    two = offering(desk, phase("a", "b", mode="closed", concurrency=1))
    two.give_up("the server is gone")
    assert run(two) == []
    assert (two.stopped, desk.begun) == ("the server is gone", 0)


def test_conversation_without_ids_to_go_on_from_gives_the_phase_up(desk: Desk) -> None:
    desk.token = {**token(50, 2), "tokens": []}
    offered = offering(desk, phase("a", "b", mode="closed", concurrency=1), turns=2)
    assert len(run(offered)) == 1
    assert offered.stopped == (
        "the server tells no ids of what it generates, so no turn can follow it"
    )


def test_progress_counts_what_the_end_of_each_answer_says(desk: Desk) -> None:
    offered = offering(desk, phase("a", "b", mode="closed", concurrency=2))
    run(offered)
    assert (offered.totals.done, offered.totals.output_tokens) == (2, 2)
