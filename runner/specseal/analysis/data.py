"""What the analysis reads: the jobs of one run, each with its phases, records and counters."""

from __future__ import annotations

from dataclasses import dataclass

from specseal.records import PhaseStatus, Record, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseData:
    """One measured phase of one job."""

    concurrency: int
    status: PhaseStatus
    records: tuple[Record, ...]
    before: Snapshot | None
    after: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobData:
    """One finished job."""

    key: str
    speculation: str
    """The drafter's method, or `none` for the baseline."""
    draft_length: int
    """0 for the baseline."""
    repeat: int
    """0-based."""
    session: str
    """Jobs of one uninterrupted run of specseal share a session."""
    cut_at_limit: bool
    """Whether the engine may accept draft tokens past max_tokens (vLLM may, llama.cpp does not)."""
    one_chunk_a_step: bool
    """Whether a streamed chunk is one verify step (llama.cpp: no, one token a chunk)."""
    phases: tuple[PhaseData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """All finished jobs of a run, in the order in which they ran."""

    jobs: tuple[JobData, ...]
    max_tokens: int
    temperature: float
    devices: int
    """Devices the job held, for per-device figures."""
    seed: int
    """Seeds the bootstrap."""
