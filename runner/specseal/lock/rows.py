"""Rows of a data set: decoded strictly from JSON lines or Parquet, and checked column by column.

Rows have SPEED-Bench's columns wherever they come from. What is wrong is named by row and column,
all of a file at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow
import pyarrow.parquet

from specseal.digests import Digest, sha256_bytes, sha256_value
from specseal.errors import Problem

PLACEHOLDER = "FULL BENCHMARK DATA SHOULD BE FETCHED FROM THE SOURCE USING SPECDEC_BENCH"
"""What SPEED-Bench's hub copy has in place of prompts that may not be passed on."""

Columns = dict[str, Any]
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One conversation of a data set."""

    id: str
    category: str
    turns: tuple[str, ...]
    """What the user says, one text a turn."""
    sha256: Digest
    """Of all columns, those not kept here included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing wrong with one row."""

    row: int
    """1-based number of the line, or of the row where there are no lines."""
    column: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows as they were found, decoded but not checked."""

    name: str
    rows: list[tuple[int, Columns]]
    """(1-based number, columns)."""
    troubles: tuple[Trouble, ...] = ()
    """Rows that could not be decoded."""
    revision: str | None = None
    file_sha256: Digest | None = None


def read_json_lines(name: str, data: bytes) -> Found:
    """Decode JSON lines; a line that is none is among the troubles."""
    rows: list[tuple[int, Columns]] = []
    troubles: list[Trouble] = []
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        try:
            rows.append((number, _decode(line)))
        except (ValueError, RecursionError) as error:
            troubles.append(Trouble(row=number, column="", message=str(error)))
    return Found(name=name, rows=rows, troubles=tuple(troubles), file_sha256=sha256_bytes(data))


def read_parquet(name: str, data: bytes) -> Found:
    """Decode a Parquet file; that it is none is its only trouble."""
    rows: list[Columns] = []
    troubles: tuple[Trouble, ...] = ()
    try:
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()
    # The last two: text that is not UTF-8, and a time of no year.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        cause = str(error).partition("\n")[0]
        message = f"not a Parquet file that can be read: {cause}"
        troubles = (Trouble(row=1, column="", message=message),)
    return Found(
        name=name,
        rows=list(enumerate(rows, 1)),
        troubles=troubles,
        file_sha256=sha256_bytes(data),
    )


def troubles_of(found: Found) -> list[Trouble]:
    """Return what is wrong with each row by itself, and with ids that are there twice."""
    troubles = list(found.troubles)
    first_seen: dict[str, int] = {}
    for number, columns in found.rows:
        troubles += [
            Trouble(row=number, column=column, message=message)
            for column, message in _wrong_columns(columns)
        ]
        identity = columns.get("question_id")
        if isinstance(identity, str):
            first = first_seen.setdefault(identity, number)
            if first != number:
                message = f"{identity!r} is the id of row {first} too"
                troubles.append(Trouble(row=number, column="question_id", message=message))
    if not found.rows and not troubles:
        troubles.append(Trouble(row=1, column="", message="there are no rows"))
    return troubles


def rows_of(found: Found) -> tuple[Row, ...]:
    """Return the rows of a data set of which `troubles_of` says nothing."""
    return tuple(
        Row(
            id=columns["question_id"],
            category=columns["category"],
            turns=tuple(columns["turns"]),
            sha256=sha256_value(kept_columns(columns)),
        )
        for _, columns in found.rows
    )


def kept_columns(columns: Columns) -> Columns:
    """Return a good row's columns: what its digest is taken of."""
    return {column: columns[column] for column in _COLUMNS}


def problems_of(name: str, troubles: Iterable[Trouble]) -> list[Problem]:
    """Return the first 20 troubles by row, and how many more there are."""
    by_row = sorted(troubles, key=lambda trouble: trouble.row)
    problems = [
        Problem(
            path=name, line=trouble.row, column=1, where=trouble.column, message=trouble.message
        )
        for trouble in by_row[:_MOST_PROBLEMS]
    ]
    if more := by_row[_MOST_PROBLEMS:]:
        message = f"and {len(more)} more problems from here on"
        problems.append(Problem(path=name, line=more[0].row, column=1, where="", message=message))
    return problems


def is_text(value: Any) -> bool:
    """Say whether a value is a text that is not empty and has UTF-8."""
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        # JSON can spell half a surrogate pair, which is no character and has no UTF-8.
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode(line: bytes) -> Columns:
    """Decode one line strictly. Raises: ValueError saying what is wrong with it."""

    def unique(pairs: list[tuple[str, Any]]) -> Columns:
        columns = dict(pairs)
        if len(columns) != len(pairs):
            raise ValueError("a key appears twice")
        return columns

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    row = json.loads(line.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    if not isinstance(row, dict):
        raise ValueError("expected an object")  # noqa: TRY004  (a value of the file, not a type)
    return row


def _wrong_columns(columns: Columns) -> Iterator[tuple[str, str]]:
    """Yield (column, what is wrong with it) of one row."""
    for column in columns.keys() - _COLUMNS.keys():
        yield column, "not a column of SPEED-Bench"
    for column, (expected, is_good) in _COLUMNS.items():
        if column not in columns:
            yield column, "missing"
        elif not is_good(columns[column]):
            yield column, f"expected {expected}"
        elif column == "turns" and any(PLACEHOLDER in turn for turn in columns[column]):
            yield (
                column,
                "holds SPEED-Bench's placeholder, not a prompt; `specseal data prepare "
                "speed-bench` makes the full data",
            )


def _is_text_or_null(value: Any) -> bool:
    return value in (None, "") or is_text(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


_COLUMNS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "question_id": ("a text that is not empty", is_text),
    "category": ("a text that is not empty", is_text),
    "sub_category": ("a text or null", _is_text_or_null),
    "source": ("a text or null", _is_text_or_null),
    "src_id": ("a text or null", _is_text_or_null),
    "difficulty": ("a text or null", _is_text_or_null),
    "turns": ("a list of texts, none of them empty", _are_texts),
    "multiturn": ("true or false", _is_boolean),
}
"""What a row must have: what was expected, and whether a value is that."""
