"""Jobs that failed: why, and what of their plan was not measured."""

from __future__ import annotations

from collections.abc import Sequence

from specseal.analysis.data import JobData, MissingPhase, RunData
from specseal.analysis.result import Failure, Where
from specseal.analysis.selection import load_where
from specseal.analysis.unseen import drafting_of


def failures_of(run: RunData) -> tuple[Failure, ...]:
    """Return what failed, by the job's key: the order of jobs never changes a Result."""
    failed = sorted((job for job in run.jobs if job.failure), key=lambda job: job.key)
    return tuple(map(_failure, failed))


def _failure(job: JobData) -> Failure:
    missing = tuple(map(_place, job.missing))
    return Failure(
        where={
            **drafting_of(job.speculation, job.draft_length),
            **_shared(missing),
            "repeat": job.repeat,
            "job": job.key,
        },
        missing=missing,
        reason=job.failure,
    )


def _place(phase: MissingPhase) -> Where:
    return {"input": phase.input, **dict(sorted(phase.setting.items())), **load_where(phase.load)}


def _shared(places: Sequence[Where]) -> Where:
    """Return what all places have in common: what is left out differs, or is of none."""
    first = places[0] if places else {}
    return {
        key: value
        for key, value in first.items()
        if all(key in place and place[key] == value for place in places)
    }
