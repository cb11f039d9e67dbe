"""A Result as a table for people: pure, a Result in, text out.

One row a load level (or a category) and method, one column a figure. A figure that is not valid is
marked with `!`, and below the table stands why, as it does for one that is not there or has no
interval.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from specseal.analysis import Metric, Result
from specseal.analysis.validity import REASONS
from specseal.bundle.findings import printable

FORMATS = ("simple", "github", "latex", "csv")
GROUPINGS = ("concurrency", "category")
_ABSENT = "–"
_BASELINE = "none"


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
    Column(header="AL drafted", metric="acceptance_length_drafted"),
    Column(header="AL harness", metric="acceptance_length_harness"),
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
identical outputs are against the baseline, which has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A table ready to be drawn."""

    setting: str
    """Runtime and isolation, in words."""
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    """Why figures are marked, missing, or without an interval."""


def summarise(result: Result, environment: Mapping[str, Any], *, by: str) -> Summary:
    """Choose the figures of a summary.

    Args:
        result: all metrics.
        environment: the bundle's; its runtime and isolation are shown with every table.
        by: `concurrency` or `category`: what a row is.
    """
    figures = {
        (metric.name, *_place(metric, by)): metric
        for metric in result.metrics
        if metric.where.keys() <= {"speculation", "draft_length", by}
    }
    groups = sorted({place[3] for place in figures if place[3] is not None}, key=_natural)
    methods = sorted({place[1:3] for place in figures if place[1] is not None}, key=_baseline_first)
    rows: list[tuple[str, ...]] = []
    notes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for method, draft_length in methods:
            drafting = printable(f"{method} {draft_length}" if draft_length else f"{method}")
            cells: list[str] = []
            for column in COLUMNS:
                metric = figures.get((column.metric, method, draft_length, group))
                cells.append(_cell(column, metric))
                for reason in _unsaid(column, metric):
                    notes[reason][column.header].append(printable(f"{drafting} at {group}"))
            rows.append((printable(f"{group}"), drafting, *cells))
    return Summary(
        setting=printable(
            f"runtime: {environment['runtime']} · isolation: {environment['isolation']}"
        ),
        headers=(by, "drafting", *(column.header for column in COLUMNS)),
        rows=tuple(rows),
        notes=tuple(_note(reason, places) for reason, places in notes.items()),
    )


def render(summary: Summary, form: str) -> str:
    """Draw a summary, without a final newline.

    Args:
        summary: what `summarise` gave.
        form: one of `FORMATS`. In LaTeX, setting and notes are comments; in CSV the setting is a
            column, and there are no notes.
    """
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*summary.headers, "setting"])
        writer.writerows([*row, summary.setting] for row in summary.rows)
        return text.getvalue().removesuffix("\n")
    table = tabulate(
        summary.rows,
        headers=summary.headers,
        tablefmt="latex_booktabs" if form == "latex" else form,
        disable_numparse=True,
    )
    mark = "% " if form == "latex" else ""
    around = [f"{mark}{line}" for line in (summary.setting, *summary.notes)]
    return "\n".join([table, *([] if form == "latex" else [""]), *around])


def _place(metric: Metric, by: str) -> tuple[str | int | None, str | int, str | int | None]:
    where = metric.where
    return where.get("speculation"), where.get("draft_length", 0), where.get(by)


def _baseline_first(method: tuple[str | int | None, str | int]) -> tuple[bool, str, int]:
    name, draft_length = method
    return name != _BASELINE, str(name), int(draft_length)


def _natural(group: str | int | None) -> tuple[bool, str | int | None]:
    return isinstance(group, str), group


def _cell(column: Column, metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return _ABSENT
    text = f"{metric.value * column.scale:.{column.digits}f}"
    if column.interval and metric.low is not None and metric.high is not None:
        text += f" [{metric.low:.{column.digits}f}, {metric.high:.{column.digits}f}]"
    return text if metric.valid else f"{text} !"


def _unsaid(column: Column, metric: Metric | None) -> Iterator[str]:
    """Yield the reasons behind a mark, a missing figure, or a missing interval."""
    if metric is None:
        return
    if metric.value is None or not metric.valid or (column.interval and metric.low is None):
        yield from metric.reasons


def _note(reason: str, places: Mapping[str, list[str]]) -> str:
    sentence = REASONS.get(reason, "A code that this version does not know.")
    where = "; ".join(f"{header}: {', '.join(rows)}" for header, rows in places.items())
    return f"{reason}: {sentence} ({where})"
