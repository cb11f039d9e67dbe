"""Notes: what is stated of a run and nobody has seen. They spoil no figure, but must be known.

Each looks at one job that measured something. A note is told once a method and draft length, not
once a launch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from specseal.analysis.counters import counter_change, total
from specseal.analysis.data import JobData, RunData
from specseal.analysis.facts import BASELINE
from specseal.analysis.result import Note, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One thing that nobody may have seen."""

    code: str
    sentence: str
    holds: Callable[[JobData], bool]


def _method_not_seen(job: JobData) -> bool:
    """That nothing is drafted is seen in the counters too."""
    if job.method_found is not None:
        return False
    changes = (counter_change(phase.before, phase.after) for phase in job.phases)
    return job.speculation != BASELINE or total(change.drafts for change in changes) is None


def _version_not_seen(job: JobData) -> bool:
    return job.engine_version_found is None


UNSEEN = (
    Unseen(
        code="method_not_seen",
        sentence="By which method the engine drafts, if at all, is only stated: it does not say.",
        holds=_method_not_seen,
    ),
    Unseen(
        code="version_not_seen",
        sentence="Which version the engine is, nobody has seen: it does not say.",
        holds=_version_not_seen,
    ),
)


def notes_of(run: RunData) -> tuple[Note, ...]:
    """Return each note once a method and draft length, by these."""
    measured = [job for job in run.jobs if job.phases]
    found = {
        (job.speculation, job.draft_length, row.code)
        for job in measured
        for row in UNSEEN
        if row.holds(job)
    }
    return tuple(
        Note(where=drafting_of(method, length), code=code) for method, length, code in sorted(found)
    )


def drafting_of(method: str, draft_length: int) -> Where:
    """Return the part of `where` that says how drafts are made."""
    where: Where = {"speculation": method}
    return {**where, "draft_length": draft_length} if draft_length else where
