"""What the analysis reads: the jobs of one run, each with its phases, records and counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from specseal.records import Load, PhaseStatus, Record, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseData:
    """One measured phase of one job."""

    load: Load
    input: str
    """`dataset`, or `random` for random tokens of the same lengths."""
    setting: dict[str, str | int | float | bool] = field(default_factory=dict)
    """What a sweep varies, by path in the spec, but for draft length, load and input. Of a
    baseline, nothing of the drafter's."""
    max_tokens: int
    temperature: float
    ignore_eos: bool
    history_not_rewritten: bool
    """The chat template would rewrite earlier turns; the conversations went on without that."""
    bos_doubled: bool
    """A rendered prompt began with a BOS that the tokenizer would have added again."""
    status: PhaseStatus
    records: Sequence[Record]
    """A tuple as the client wrote them, or a `RecordTable`."""
    before: Snapshot | None
    after: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPhase:
    """A phase that was planned and not measured, because its job failed before its end."""

    load: Load
    input: str
    setting: dict[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobData:
    """One finished job, or one that failed."""

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
    every_step_drafts: bool = False
    """Whether each decode step verifies a draft, although the method need not find one (SGLang's
    n-grams are filled up)."""
    drafted_a_step: int | None = None
    """Tokens that a step drafts at most, where they are more than the draft length: a tree's."""
    drafter_remembers: bool = False
    """Whether the drafter drafts from what other requests generated (llama.cpp's `mod`, SGLang's
    n-grams)."""
    prefix_cache: bool | None
    """Whether prompts may come from a cache. None where nobody has seen to it: a running server."""
    devices: int
    """Devices the job held, for per-device figures."""
    accelerator: str
    """What the lock asks for: `cpu`, `any`, or a device as maker/model."""
    accelerators_found: tuple[str, ...] | None
    """The devices found when the job ran, spelled the same way; none for a CPU. None where nobody
    could look: a running server on another machine."""
    engine_version: str
    """What the lock asks for; empty where it does not say."""
    engine_version_found: str | None
    """What the engine said of itself, or None where it does not."""
    method_found: str | None
    """The drafter's method that the engine was seen to use, or None where nobody could see it."""
    draft_length_found: int | None
    """The draft length that the engine was seen to be set to, or None where nothing shows it."""
    telemetry: tuple[dict[str, Any], ...]
    """Samples in the order of time; `specseal.runtimes.telemetry` names their fields."""
    failure: str
    """Why the job failed, or empty."""
    phases: tuple[PhaseData, ...]
    """Of a failed job, those that had been measured to their end."""
    missing: tuple[MissingPhase, ...]
    """All the others that were planned, in their order. Of a finished job, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """Limits on latency that a request should keep to; None is no limit."""

    ttft_s: float | None = None
    tpot_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """All jobs of a run, in the order in which they ran."""

    jobs: tuple[JobData, ...]
    objectives: Objectives = Objectives()
    draftable: str | None = None
    """The target's token ids that the drafter can draft at all: a bitmap in hexadecimal digits,
    token id i is bit i % 8 (from the least) of byte i // 8. None: all of them."""
    seed: int
    """Seeds the bootstrap."""
