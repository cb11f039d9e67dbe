"""The notes under a table: each code once, with its sentence and the figures that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from specseal.analysis.validity import REASONS
from specseal.words import printable

ABOUT_INTERVALS = {
    "exact_count", "extreme", "fewer_than_5_conversations", "fewer_than_3_launches",
}  # fmt: skip
"""Codes that only say why there is no interval: nothing to say where none is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One code that one figure carries."""

    reason: str
    column: str
    drafting: str
    place: str
    """Which of the rows of that drafting: its load level, or its category."""


def notes(
    doubts: Iterable[Doubt], rows_of: dict[str, int], *, also: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return a line a code, in the order in which codes first appear.

    Args:
        doubts: in the order of rows.
        rows_of: how many rows have a figure of each column, in the table's order: where all of
            them share a code, no row is named.
        also: codes of something else than a figure of the table.
    """
    found: dict[str, dict[str, list[Doubt]]] = {}
    for doubt in doubts:
        found.setdefault(doubt.reason, {}).setdefault(doubt.column, []).append(doubt)
    for reason in also:
        found.setdefault(reason, {})
    return tuple(_note(reason, columns, rows_of) for reason, columns in found.items())


def _note(reason: str, columns: dict[str, list[Doubt]], rows_of: dict[str, int]) -> str:
    sentence = REASONS.get(reason, "A code that this version does not know.")
    by_rows: dict[str, list[str]] = {}
    for column, doubts in sorted(columns.items(), key=lambda item: [*rows_of].index(item[0])):
        rows = "all" if len(doubts) == rows_of[column] else _rows(doubts)
        by_rows.setdefault(rows, []).append(column)
    where = "; ".join(f"{', '.join(names)}: {rows}" for rows, names in by_rows.items())
    return f"{printable(reason)}: {sentence}" + (f" ({where})" if where else "")


def _rows(doubts: Sequence[Doubt]) -> str:
    places: dict[str, list[str]] = {}
    for doubt in doubts:
        places.setdefault(doubt.drafting, []).append(doubt.place)
    return ", ".join(f"{drafting} at {', '.join(at)}" for drafting, at in places.items())
