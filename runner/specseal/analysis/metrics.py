"""The analysis: every metric of every selection of a run.

Adding a metric is adding a row to one of the tables below; nothing else names it.
"""

from __future__ import annotations

from specseal.analysis import acceptance, counts, latency, speedup
from specseal.analysis.data import RunData
from specseal.analysis.definition import Definition
from specseal.analysis.intervals import intervals
from specseal.analysis.result import Metric, Result
from specseal.analysis.selection import Selection, selections
from specseal.digests import canonical, sha256_bytes

ANALYSIS_VERSION = 1
"""Goes up whenever the same records would give another Result."""


def definitions(draft_length: int) -> tuple[Definition, ...]:
    """Return the table of all metrics, with rows for draft positions up to `draft_length`."""
    positions = (
        row
        for position in range(1, draft_length + 1)
        for row in acceptance.position_definitions(position)
    )
    return (
        *acceptance.DEFINITIONS,
        *positions,
        *speedup.DEFINITIONS,
        *latency.DEFINITIONS,
        *counts.DEFINITIONS,
    )


def analyse(run: RunData) -> Result:
    """Compute the Result of a run; the same records give the same Result, in whatever order.

    Metrics come in the order of the table, and within one name baseline first, then by `where`.
    A metric is valid if it has a value and nothing that it needs is wrong.
    """
    table = definitions(max((job.draft_length for job in run.jobs), default=0))
    by_name: dict[str, list[Metric]] = {name: [] for row in table for name in row.names}
    for selection in selections(run):
        rows = [row for row in table if row.least_draft_length <= selection.draft_length]
        for metric in _measure(selection, rows, seed=run.seed):
            by_name[metric.name].append(metric)
    return Result(
        analysis_version=ANALYSIS_VERSION,
        metrics=tuple(metric for metrics in by_name.values() for metric in metrics),
    )


def _measure(selection: Selection, rows: list[Definition], *, seed: int) -> list[Metric]:
    named = [
        (name, row, estimate)
        for row in rows
        for name, estimate in zip(row.names, row.estimate(selection), strict=True)
    ]
    found = intervals(
        [estimate for _, _, estimate in named],
        selection.clusters,
        seed=_bootstrap_seed(seed, selection),
    )
    metrics = []
    for (name, row, estimate), interval in zip(named, found, strict=True):
        doubts = tuple(dict.fromkeys((*estimate.reasons, *selection.codes(row.needs))))
        metrics.append(
            Metric(
                name=name,
                value=estimate.value,
                unit=row.unit,
                low=interval.low,
                high=interval.high,
                n=estimate.n,
                valid=not doubts,
                reasons=tuple(dict.fromkeys((*doubts, *interval.reasons))),
                where=dict(selection.where),
            )
        )
    return metrics


def _bootstrap_seed(seed: int, selection: Selection) -> int:
    """Return the seed of one selection, so that no other one changes what it draws.

    All its metrics share the draws: one by one they are as random, and together they cost one.
    """
    return int(sha256_bytes(b"%d\n" % seed + canonical(selection.where)), 16)
