from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.analysis.columns import UNKNOWN, Ranks, Requests, joined, requests_of
from unit.analysis.builders import record

RANKS = Ranks(conversations={"q1": 0}, categories={"coding": 0})


def columns(*records, **changes) -> Requests:
    place = {"repeat": 0, "level": 0, "cut_at_limit": False, "ranks": RANKS}
    return requests_of(records, **{**place, **changes})


def test_ids_outside_of_the_bitmap_can_not_be_drafted():
    drafts = np.array([True, False, True])
    of_three = columns(record(output_ids=(0, 1, 2, 3)), record(output_ids=None), draftable=drafts)

    assert of_three.draftable_tokens.tolist() == [2, UNKNOWN]
    assert columns(record()).draftable_tokens.tolist() == [UNKNOWN]


def test_no_requests_are_columns_of_nothing():
    assert len(columns()) == 0
    assert len(columns().gap_ns) == 0


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**34), max_size=5).map(sorted), min_size=1, max_size=8),
    st.data(),
)
def test_gaps_stay_with_their_requests_however_they_are_joined_and_taken(times, data):
    records = [
        record(chunk_ns=tuple(chunks), chunk_tokens=None, submit_ns=0, end_ns=2**34)
        for chunks in times
    ]
    cut = data.draw(st.integers(0, len(records)))
    chosen = data.draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    whole = joined([columns(*records[:cut]), columns(*records[cut:])])

    taken = whole.take(np.array(chosen))
    expected = [
        late - early
        for chunks, kept in zip(times, chosen, strict=True)
        if kept
        for early, late in pairwise(chunks)
    ]
    assert taken.gap_ns.tolist() == expected
    assert int(taken.gaps.sum()) == len(expected)
