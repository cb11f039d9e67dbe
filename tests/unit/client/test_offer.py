"""Which conversations are sent when: pure, the same in every process."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.client.offer import (
    Place,
    Share,
    groups,
    is_over,
    places,
    processes_for,
    worker_offsets_ns,
)
from specseal.client.phases import Phase, Sampling
from specseal.records import Load

SAMPLING = Sampling(
    temperature=0, top_p=1, top_k=0, seed=0, stop=(), ignore_eos=False, max_tokens=8
)


def phase(*conversations: str, offsets_ns: tuple[int, ...] = (), **load: Any) -> Phase:
    return Phase(
        name="p",
        measured=True,
        load=Load(**load),
        prompts="prompts-0123456789ab.jsonl",
        sampling=SAMPLING,
        conversations=conversations,
        offsets_ns=offsets_ns,
    )


def names(found: list[Place]) -> list[str]:
    return [f"{place.conversation}{place.cycle}" for place in found]


def test_without_a_duration_each_conversation_is_sent_once() -> None:
    assert names(list(places(phase("a", "b", mode="closed", concurrency=9)))) == ["a0", "b0"]


@pytest.mark.parametrize("mode", ["closed", "burst", "ramp"])
def test_with_a_duration_they_come_again_after_the_last(mode: str) -> None:
    endless = places(phase("a", "b", mode=mode, concurrency=1, duration_s=1))
    assert names(list(islice(endless, 5))) == ["a0", "b0", "a1", "b1", "a2"]


def test_open_load_has_as_many_as_it_has_instants() -> None:
    three = phase("a", "b", mode="open", rate=1, duration_s=9, offsets_ns=(0, 1, 2))
    assert names(list(places(three))) == ["a0", "b0", "a1"]


def test_closed_load_begins_all_at_once_and_a_ramp_step_by_step() -> None:
    assert worker_offsets_ns(phase("a", mode="closed", concurrency=3, duration_s=6)) == (0, 0, 0)
    ramp = phase("a", mode="ramp", concurrency=3, duration_s=6e-9)
    assert worker_offsets_ns(ramp) == (0, 2, 4)


def test_bursts_take_as_many_as_there_are_left() -> None:
    seven = phase(*"abcdefg", mode="burst", concurrency=3)
    assert [names(group) for group in groups(seven, Share())] == (
        [["a0", "b0", "c0"], ["d0", "e0", "f0"], ["g0"]]
    )


def test_every_process_sees_every_burst_also_where_it_has_no_part_in_it() -> None:
    four = phase(*"abcd", mode="burst", concurrency=3)
    assert [names(group) for group in groups(four, Share(index=1, of=2))] == [["b0"], ["d0"]]
    assert [names(group) for group in groups(four, Share(index=2, of=3))] == [["c0"], []]


@given(conversations=st.integers(1, 40), of=st.integers(1, 7), concurrency=st.integers(1, 12))
def test_shares_hold_everything_once(conversations: int, of: int, concurrency: int) -> None:
    everyone = [f"n{number}-" for number in range(conversations)]
    burst = phase(*everyone, mode="burst", concurrency=concurrency)
    shares = [Share(index=index, of=of) for index in range(of)]
    taken = [place for share in shares for place in share.take(places(burst))]
    assert sorted(taken) == sorted(places(burst))
    in_groups = [list(groups(burst, share)) for share in shares]
    together = [sorted(chain(*parts)) for parts in zip(*in_groups, strict=True)]
    assert together == [sorted(group) for group in groups(burst, Share())]


def test_nothing_begins_later_than_the_duration_after_the_start() -> None:
    timed = phase("a", mode="closed", concurrency=1, duration_s=2)
    assert not is_over(timed, 2_000_000_000)
    assert is_over(timed, 2_000_000_001)
    assert not is_over(phase("a", mode="closed", concurrency=1), 10**18)


@pytest.mark.parametrize(
    ("concurrency", "processes"), [(1, 1), (256, 1), (257, 2), (512, 2), (513, 3)]
)
def test_one_process_holds_256_streams(concurrency: int, processes: int) -> None:
    assert processes_for(phase("a", mode="closed", concurrency=concurrency)) == processes


def test_open_load_is_spread_by_what_begins_within_half_a_minute() -> None:
    a_second = tuple(range(0, 100 * 10**9, 10**9))
    slow = phase("a", mode="open", rate=1, offsets_ns=a_second)
    fast = phase("a", mode="open", rate=100, offsets_ns=tuple(each // 100 for each in a_second) * 3)
    assert (processes_for(slow), processes_for(fast)) == (1, 2)
