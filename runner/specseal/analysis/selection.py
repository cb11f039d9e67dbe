"""Which part of a run a metric is of: every combination of method, load level and category.

A `Selection` is all that an estimator sees. Left-out keys of `where` mean over all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specseal.analysis.clusters import Clusters, clusters_of
from specseal.analysis.columns import Requests, is_completed, requests_of
from specseal.analysis.counters import CounterChange, counter_change
from specseal.analysis.data import JobData, RunData
from specseal.analysis.validity import BASELINE, Needs, PhaseFacts, spoilt
from specseal.records import PhaseStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPhase:
    """One phase of one launch: its counters, and what is wrong with it."""

    repeat: int
    concurrency: int
    status: PhaseStatus
    output_tokens: int
    """Of all completed requests."""
    change: CounterChange
    spoilt: dict[str, Needs]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """One method's phases and requests at one load level and in one category, or at all."""

    where: dict[str, str | int]
    draft_length: int
    """0 for the baseline."""
    one_chunk_a_step: bool
    is_greedy: bool
    phases: tuple[MeasuredPhase, ...]
    baseline_phases: tuple[MeasuredPhase, ...]
    """The baseline at the same load levels; for the baseline itself, none."""
    requests: Requests
    clusters: Clusters

    @property
    def is_baseline(self) -> bool:
        """Whether this is decoding without speculation."""
        return self.where["speculation"] == BASELINE

    @property
    def is_whole_phase(self) -> bool:
        """Whether all categories are in, so that what is told only by phase applies."""
        return "category" not in self.where

    def launches(self) -> dict[int, tuple[MeasuredPhase, ...]]:
        """Return the phases of each launch, by repeat."""
        return by_launch(self.phases)

    def codes(self, needs: Needs) -> tuple[str, ...]:
        """Return the codes of what is wrong with what a metric needs, sorted."""
        if not self.is_whole_phase:
            needs &= ~Needs.COUNTERS  # counters know no categories: requests tell instead
        phases = self.phases
        if Needs.BASELINE in needs:
            phases += self.baseline_phases
        return tuple(
            sorted({code for phase in phases for code, s in phase.spoilt.items() if s & needs})
        )


def by_launch(phases: Iterable[MeasuredPhase]) -> dict[int, tuple[MeasuredPhase, ...]]:
    """Return the phases of each launch, by repeat, sorted."""
    launches: dict[int, tuple[MeasuredPhase, ...]] = {}
    for phase in sorted(phases, key=lambda phase: (phase.repeat, phase.concurrency)):
        launches[phase.repeat] = (*launches.get(phase.repeat, ()), phase)
    return launches


def selections(run: RunData) -> Iterator[Selection]:
    """Yield every selection of a run: baseline first; within each, all before each, sorted."""
    names = {(job.speculation, job.draft_length) for job in run.jobs}
    records = [record for job in run.jobs for phase in job.phases for record in phase.records]
    conversations = sorted({record.conversation for record in records})
    categories = sorted({record.category for record in records})
    for speculation, draft_length in sorted(names, key=lambda name: (name[0] != BASELINE, name)):
        is_baseline = speculation == BASELINE
        jobs = [
            job
            for job in run.jobs
            if (job.speculation, job.draft_length) == (speculation, draft_length)
        ]
        baseline = [] if is_baseline else [job for job in run.jobs if job.speculation == BASELINE]
        where: dict[str, str | int] = {"speculation": speculation}
        requests = requests_of(jobs, baseline, conversations=conversations, categories=categories)
        whole = Selection(
            where=where if is_baseline else {**where, "draft_length": draft_length},
            draft_length=draft_length,
            one_chunk_a_step=all(job.one_chunk_a_step for job in jobs),
            is_greedy=run.temperature == 0,
            phases=_measured(run, jobs),
            baseline_phases=_measured(run, baseline),
            requests=requests,
            clusters=clusters_of(requests),
        )
        for level in _levels(whole):
            yield level
            yield from _categories(level, categories)


def _measured(run: RunData, jobs: Sequence[JobData]) -> tuple[MeasuredPhase, ...]:
    phases = []
    for job in jobs:
        for phase in job.phases:
            change = counter_change(phase.before, phase.after)
            phases.append(
                MeasuredPhase(
                    repeat=job.repeat,
                    concurrency=phase.concurrency,
                    status=phase.status,
                    output_tokens=sum(
                        record.output_tokens for record in phase.records if is_completed(record)
                    ),
                    change=change,
                    spoilt=spoilt(PhaseFacts(run=run, job=job, phase=phase, change=change)),
                )
            )
    return tuple(phases)


def _levels(whole: Selection) -> Iterator[Selection]:
    yield whole
    for concurrency in sorted({phase.concurrency for phase in whole.phases}):
        requests = whole.requests.take(whole.requests.concurrency == concurrency)
        yield replace(
            whole,
            where={**whole.where, "concurrency": concurrency},
            phases=_at(whole.phases, concurrency),
            baseline_phases=_at(whole.baseline_phases, concurrency),
            requests=requests,
            clusters=clusters_of(requests),
        )


def _at(phases: tuple[MeasuredPhase, ...], concurrency: int) -> tuple[MeasuredPhase, ...]:
    return tuple(phase for phase in phases if phase.concurrency == concurrency)


def _categories(level: Selection, categories: Sequence[str]) -> Iterator[Selection]:
    for rank in np.unique(level.requests.category).tolist():
        requests = level.requests.take(level.requests.category == rank)
        yield replace(
            level,
            where={**level.where, "category": categories[rank]},
            requests=requests,
            clusters=clusters_of(requests),
        )
