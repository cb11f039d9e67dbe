"""Records as columns: the same rows, without an object a request and a number.

In: records, or the columns of a file. Out: a `RecordTable`, which is a sequence of records for
whoever wants them one by one, and arrays for whoever computes. A run's chunks are tens of millions
of numbers. Rows are taken out of a table without copying what is in their lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np

from specseal.record_columns import BoolArray, IntArray, Lists, Numbers, Rows, Texts, narrowed
from specseal.records import Record

OUTPUT_SHA256 = "output_sha256"
"""SHA-256 of the generated ids as JSON without spaces, in the place of `output_ids` where nobody
may pass those on. No field of a record: the client knows the ids, and sealing withholds them."""
TEXTS = ("phase", "conversation", "category", "input_sha256", "finish", "error", OUTPUT_SHA256)
LISTS = ("chunk_ns", "chunk_tokens", "output_ids")
_FIELDS = tuple(field.name for field in fields(Record))
NUMBERS = tuple(name for name in _FIELDS if name not in TEXTS and name not in LISTS)
_LARGEST_PLAUSIBLE = 2**31


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
