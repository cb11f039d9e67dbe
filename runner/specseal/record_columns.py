"""Columns of texts, of whole numbers, and of lists of them: one entry a row.

Pure arrays; rows are taken out of a column without copying what is in its lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
NumberArray: TypeAlias = npt.NDArray[np.number[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = IntArray | slice

_BLOCK = 2**20
"""Numbers that are compared at once."""


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


def _blocks(lengths: IntArray) -> Iterator[slice]:
    """Yield the rows in blocks with so many numbers, so that what is made of them stays small."""
    block = np.cumsum(lengths) // _BLOCK
    cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(lengths)]
    return (slice(start, end) for start, end in pairwise(cuts))


def _rows_of(known: BoolArray | None, rows: Rows) -> BoolArray | None:
    return None if known is None else known[rows]
