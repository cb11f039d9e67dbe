"""The seam between specseal and an engine: what an adapter says of its engine, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from specseal.records import JobStatus, Snapshot

ANY_FAMILY = "any"
"""In a row of the table: every accelerator family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One row of the table: this engine honours this method on this accelerator family."""

    engine: str
    family: str
    """Accelerator family: cpu, cuda, rocm; any."""
    method: str
    versions: tuple[str, ...]
    """Versions whose wheels are pinned under `images/`, newest first."""
    evidence: str
    """`run here`, `the engine's own parser`, `documentation`, or, of a server that we do not start,
    `the server's operator`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The table of all engines, as questions that a spec's checks ask of it."""

    rows: tuple[Capability, ...]

    def methods(self, engine: str, accelerator: str) -> frozenset[str]:
        """Return the methods that an engine honours on an accelerator."""
        return frozenset(row.method for row in self._of(engine, accelerator))

    def versions(self, engine: str, accelerator: str) -> tuple[str, ...]:
        """Return the versions that can be built for an accelerator, newest first."""
        return tuple(
            dict.fromkeys(v for row in self._of(engine, accelerator) for v in row.versions)
        )

    def _of(self, engine: str, accelerator: str) -> tuple[Capability, ...]:
        family = accelerator_family(accelerator)
        families = (family, ANY_FAMILY)
        return tuple(row for row in self.rows if row.engine == engine and row.family in families)


def accelerator_family(accelerator: str) -> str:
    """Return the family of an accelerator's name: `cpu`, `cuda` for nvidia/…, `rocm` for amd/….

    `any`, for a machine that nothing is known of, is a family of its own.
    """
    vendor = accelerator.partition("/")[0]
    return {"nvidia": "cuda", "amd": "rocm"}.get(vendor, vendor)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What a job asks of an engine."""

    method: str
    draft_length: int
    drafter_args: Mapping[str, Any]
    max_sequences: int
    """Sequences that the engine is to decode at once."""
    engine: Mapping[str, Any]
    """The lock's section `engine`: context length, prefix cache, what else the adapter needs."""
    url: str | None = None
    """Where a running server is, for an engine that is not started."""

    @property
    def context_length(self) -> int:
        """Tokens that a sequence may have."""
        length: int = self.engine["context_length"]
        return length


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start an engine and how the client talks to it."""

    args: tuple[str, ...]
    """Arguments, with `{model}`, `{port}` and `{threads}` for what only the runtime knows."""
    environment: Mapping[str, str] = field(default_factory=dict)
    dialect: str
    """Row of the client's table of API dialects."""
    counts: Mapping[str, Any]
    """Row of the client's table of count sources, with the engine's names for the counters."""
    health_path: str
    readback: Mapping[str, str]
    """Name → path whose JSON goes under that name into the job's status: what the engine says of
    itself before any request."""
    shm_bytes: int
    locks_memory: bool
    """Whether the engine pins host memory, and needs that limit lifted."""
    one_chunk_a_step: bool
    """Whether a streamed chunk is one verify step."""
    cut_at_limit: bool
    """Whether draft tokens may be accepted past max_tokens."""
    url: str | None = None
    """A running server that is measured as it is: nothing is started."""
    model: str = ""
    """What requests call the model, where the dialect has them name it."""


class Engine(Protocol):
    """An adapter."""

    name: str

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows of the capability table for this engine."""
        ...

    def launch(self, request: LaunchRequest) -> Launch:
        """Return the launch for a job. Raises: InputError where it can't be honoured."""
        ...

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the version that the engine says it is, or None where it does not say.

        Args:
            engine: what was read back (`JobStatus.engine`).
            log: what it printed; empty where it was started by others.
        """
        ...

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the drafter's method that the engine was seen to use, or `none`.

        None where nothing shows it: the method is then only stated.

        Args:
            engine: what was read back (`JobStatus.engine`).
            log: what it printed; empty where it was started by others.
        """
        ...

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return the draft length that the engine was seen to be set to, or None.

        Args:
            request: what was asked.
            engine: what was read back (`JobStatus.engine`).
            snapshots: its counters.
        """
        ...

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Return what speaks against the engine having done as asked; empty when nothing does.

        Args:
            request: what was asked.
            status: what the engine said of itself over HTTP (`status.engine`).
            snapshots: its counters.
            log: what it printed; empty where it was started by others.
        """
        ...
