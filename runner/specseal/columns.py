"""Which metrics tables have, under which headers, and which figures of a result are their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specseal.analysis.result import Metric, Where
from specseal.drawing import Cell, Number
from specseal.words import (
    ABSENT,
    BASELINE,
    LEVELS,
    USUAL_INPUT,
    Scalar,
    said,
    settings,
    short_names,
)

GROUPINGS = {"load": LEVELS, "category": ("category",)}
"""What a row is, and the keys of `where` that say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One figure of a table."""

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

_OF_TRUST = ("runtime", "isolation", "pinned")


def trust(environment: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return how far to trust a run: what every table shows."""
    told = {key: environment[key] for key in _OF_TRUST if key in environment}
    return told | ({"hardware": "any"} if environment.get("hardware") == "any" else {})


def cell(column: Column, metric: Metric | None, *, with_interval: bool = False) -> Cell:
    """Return a figure in its column's unit; a dash where there is none."""
    if metric is None or metric.value is None:
        return ABSENT
    low, high = (None if end is None else end * column.scale for end in (metric.low, metric.high))
    return Number(
        value=metric.value * column.scale,
        digits=column.digits,
        low=low,
        high=high,
        with_interval=with_interval,
        valid=metric.valid,
    )


def is_of_a_row(where: Where, group: Sequence[str]) -> bool:
    """Say whether a figure is one of a table whose rows are of `group`.

    What is over both inputs has no row, nor what is over all that a row is one of.
    """
    others = {*LEVELS, "category", "tier", "turn"}.difference(group)
    return "input" in where and sum(key in where for key in group) == 1 and others.isdisjoint(where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What tells a table's rows apart, and what all of them share."""

    keys: tuple[str, ...]
    """Of `where`: what rows are sorted by, beside how drafts were made."""
    shown: tuple[str, ...]
    """The keys that make columns."""
    headers: tuple[str, ...]
    """Of these columns."""
    shared: tuple[str, ...]
    """What all rows have in common of the other keys, each as `key: value`."""

    def cells(self, where: Where) -> tuple[str, ...]:
        """Return a row's cells of the keys that make columns."""
        return tuple(said(where.get(key)) for key in self.shown)

    def order(self, where: Where) -> tuple[object, ...]:
        """Return what sorts rows: by what varies, from left to right, the baseline first."""
        method = where["speculation"]
        return (
            *(_natural(where.get(key)) for key in self.keys),
            (method != BASELINE, _natural(method), _natural(where.get("draft_length"))),
        )


def lay_out(
    rows: Sequence[Where], by: Sequence[str], *, also: Sequence[str] = ("input",)
) -> Layout:
    """Return the layout of a table with these rows.

    Args:
        rows: where each is.
        by: keys that say what a row is: they make columns though there be but one value.
        also: keys that make columns if they vary, as what a sweep sets does.
    """
    names = short_names(sorted({path for where in rows for path in settings(where)}))
    keys = (*names, *also, *by)
    values = {key: {where.get(key) for where in rows} for key in keys}
    shown = tuple(
        key
        for key in keys
        if len(values[key]) > 1 or (key in by and values[key] not in ({None}, set()))
    )
    return Layout(
        keys=keys,
        shown=shown,
        headers=tuple(names.get(key, key) for key in shown),
        shared=tuple(
            f"{names.get(key, key)}: {said(value)}"
            for key in keys
            if key not in shown
            for value in values[key]
            if value is not None and (key, value) != ("input", USUAL_INPUT)
        ),
    )


def _natural(value: Scalar | None) -> tuple[int, Scalar]:
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)
