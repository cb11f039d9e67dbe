"""The seam between specseal and an engine: what an adapter says of its engine, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from specseal.hardware import family_of
from specseal.records import JobStatus, Snapshot

ANY_FAMILY = "any"
"""In a row of the table: every accelerator family."""

GGUF, FOLDER = "gguf", "folder"
"""What an engine loads: one GGUF file, or a folder in Hugging Face's layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One row of the table: this engine honours this method on this accelerator family."""

    engine: str
    family: str
    """Accelerator family: cpu, cuda, rocm; any."""
    method: str
    versions: tuple[str, ...]
    """Versions for which the row holds, newest first; none of a server that we do not start."""
    flags: str
    """What the launch line says for it."""
    args: tuple[str, ...] = ()
    """Keys of `drafter.args` that it honours."""
    source: str
    """Where flags and behaviour were read, and when."""
    evidence: str
    """`run here`, `the engine's own parser`, `documentation`, or, of a server that we do not start,
    `the server's operator`."""


def accelerator_family(accelerator: str) -> str:
    """Return the family of an accelerator's name: `cpu`, `cuda` for nvidia/…, `rocm` for amd/….

    `any`, for a machine that nothing is known of, is a family of its own.
    """
    return family_of(accelerator)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What a job asks of an engine."""

    method: str
    draft_length: int
    drafter_args: Mapping[str, Any]
    has_drafter_model: bool = False
    """Whether the drafter brings files of its own, at `{drafter}`."""
    max_sequences: int
    """Sequences that the engine is to decode at once."""
    engine: Mapping[str, Any]
    """The lock's section `engine`: name, version, family, context length, what else is asked."""
    devices: int = 1
    url: str | None = None
    """Where a running server is, for an engine that is not started."""
    temperature: float | None = None
    """The highest that requests ask for; None where that is not known."""

    @property
    def context_length(self) -> int:
        """Tokens that a sequence may have."""
        length: int = self.engine["context_length"]
        return length

    @property
    def family(self) -> str:
        """The accelerator family."""
        family: str = self.engine["family"]
        return family

    @property
    def version(self) -> str:
        """The engine's version."""
        version: str = self.engine["version"]
        return version

    def asked(self, path: str) -> Any:
        """Return an optional setting of the engine, by its path in the spec; None: not asked."""
        value: Any = self.engine
        for key in path.split("."):
            value = (value or {}).get(key)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start an engine and how the client talks to it."""

    args: tuple[str, ...]
    """Arguments, with `PLACEHOLDERS` for what only the runtime knows."""
    entrypoint: tuple[str, ...] = ()
    """How an official image is started; those that are built here start their program by
    themselves. Empty: the official image's own entry point."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its values may hold placeholders, too."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Name → text of files that the engine reads, in the folder `{config}`."""
    dialect: str
    """Row of the client's table of API dialects."""
    counts: Mapping[str, Any]
    """Row of the client's table of count sources, with the engine's names for the counters."""
    health_path: str
    deadline_s: int = 600
    """How long it may take to load."""
    readback: Mapping[str, str]
    """Name → path whose JSON goes under that name into the job's status: what the engine says of
    itself before any request."""
    readback_after: Mapping[str, str] = field(default_factory=dict)
    """The same for after all phases, under `after`: what it only says once it had a request."""
    shm_bytes: int
    locks_memory: bool
    """Whether the engine pins host memory, and needs that limit lifted."""
    one_chunk_a_step: bool
    """Whether a streamed chunk is one verify step."""
    cut_at_limit: bool
    """Whether draft tokens may be accepted past max_tokens."""
    every_step_drafts: bool = False
    """Whether the steps that it tells are all there are, although the method need not find a draft:
    it fills up what it does not find, or tells steps without one, too."""
    drafter_remembers: bool = False
    """Whether the drafter drafts from what other requests generated."""
    drafted_a_step: int | None = None
    """Tokens that a step drafts at most, where they are more than the draft length: a tree's."""
    url: str | None = None
    """A running server that is measured as it is: nothing is started."""
    model: str = ""
    """What requests call the model, where the dialect has them name it."""


PLACEHOLDERS = ("model", "drafter", "config", "port", "threads")
"""`{model}` and `{drafter}`: what to load; `{config}`: the folder of `Launch.config`."""


def filled(args: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """Return arguments with placeholders filled in; other braces, as JSON has them, stay."""
    done = []
    for arg in args:
        for name in PLACEHOLDERS:
            arg = arg.replace(f"{{{name}}}", values.get(name, f"{{{name}}}"))
        done.append(arg)
    return done


class Engine(Protocol):
    """An adapter."""

    name: str
    loads: str
    """`GGUF` or `FOLDER`."""
    honours: frozenset[str]
    """Optional keys of the spec's `engine` that it honours, by their path: `parallel.tensor`."""

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows of the capability table for this engine."""
        ...

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return the reference of the vendor's own image, or None where there is none to use."""
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
