"""The analysis: every metric of every selection of a run.

Adding a metric is adding a row to one of the tables below; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specseal.analysis import (
    acceptance,
    counts,
    coverage,
    drafts,
    energy,
    latency,
    resources,
    speedup,
    throughput,
)
from specseal.analysis.choices import choices
from specseal.analysis.crossovers import crossovers
from specseal.analysis.data import RunData
from specseal.analysis.definition import Definition, estimates
from specseal.analysis.failures import failures_of
from specseal.analysis.intervals import intervals
from specseal.analysis.overestimate import ACROSS_INPUTS
from specseal.analysis.result import Metric, Result
from specseal.analysis.selection import Selection, across_inputs, selections, whole_selections
from specseal.analysis.unseen import notes_of
from specseal.digests import canonical, sha256_bytes

ANALYSIS_VERSION = 2
"""Goes up whenever the same records would give another Result; `versions` keeps those before."""


def definitions(draft_length: int) -> tuple[Definition, ...]:
    """Return the table of all metrics of one input, with draft positions up to `draft_length`."""
    positions = (
        row
        for position in range(1, draft_length + 1)
        for row in drafts.position_definitions(position)
    )
    return (
        *acceptance.DEFINITIONS,
        *drafts.DEFINITIONS,
        *positions,
        *speedup.DEFINITIONS,
        *latency.DEFINITIONS,
        *throughput.DEFINITIONS,
        *coverage.DEFINITIONS,
        *energy.DEFINITIONS,
        *resources.DEFINITIONS,
        *counts.DEFINITIONS,
    )


def analyse(run: RunData) -> Result:
    """Compute the Result of a run; the same records give the same Result, in whatever order.

    Metrics come in the order of the table, and within one name baseline first, then by `where`.
    A metric is valid if it has a value and nothing that it needs is wrong.
    """
    whole = whole_selections(run)
    by_name: dict[str, list[Metric]] = {
        name: [] for row in (*table_of_run(run), *ACROSS_INPUTS) for name in row.names
    }
    for selection, rows in selected(run, whole):
        for metric in _measure(selection, rows, seed=run.seed):
            by_name[metric.name].append(metric)
    chosen_lengths = choices(whole, seed=run.seed)
    return Result(
        analysis_version=ANALYSIS_VERSION,
        metrics=tuple(metric for metrics in by_name.values() for metric in metrics),
        choices=chosen_lengths,
        crossovers=crossovers(chosen_lengths),
        failures=failures_of(run),
        notes=notes_of(run),
    )


def table_of_run(run: RunData) -> tuple[Definition, ...]:
    """Return the table of all metrics of one input, with the draft positions that a run has."""
    return definitions(max((job.draft_length for job in run.jobs), default=0))


def selected(
    run: RunData, whole: Sequence[Selection]
) -> Iterator[tuple[Selection, tuple[Definition, ...]]]:
    """Yield every selection of a run with the rows that are of it."""
    table = table_of_run(run)
    yield from ((selection, table) for selection in selections(whole))
    yield from ((selection, ACROSS_INPUTS) for selection in across_inputs(whole))


def _measure(selection: Selection, rows: Sequence[Definition], *, seed: int) -> list[Metric]:
    estimated = estimates(selection, rows)
    found = intervals(
        [one.estimate for one in estimated],
        selection.clusters,
        seed=_bootstrap_seed(seed, selection),
    )
    metrics = []
    for one, interval in zip(estimated, found, strict=True):
        metrics.append(
            Metric(
                name=one.name,
                value=one.estimate.value,
                unit=one.row.unit,
                low=interval.low,
                high=interval.high,
                n=one.estimate.n,
                valid=not one.doubts,
                reasons=tuple(dict.fromkeys((*one.doubts, *interval.reasons))),
                where=dict(selection.where),
            )
        )
    return metrics


def _bootstrap_seed(seed: int, selection: Selection) -> int:
    """Return the seed of one selection, so that no other one changes what it draws.

    All its metrics share the draws: one by one they are as random, and together they cost one.
    """
    return int(sha256_bytes(b"%d\n" % seed + canonical(selection.where)), 16)
