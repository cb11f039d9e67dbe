"""The analysis: every metric of every selection of a run.

Adding a metric is adding a row to one of the tables below; nothing else names it.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from specseal.analysis.definition import Definition
from specseal.analysis.failures import failures_of
from specseal.analysis.intervals import intervals
from specseal.analysis.overestimate import ACROSS_INPUTS
from specseal.analysis.result import Metric, Result
from specseal.analysis.selection import Selection, across_inputs, selections, whole_selections
from specseal.analysis.unseen import notes_of
from specseal.digests import canonical, sha256_bytes

ANALYSIS_VERSION = 2
"""Goes up whenever the same records would give another Result."""


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
    table = definitions(max((job.draft_length for job in run.jobs), default=0))
    whole = whole_selections(run)
    by_name: dict[str, list[Metric]] = {
        name: [] for row in (*table, *ACROSS_INPUTS) for name in row.names
    }
    for rows, chosen in ((table, selections(whole)), (ACROSS_INPUTS, across_inputs(whole))):
        for selection in chosen:
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


def _measure(selection: Selection, rows: Sequence[Definition], *, seed: int) -> list[Metric]:
    named = [
        (name, row, estimate)
        for row in rows
        if row.applies(selection)
        for name, estimate in zip(row.names, row.estimate(selection), strict=True)
    ]
    found = intervals(
        [estimate for _, _, estimate in named],
        selection.clusters,
        seed=_bootstrap_seed(seed, selection),
    )
    metrics = []
    for (name, row, estimate), interval in zip(named, found, strict=True):
        doubts = tuple(
            dict.fromkeys((*estimate.reasons, *selection.codes(row.needs & ~estimate.spares)))
        )
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
