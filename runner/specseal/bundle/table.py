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
from specseal.bundle.places import (
    ABSENT,
    BASELINE,
    LEVELS,
    USUAL_INPUT,
    Scalar,
    drafting,
    said,
    settings,
    short_names,
)
from specseal.bundle.sentences import sentences
from specseal.digests import canonical

GROUPINGS = {"load": LEVELS, "category": ("category",)}
"""What a row is, and the keys of `where` that say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One figure of the summary."""

    header: str
    metric: str
    scale: float = 1.0
    digits: int = 2
    interval: bool = False


COLUMNS = (
    Column(header="AL", metric="acceptance_length"),
    Column(header="accepted %", metric="acceptance_rate", scale=100, digits=1),
    Column(header="TTFT p50 ms", metric="ttft_p50", scale=1000, digits=1),
    Column(header="TPOT p50 ms", metric="tpot_p50", scale=1000),
    Column(header="user tok/s", metric="user_tps_mean", digits=1),
    Column(header="output tok/s", metric="output_tps", digits=1),
    Column(header="speedup user", metric="speedup_user_tps", interval=True),
    Column(header="speedup output", metric="speedup_output_tps", interval=True),
    Column(header="identical %", metric="identical_output_share", scale=100, digits=1),
)
"""AL is acceptance length, TTFT time to first token, TPOT time per output token. Speedups and
identical outputs are against the baseline, which has no speedup of its own."""

WIDE = (
    Column(header="AL drafted", metric="acceptance_length_drafted"),
    Column(header="AL harness", metric="acceptance_length_harness"),
    Column(header="AL stream", metric="acceptance_length_stream"),
    Column(header="TTFT p99 ms", metric="ttft_p99", scale=1000, digits=1),
    Column(header="TPOT p99 ms", metric="tpot_p99", scale=1000),
    Column(header="latency p50 s", metric="latency_p50"),
    Column(header="output tok/s/device", metric="output_tps_per_device", digits=1),
    Column(header="requests /s", metric="request_rate"),
    Column(header="goodput /s", metric="goodput"),
    Column(header="within limits %", metric="goodput_share", scale=100, digits=1),
    Column(header="accelerator J/tok", metric="accelerator_energy_per_output_token"),
    Column(header="package J/tok", metric="package_energy_per_output_token"),
    Column(header="draftable %", metric="drafter_vocabulary_coverage", scale=100, digits=1),
)
"""What `--wide` adds, of what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A table ready to be drawn."""

    setting: str
    """Runtime, isolation and whether programs were pinned, and what all rows share."""
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]
    """What the result says in words."""
    notes: tuple[str, ...]
    """Why figures are marked, missing, or without an interval."""


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
    paths = sorted({path for metric in result.metrics for path in settings(metric.where)})
    names = short_names(paths)
    keys = [*paths, "input", *GROUPINGS[by]]
    rows = _rows(result.metrics, GROUPINGS[by], keys, {column.metric for column in columns})
    shown, shared = _split(keys, rows, always=GROUPINGS[by])
    with_values = [column for column in columns if any(_has_value(row, column) for row in rows)]
    told = sentences(result)
    trust = {name: environment[name] for name in ("runtime", "isolation", "pinned")}
    header = [*(names.get(key, key) for key in shown), "drafting"]
    return Summary(
        setting=" · ".join(
            f"{names.get(key, key)}: {said(value)}" for key, value in (trust | shared).items()
        ),
        headers=(*header, *(column.header for column in with_values)),
        rows=tuple(
            (*_place(row, shown), drafting(row.where), *_cells(row, with_values)) for row in rows
        ),
        sentences=tuple(sentence.text for sentence in told),
        notes=notes(
            [doubt for row in rows for doubt in _doubts(row, columns, shown)],
            {one.header: sum(one.metric in row.figures for row in rows) for one in columns},
            also=[
                *(note.code for note in result.notes),
                *(code for sentence in told for code in sentence.reasons),
            ],
        ),
    )


def _rows(
    metrics: Iterable[Metric], group: Sequence[str], keys: Sequence[str], wanted: set[str]
) -> list[_Row]:
    """Return the rows in order: by what varies, from left to right, the baseline first."""
    others = {*LEVELS, "category", "tier", "turn"}.difference(group)
    rows: dict[bytes, _Row] = {}
    for metric in metrics:
        where = metric.where
        # What is over both inputs has no row, nor what is over all that a row is one of.
        is_of_a_row = "input" in where and sum(key in where for key in group) == 1
        if metric.name in wanted and is_of_a_row and others.isdisjoint(where):
            rows.setdefault(canonical(where), _Row(where=where)).figures[metric.name] = metric
    return sorted(rows.values(), key=lambda row: _order(row.where, keys))


def _order(where: Where, keys: Sequence[str]) -> tuple[object, ...]:
    method = where["speculation"]
    return (
        *(_natural(where.get(key)) for key in keys),
        (method != BASELINE, _natural(method), _natural(where.get("draft_length"))),
    )


def _natural(value: Scalar | None) -> tuple[int, Scalar]:
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)


def _split(
    keys: Sequence[str], rows: Sequence[_Row], *, always: Sequence[str]
) -> tuple[list[str], Where]:
    """Return the keys that make columns, and what all rows share of the others."""
    values = {key: {row.where.get(key) for row in rows} for key in keys}
    shown = [
        key
        for key in keys
        if len(values[key]) > 1 or (key in always and values[key] not in ({None}, set()))
    ]
    shared = {
        key: value
        for key in keys
        if key not in shown
        for value in values[key]
        if value is not None and (key, value) != ("input", USUAL_INPUT)
    }
    return shown, shared


def _place(row: _Row, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(said(row.where.get(key)) for key in keys)


def _has_value(row: _Row, column: Column) -> bool:
    return column.metric in row.figures and row.figures[column.metric].value is not None


def _cells(row: _Row, columns: Sequence[Column]) -> Iterator[str]:
    return (_cell(column, row.figures.get(column.metric)) for column in columns)


def _cell(column: Column, metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return ABSENT
    text = f"{metric.value * column.scale:.{column.digits}f}"
    if column.interval and metric.low is not None and metric.high is not None:
        text += f" [{metric.low:.{column.digits}f}, {metric.high:.{column.digits}f}]"
    return text if metric.valid else f"{text} !"


def _doubts(row: _Row, columns: Sequence[Column], keys: Sequence[str]) -> Iterator[Doubt]:
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
                    place=" ".join(_place(row, keys)),
                )
