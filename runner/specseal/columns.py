"""Which metrics tables have, under which headers, and which figures of a result are their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specseal.analysis.result import Where
from specseal.words import BASELINE, LEVELS, USUAL_INPUT, Scalar, said

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


def is_of_a_row(where: Where, group: Sequence[str]) -> bool:
    """Say whether a figure is one of a table whose rows are of `group`.

    What is over both inputs has no row, nor what is over all that a row is one of.
    """
    others = {*LEVELS, "category", "tier", "turn"}.difference(group)
    return "input" in where and sum(key in where for key in group) == 1 and others.isdisjoint(where)


def order(where: Where, keys: Sequence[str]) -> tuple[object, ...]:
    """Return what sorts rows: by what varies, from left to right, the baseline first."""
    method = where["speculation"]
    return (
        *(_natural(where.get(key)) for key in keys),
        (method != BASELINE, _natural(method), _natural(where.get("draft_length"))),
    )


def split(
    keys: Sequence[str], rows: Sequence[Where], *, always: Sequence[str]
) -> tuple[list[str], Where]:
    """Return the keys that make columns, and what all rows share of the others."""
    values = {key: {where.get(key) for where in rows} for key in keys}
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


def place(where: Where, keys: Sequence[str]) -> tuple[str, ...]:
    """Return a row's cells of the keys that make columns."""
    return tuple(said(where.get(key)) for key in keys)


def _natural(value: Scalar | None) -> tuple[int, Scalar]:
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)
