"""Records as columns: the same rows, without an object a request and a number.

In: records, or the columns of a file. Out: a `RecordTable`, which is a sequence of records for
whoever wants them one by one, and arrays for whoever computes. A run's chunks are tens of millions
of numbers. Rows are taken out of a table without copying what is in their lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from specseal.records import Record

IntArray: TypeAlias = npt.NDArray[np.int64]
NumberArray: TypeAlias = npt.NDArray[np.number[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = IntArray | slice

OUTPUT_SHA256 = "output_sha256"
"""SHA-256 of the generated ids as JSON without spaces, in the place of `output_ids` where nobody
may pass those on. No field of a record: the client knows the ids, and sealing withholds them."""
TEXTS = ("phase", "conversation", "category", "input_sha256", "finish", "error", OUTPUT_SHA256)
LISTS = ("chunk_ns", "chunk_tokens", "output_ids")
_FIELDS = tuple(field.name for field in fields(Record))
NUMBERS = tuple(name for name in _FIELDS if name not in TEXTS and name not in LISTS)
_LARGEST_PLAUSIBLE = 2**31
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texts:
    """A column of texts, of which few differ."""

    codes: IntArray
    """Place of each row's text in `texts`."""
    texts: tuple[str | None, ...]
    """Each once; None is a text that is not there. Some may belong to no row."""

    def __getitem__(self, row: int) -> str | None:
        return self.texts[int(self.codes[row])]

    def take(self, rows: Rows) -> Texts:
        """Return some rows."""
        return Texts(codes=self.codes[rows], texts=self.texts)

    def to_list(self) -> list[str | None]:
        """Return each row's text."""
        return [self.texts[code] for code in self.codes.tolist()]

    def used(self) -> set[str | None]:
        """Return the texts that some row has."""
        return {self.texts[code] for code in np.unique(self.codes).tolist()}

    def are(self, text: str | None) -> BoolArray:
        """Say of each row whether its text is this."""
        return self._look_up(lambda one: one == text, np.bool_)

    def numbered(self, numbers: Mapping[str, int]) -> IntArray:
        """Return the number of each row's text; -1 where there is none for it."""
        return self._look_up(lambda one: numbers.get(one, -1) if one is not None else -1, np.int64)

    def _look_up(self, of: Callable[[str | None], Any], kind: type[np.generic]) -> npt.NDArray[Any]:
        return np.array([of(text) for text in self.texts] or [0], dtype=kind)[self.codes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Numbers:
    """A column of whole numbers."""

    values: IntArray
    known: BoolArray | None = None
    """Which rows have one; None: all of them."""

    def __getitem__(self, row: int) -> int | None:
        return None if self.known is not None and not self.known[row] else int(self.values[row])

    def take(self, rows: Rows) -> Numbers:
        """Return some rows."""
        return Numbers(values=self.values[rows], known=_rows_of(self.known, rows))

    def or_else(self, number: int) -> IntArray:
        """Return the values, and `number` where there is none."""
        return self.values if self.known is None else np.where(self.known, self.values, number)

    def are_known(self) -> BoolArray:
        """Say of each row whether it has a number."""
        return np.ones(len(self.values), np.bool_) if self.known is None else self.known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lists:
    """A column of lists of whole numbers: row i has `lengths[i]` of `values` from `starts[i]`."""

    values: NumberArray
    starts: IntArray
    lengths: IntArray
    """0 where there is no list."""
    known: BoolArray | None = None

    def __getitem__(self, row: int) -> list[int] | None:
        if self.known is not None and not self.known[row]:
            return None
        start = int(self.starts[row])
        numbers: list[int] = self.values[start : start + int(self.lengths[row])].tolist()
        return numbers

    def take(self, rows: Rows) -> Lists:
        """Return some rows; the values stay where they are."""
        return Lists(
            values=self.values,
            starts=self.starts[rows],
            lengths=self.lengths[rows],
            known=_rows_of(self.known, rows),
        )

    def are_known(self) -> BoolArray:
        """Say of each row whether it has a list."""
        return np.ones(len(self.starts), np.bool_) if self.known is None else self.known

    def in_a_row(self) -> NumberArray:
        """Return all rows' numbers, one row's after another's."""
        filled = self.lengths > 0
        starts, lengths = self.starts[filled], self.lengths[filled]
        if len(starts) == 0:
            return self.values[:0]
        if (starts[1:] == starts[:-1] + lengths[:-1]).all():
            return self.values[starts[0] : starts[-1] + lengths[-1]]
        return self.values[places(starts, lengths)]

    def first(self, otherwise: int) -> IntArray:
        """Return each row's first number, or `otherwise` where it has none."""
        return self._at(self.starts, otherwise)

    def last(self, otherwise: int) -> IntArray:
        """Return each row's last number, or `otherwise` where it has none."""
        return self._at(self.starts + self.lengths - 1, otherwise)

    def _at(self, where: IntArray, otherwise: int) -> IntArray:
        found = np.full(len(where), otherwise, np.int64)
        filled = self.lengths > 0
        found[filled] = self.values[where[filled]]
        return found

    def sums(self, values: npt.ArrayLike) -> IntArray:
        """Return the sum over each row of `values`, which are laid out as `in_a_row()`."""
        running = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
        ends = np.cumsum(self.lengths)
        return np.asarray(running[ends] - running[ends - self.lengths], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordTable(Sequence[Record]):
    """Records as columns, by the names of a record's fields."""

    texts: Mapping[str, Texts]
    numbers: Mapping[str, Numbers]
    lists: Mapping[str, Lists]

    def __len__(self) -> int:
        return len(self.numbers["turn"].values)

    @overload
    def __getitem__(self, row: int) -> Record: ...
    @overload
    def __getitem__(self, row: slice) -> RecordTable: ...
    def __getitem__(self, row: int | slice) -> Record | RecordTable:
        if isinstance(row, slice):
            return self.take(row)
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        columns: dict[str, Any] = {**self.texts, **self.numbers, **self.lists}
        return Record(**{name: columns[name][row] for name in _FIELDS})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordTable | tuple):
            return NotImplemented
        theirs = table_of(other).texts[OUTPUT_SHA256].to_list()
        return (
            len(self) == len(other)
            and self.texts[OUTPUT_SHA256].to_list() == theirs
            and all(a == b for a, b in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: Rows) -> RecordTable:
        """Return some rows, in the order of `rows`."""
        return RecordTable(
            texts={name: column.take(rows) for name, column in self.texts.items()},
            numbers={name: column.take(rows) for name, column in self.numbers.items()},
            lists={name: column.take(rows) for name, column in self.lists.items()},
        )

    def number(self, name: str) -> IntArray:
        """Return a column of numbers of which none is missing."""
        return self.numbers[name].values

    @property
    def completed(self) -> BoolArray:
        """Which requests ended as they should."""
        return self.texts["error"].are(None) & ~self.texts["finish"].are("error")

    def turn_keys(self) -> list[tuple[str, int, int]]:
        """Return what names each turn within a phase: conversation, cycle and turn."""
        return list(
            zip(
                map(str, self.texts["conversation"].to_list()),
                self.number("cycle").tolist(),
                self.number("turn").tolist(),
                strict=True,
            )
        )

    def in_order_of_turns(self) -> RecordTable:
        """Return the rows in the order of their keys; of equal keys, in the order they have."""
        conversations = self.texts["conversation"]
        ranks = {name: rank for rank, name in enumerate(sorted(map(str, conversations.used())))}
        keys = (self.number("turn"), self.number("cycle"), conversations.numbered(ranks))
        order = np.lexsort(keys)
        return self if (order[1:] > order[:-1]).all() else self.take(order)

    def flaws(self) -> Iterator[tuple[Record, str]]:
        """Yield each record that contradicts itself, and in what: `Record.flaw` decides."""
        for row in np.flatnonzero(self._may_be_flawed()).tolist():
            record = self[row]
            if flaw := record.flaw():
                yield record, flaw

    def _may_be_flawed(self) -> BoolArray:
        """Say of each row whether it is worth a look: no row that has a flaw is left out."""
        chunks, tokens, ids = (self.lists[name] for name in LISTS)
        submit, end, output = map(self.number, ("submit_ns", "end_ns", "output_tokens"))
        empty = chunks.lengths == 0
        times = chunks.in_a_row()
        falls = np.zeros(len(times), np.bool_)
        falls[1:] = times[1:] < times[:-1]
        falls[(np.cumsum(chunks.lengths) - chunks.lengths)[~empty]] = False  # a row's first
        odd = chunks.sums(falls) > 0
        odd |= np.where(empty, submit > end, (chunks.first(0) < submit) | (chunks.last(0) > end))
        odd |= self.number("connect_ns") < 0
        of_each = tokens.in_a_row()
        implausible = (of_each < 0) | (of_each > _LARGEST_PLAUSIBLE)
        counted = (tokens.lengths == chunks.lengths) & (tokens.sums(of_each) == output)
        counted &= tokens.sums(implausible) == 0  # so that no sum has wrapped around
        odd |= np.where(tokens.are_known(), ~counted, (output != 0) & empty)
        return np.asarray(odd | (ids.are_known() & (ids.lengths != output)), dtype=np.bool_)


def table_of(records: Sequence[Record]) -> RecordTable:
    """Return records as columns; a table as it is."""
    if isinstance(records, RecordTable):
        return records
    return RecordTable(
        texts={name: _texts([getattr(one, name, None) for one in records]) for name in TEXTS},
        numbers={name: _numbers([getattr(one, name) for one in records]) for name in NUMBERS},
        lists={name: _lists([getattr(one, name) for one in records]) for name in LISTS},
    )


def joined_tables(tables: Sequence[RecordTable]) -> RecordTable:
    """Return the rows of all tables (at least one), in their order."""
    if len(tables) == 1:
        return tables[0]
    return RecordTable(
        texts={name: _join_texts([one.texts[name] for one in tables]) for name in TEXTS},
        numbers={name: _join_numbers([one.numbers[name] for one in tables]) for name in NUMBERS},
        lists={name: _join_lists([one.lists[name] for one in tables]) for name in LISTS},
    )


def first_differences(ours: Lists, theirs: Lists, *, same: int) -> IntArray:
    """Return for each row where two lists first differ, 0-based, or `same`.

    A list that goes on where the other ends differs there.
    """
    shared = np.minimum(ours.lengths, theirs.lengths)
    found = np.where(ours.lengths == theirs.lengths, same, shared)
    for rows in _blocks(shared):
        lengths = shared[rows]
        differ = (
            ours.values[places(ours.starts[rows], lengths)]
            != theirs.values[places(theirs.starts[rows], lengths)]
        )
        at = np.flatnonzero(differ)
        ends = np.cumsum(lengths)
        row, first = np.unique(np.searchsorted(ends, at, side="right"), return_index=True)
        found[rows][row] = at[first] - (ends - lengths)[row]
    return found


def places(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return the places of all numbers of lists, one list's after another's."""
    before = np.cumsum(lengths) - lengths
    return np.asarray(np.repeat(starts - before, lengths) + np.arange(int(lengths.sum())))


def difference(later: IntArray, earlier: IntArray) -> IntArray:
    """Return later − earlier. Raises: OverflowError where that is none of 64 bits."""
    found = later - earlier
    if ((later >= earlier) != (found >= 0)).any():
        raise OverflowError("two times are further apart than 64 bits can say")
    return found


def narrowed(values: NumberArray) -> NumberArray:
    """Return the numbers in 32 bits where all of them fit, and none is negative.

    So that the difference of two of them fits, too.
    """
    most = np.iinfo(np.int32).max
    fits = len(values) == 0 or (values.min() >= 0 and values.max() <= most)
    return values.astype(np.int32) if fits else values


_BLOCK = 2**20


def _blocks(lengths: IntArray) -> Iterator[slice]:
    """Yield the rows in blocks with so many numbers, so that what is made of them stays small."""
    block = np.cumsum(lengths) // _BLOCK
    cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(lengths)]
    return (slice(start, end) for start, end in pairwise(cuts))


def _rows_of(known: BoolArray | None, rows: Rows) -> BoolArray | None:
    return None if known is None else known[rows]


def _texts(values: Sequence[str | None]) -> Texts:
    code = {text: number for number, text in enumerate(dict.fromkeys(values))}
    codes = np.fromiter((code[value] for value in values), dtype=np.int64, count=len(values))
    return Texts(codes=codes, texts=tuple(code))


def _numbers(values: Sequence[int | None]) -> Numbers:
    known = _known(values)
    given = (value or 0 for value in values)
    return Numbers(values=np.fromiter(given, np.int64, len(values)), known=known)


def _lists(values: Sequence[Sequence[int] | None]) -> Lists:
    lengths = np.fromiter((len(value or ()) for value in values), np.int64, len(values))
    ends = np.cumsum(lengths)
    numbers = np.empty(int(lengths.sum()), np.int64)
    for value, start, end in zip(values, (ends - lengths).tolist(), ends.tolist(), strict=True):
        if value:
            numbers[start:end] = value
    return Lists(
        values=narrowed(numbers), starts=ends - lengths, lengths=lengths, known=_known(values)
    )


def _known(values: Sequence[Any]) -> BoolArray | None:
    known = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return None if known.all() else known


def _join_texts(columns: Sequence[Texts]) -> Texts:
    code: dict[str | None, int] = {}
    codes = []
    for column in columns:
        of = np.array([code.setdefault(text, len(code)) for text in column.texts] or [0], np.int64)
        codes.append(of[column.codes])
    return Texts(codes=np.concatenate(codes), texts=tuple(code))


def _join_numbers(columns: Sequence[Numbers]) -> Numbers:
    return Numbers(
        values=np.concatenate([column.values for column in columns]), known=_join_known(columns)
    )


def _join_lists(columns: Sequence[Lists]) -> Lists:
    lengths = np.concatenate([column.lengths for column in columns])
    return Lists(
        values=np.concatenate([column.in_a_row() for column in columns]),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        known=_join_known(columns),
    )


def _join_known(columns: Sequence[Numbers] | Sequence[Lists]) -> BoolArray | None:
    if all(column.known is None for column in columns):
        return None
    return np.concatenate([column.are_known() for column in columns])
