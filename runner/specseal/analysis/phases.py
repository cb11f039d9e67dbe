"""The measured phases of a run, each with its requests as columns and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specseal.analysis.columns import BoolArray, Ranks, Requests, requests_of
from specseal.analysis.counters import CounterChange, counter_change
from specseal.analysis.data import JobData, PhaseData, RunData
from specseal.analysis.steps import always_drafts, step_totals, steps_of, stream_agreement
from specseal.analysis.validity import BASELINE, Needs, PhaseFacts, spoilt
from specseal.record_table import RecordTable, table_of
from specseal.records import Load

Setting = dict[str, str | int | float | bool]

LOAD_SETTINGS = ("mode", "arrival", "duration_s")
"""What a sweep may vary in a load beside its level."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredPhase:
    """One phase of one launch."""

    job: JobData
    data: PhaseData
    level: int
    """Rank of the load among all loads of the run."""
    setting: Setting
    """What a sweep varies, by path: the phase's own setting, and how its load is offered."""
    records: RecordTable
    """In the order of conversation, cycle and turn."""
    requests: Requests
    """Of `records`, in their order; they have no partners yet."""
    change: CounterChange
    stream_agreement: float | None
    """Verify steps that the stream shows ÷ those that the counts allow; None where unknown."""
    steps_are_told: bool
    """Whether the stream was held against counts that leave at most 1% of the steps open."""
    spoilt: dict[str, Needs]

    @property
    def repeat(self) -> int:
        """0-based number of the launch."""
        return self.job.repeat

    @property
    def is_baseline(self) -> bool:
        """Whether this is decoding without speculation."""
        return self.job.speculation == BASELINE

    @property
    def elapsed_ns(self) -> int:
        """From the first submit to the last end."""
        return self.data.status.end_ns - self.data.status.start_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All measured phases of a run."""

    phases: tuple[MeasuredPhase, ...]
    """Sorted by repeat, load and the job's key."""
    categories: tuple[str, ...]
    """Names of all categories, sorted; columns hold their places."""
    conversations: tuple[str, ...]
    """Names of all conversations, likewise."""


def measured_phases(run: RunData) -> Measured:
    """Lay out the phases of all jobs."""
    phases = [phase for job in run.jobs for phase in job.phases]
    loads = sorted({phase.load for phase in phases}, key=load_order)
    level = {load: rank for rank, load in enumerate(loads)}
    varying = [name for name in LOAD_SETTINGS if len({getattr(load, name) for load in loads}) > 1]
    tables = [table_of(phase.records) for phase in phases]
    ranks = Ranks(
        conversations=_ranks("conversation", tables), categories=_ranks("category", tables)
    )
    draftable = _bitmap(run.draftable)
    jobs = [job for job in run.jobs for _ in job.phases]
    measured = [
        _measured(run, job, phase, records, level[phase.load], varying, ranks, draftable)
        for job, phase, records in zip(jobs, phases, tables, strict=True)
    ]
    return Measured(
        phases=tuple(
            sorted(measured, key=lambda phase: (phase.repeat, phase.level, phase.job.key))
        ),
        categories=tuple(ranks.categories),
        conversations=tuple(ranks.conversations),
    )


def load_order(load: Load) -> tuple[str, int, float, str, float]:
    """Return the key that puts loads in order: by how they are offered, then by level."""
    return (
        load.mode,
        load.concurrency or 0,
        load.rate or 0.0,
        load.arrival or "",
        load.duration_s or 0.0,
    )


def _measured(
    run: RunData,
    job: JobData,
    phase: PhaseData,
    table: RecordTable,
    level: int,
    varying: list[str],
    ranks: Ranks,
    draftable: BoolArray | None,
) -> MeasuredPhase:
    records = table.in_order_of_turns()
    requests = requests_of(
        records,
        repeat=job.repeat,
        level=level,
        cut_at_limit=job.cut_at_limit,
        ranks=ranks,
        draftable=draftable,
    )
    change = counter_change(phase.before, phase.after)
    agreement, totals = None, None
    if job.one_chunk_a_step and job.draft_length:
        steps = steps_of(requests, job.draft_length, always_drafts=always_drafts(job))
        totals = step_totals(steps, accepted=change.accepted_tokens)
        agreement = stream_agreement(requests, totals)
    offered = {f"workload.load.{name}": getattr(phase.load, name) for name in varying}
    return MeasuredPhase(
        job=job,
        data=phase,
        level=level,
        setting={**phase.setting, **{k: v for k, v in offered.items() if v is not None}},
        records=records,
        requests=requests,
        change=change,
        stream_agreement=agreement,
        steps_are_told=totals is not None and totals.are_close,
        spoilt=spoilt(
            PhaseFacts(
                run=run,
                job=job,
                phase=phase,
                records=records,
                change=change,
                requests=requests,
                stream_agreement=agreement,
            )
        ),
    )


def _ranks(column: str, tables: list[RecordTable]) -> dict[str, int]:
    names = {str(name) for table in tables for name in table.texts[column].used()}
    return {name: rank for rank, name in enumerate(sorted(names))}


def _bitmap(hexadecimal: str | None) -> BoolArray | None:
    if hexadecimal is None:
        return None
    bits = np.frombuffer(bytes.fromhex(hexadecimal), dtype=np.uint8)
    return np.unpackbits(bits, bitorder="little").astype(np.bool_)
