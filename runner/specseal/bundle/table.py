"""A Result as a table for people: pure, a Result in, a `Summary` out, which `drawing` draws.

One row a load level (or a category), input, setting and way of drafting, one column a figure. A
figure that is not valid is marked with `!`, and below the table stands why, as it does for one that
is not there or has no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from specseal.analysis import Metric, Result
from specseal.analysis.result import Where
from specseal.bundle.notes import ABOUT_INTERVALS, Doubt, notes
from specseal.bundle.sentences import sentences
from specseal.columns import (
    COLUMNS,
    GROUPINGS,
    WIDE,
    Column,
    Layout,
    cell,
    is_of_a_row,
    lay_out,
    trust,
)
from specseal.digests import canonical
from specseal.drawing import Cell, Fact, Summary
from specseal.words import drafting, said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    where: Where
    figures: dict[str, Metric] = field(default_factory=dict)
    """By the metric's name."""


def summarise(
    result: Result, environment: Mapping[str, Any], *, by: str, wide: bool = False
) -> Summary:
    """Choose the figures of a summary.

    Args:
        result: all metrics.
        environment: the bundle's; what it says of how far to trust the run is shown with every
            table.
        by: one of `GROUPINGS`: what a row is.
        wide: whether to have more columns than a terminal of 120 characters shows.
    """
    columns = [*COLUMNS, *WIDE] if wide else list(COLUMNS)
    found = _rows(result.metrics, GROUPINGS[by], {column.metric for column in columns})
    layout = lay_out([row.where for row in found], GROUPINGS[by])
    rows = sorted(found, key=lambda row: layout.order(row.where))
    with_values = [column for column in columns if any(_has_value(row, column) for row in rows)]
    told = sentences(result)
    trusted = trust(environment)
    return Summary(
        setting=" · ".join(
            (*(f"{name}: {said(value)}" for name, value in trusted.items()), *layout.shared)
        ),
        headers=(*layout.headers, "drafting", *(column.header for column in with_values)),
        rows=tuple(
            (*layout.cells(row.where), drafting(row.where), *_cells(row, with_values))
            for row in rows
        ),
        sentences=tuple(sentence.text for sentence in told),
        notes=notes(
            [doubt for row in rows for doubt in _doubts(row, columns, layout)],
            {one.header: sum(one.metric in row.figures for row in rows) for one in columns},
            also=[
                *(note.code for note in result.notes),
                *(code for sentence in told for code in sentence.reasons),
            ],
        ),
        records=tuple(_records(rows, layout.keys, with_values, trusted)),
    )


def _rows(metrics: Iterable[Metric], group: Sequence[str], wanted: set[str]) -> list[_Row]:
    rows: dict[bytes, _Row] = {}
    for metric in metrics:
        if metric.name in wanted and is_of_a_row(metric.where, group):
            row = rows.setdefault(canonical(metric.where), _Row(where=metric.where))
            row.figures[metric.name] = metric
    return [*rows.values()]


def _has_value(row: _Row, column: Column) -> bool:
    return column.metric in row.figures and row.figures[column.metric].value is not None


def _cells(row: _Row, columns: Sequence[Column]) -> Iterator[Cell]:
    for column in columns:
        yield cell(column, row.figures.get(column.metric), with_interval=column.interval)


def _records(
    rows: Iterable[_Row], keys: Sequence[str], columns: Sequence[Column], trusted: Mapping[str, Any]
) -> Iterator[dict[str, Fact]]:
    """Yield what a program gets of each figure: every key of `where`, and the metric as it is."""
    for row in rows:
        for column in columns:
            metric = row.figures.get(column.metric)
            if metric is not None:
                yield {
                    **{
                        key: metric.where.get(key) for key in ("speculation", "draft_length", *keys)
                    },
                    "metric": metric.name,
                    "value": metric.value,
                    "low": metric.low,
                    "high": metric.high,
                    "unit": metric.unit,
                    "n": metric.n,
                    "valid": metric.valid,
                    "reasons": " ".join(metric.reasons),
                    **trusted,
                }


def _doubts(row: _Row, columns: Sequence[Column], layout: Layout) -> Iterator[Doubt]:
    """Yield what is behind each mark, missing figure and missing interval of a row."""
    for column in columns:
        metric = row.figures.get(column.metric)
        if metric is None:
            continue
        for reason in metric.reasons:
            if column.interval or reason not in ABOUT_INTERVALS:
                yield Doubt(
                    reason=reason,
                    column=column.header,
                    drafting=drafting(row.where),
                    place=" ".join(layout.cells(row.where)),
                )
