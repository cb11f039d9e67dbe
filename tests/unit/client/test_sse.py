"""Splitting a stream into events."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from specseal.client.sse import events

STREAM = (
    b': a comment\n\ndata: {"t":"\xe4\xbd\xa0"}\n\ndata: a\ndata: b\n\n'
    b"data: c\r\n\ndata: two\r\n\r\ndata: [DONE]\n\ndata: cut"
)
EVENTS = ['{"t":"你"}'.encode(), b"a\nb", b"c", b"two", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_wherever_the_reads_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    reads = [(time, STREAM[start:stop]) for time, (start, stop) in enumerate(pairwise(edges))]
    assert [data for _, data in events(reads)] == EVENTS


def test_an_event_has_the_time_of_the_read_that_completed_it() -> None:
    reads = [(1, b"data: a\n\ndata: b"), (2, b"b\n"), (3, b"\ndata: c\n\n")]
    assert list(events(reads)) == [(1, b"a"), (3, b"bb"), (3, b"c")]


def test_data_over_several_lines_is_one_event() -> None:
    assert list(events([(1, b"event: x\ndata: a\ndata:b\n\n")])) == [(1, b"a\nb")]
