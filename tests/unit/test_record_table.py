"""Records as columns: the same as the records themselves, whatever they are."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.record_columns import difference, first_differences, narrowed
from specseal.record_table import LISTS, RecordTable, joined_tables, table_of
from specseal.records import Record

number = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 8)
small = st.integers(0, 4)
maybe = st.none() | number
text = st.sampled_from(["a", "b", "", "ä"])


def times(draw: st.DrawFn) -> dict[str, object]:
    """Times that mostly run forwards, and counts that mostly add up."""
    ticks = draw(st.lists(number, min_size=2, max_size=5))
    ticks = sorted(ticks) if draw(st.booleans()) else ticks
    chunks = ticks[1:-1]
    tokens = draw(st.none() | st.just([1] * len(chunks)) | st.lists(number, max_size=4))
    output = sum(tokens) if tokens is not None and draw(st.booleans()) else draw(small)
    output = output if abs(output) < 2**63 else 0
    return {
        "submit_ns": ticks[0],
        "chunk_ns": chunks,
        "end_ns": ticks[-1],
        "chunk_tokens": tokens,
        "output_tokens": output,
        "output_ids": draw(st.none() | st.just([7] * min(max(output, 0), 6)) | st.lists(small)),
    }


@st.composite
def records(draw: st.DrawFn) -> Record:
    return Record(
        phase="c1",
        conversation=draw(text),
        category=draw(text),
        turn=draw(small),
        cycle=draw(small),
        due_ns=draw(maybe),
        connect_ns=draw(st.integers(-1, 9)),
        input_tokens=draw(number),
        engine_input_tokens=draw(maybe),
        input_sha256=draw(text),
        finish=draw(st.sampled_from(["stop", "error"])),
        error=draw(st.none() | text),
        draft_tokens=draw(maybe),
        accepted_tokens=draw(maybe),
        verify_steps=draw(maybe),
        cached_tokens=draw(maybe),
        **times(draw),  # type: ignore[arg-type]
    )


some = st.lists(records(), max_size=6).map(tuple)


@given(some)
@settings(deadline=None)
def test_a_table_is_a_sequence_of_the_records_that_it_was_made_of(given: tuple[Record, ...]):
    table = table_of(given)
    assert tuple(table) == given
    assert table == given
    assert table_of(table) is table
    assert len(table[1:]) == max(len(given) - 1, 0)
    assert table[1:] == given[1:]


@given(some)
@settings(deadline=None)
def test_flaws_are_those_of_the_records(given: tuple[Record, ...]):
    expected = [(record, flaw) for record in given if (flaw := record.flaw())]
    assert list(table_of(given).flaws()) == expected


@given(some)
@settings(deadline=None)
def test_order_of_turns_is_that_of_sorted(given: tuple[Record, ...]):
    ordered = sorted(given, key=lambda one: (one.conversation, one.cycle, one.turn))
    table = table_of(given).in_order_of_turns()
    assert table == tuple(ordered)
    for name in LISTS:
        flat = [item for one in ordered for item in getattr(one, name) or ()]
        assert table.lists[name].in_a_row().tolist() == flat


@given(some, some)
@settings(deadline=None)
def test_joined_tables_hold_the_rows_of_all_in_order(
    first: tuple[Record, ...], second: tuple[Record, ...]
):
    backwards = table_of(second)[::-1]
    assert joined_tables([table_of(first), backwards]) == (*first, *second[::-1])


lists = st.lists(st.integers(0, 2), max_size=5)


@given(st.lists(st.tuples(lists, lists), max_size=6), st.integers(1, 4))
@settings(deadline=None)
def test_first_difference_is_where_a_loop_finds_it(pairs, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("specseal.record_columns._BLOCK", block)
        ours, theirs = (columns([pair[side] for pair in pairs]) for side in (0, 1))
        found = first_differences(ours, theirs, same=-1).tolist()
    assert found == [
        next((i for i, (a, b) in enumerate(zip_longest(*pair)) if a != b), -1) for pair in pairs
    ]


def columns(values: list[list[int]]):
    made = [
        Record(**{**ONE, "output_ids": value})  # type: ignore[arg-type]
        for value in values
    ]
    return table_of(made).lists["output_ids"]


ONE = {
    "phase": "c1", "conversation": "a", "category": "a", "turn": 0, "cycle": 0, "due_ns": None,
    "connect_ns": 0, "submit_ns": 0, "chunk_ns": (), "chunk_tokens": None, "end_ns": 0,
    "input_tokens": 0, "engine_input_tokens": None, "input_sha256": "", "output_tokens": 0,
    "output_ids": None, "finish": "stop", "error": None, "draft_tokens": None,
    "accepted_tokens": None, "verify_steps": None, "cached_tokens": None,
}  # fmt: skip


def test_times_too_far_apart_are_an_error_and_no_small_number() -> None:
    late, early = np.array([2**63 - 1]), np.array([-1])
    with pytest.raises(OverflowError, match="64 bits"):
        difference(late, early)
    assert difference(late, -early).tolist() == [2**63 - 2]


def test_numbers_are_narrowed_only_where_their_differences_fit() -> None:
    assert narrowed(np.array([0, 2**31 - 1])).dtype == np.int32
    assert narrowed(np.array([0, 2**31])).dtype == np.int64
    assert narrowed(np.array([-1, 0])).dtype == np.int64


def test_row_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        table_of(())[0]
    assert isinstance(table_of(()), RecordTable)
