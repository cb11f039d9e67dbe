"""What a job asks for: `in/` read once, strictly, into values.

`job.json` says what to do; the files of prompts that its phases name (task `measure`) or
`conversations.jsonl` (task `encode`) say with what. Fields of the other task may be present and are
not looked at; a field of neither is refused, because a misspelt one would be ignored in silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specseal.client.errors import InputRefused
from specseal.client.fields import Fields, strict_json
from specseal.client.phases import Phase, Sampling, read_phases
from specseal.client.prompts import (
    Conversation,
    Dialogue,
    TokenIds,
    read_conversations,
    read_dialogues,
)
from specseal.records import SCHEMA

__all__ = [
    "COUNTERS",
    "Conversation",
    "CountSource",
    "Dialogue",
    "Encode",
    "Job",
    "Measure",
    "Phase",
    "Sampling",
    "TokenIds",
    "read_job",
]

COUNTERS = (
    "drafts", "draft_tokens", "accepted_tokens", "output_tokens", "prompt_tokens", "cached_tokens",
)  # fmt: skip
_TASK_FIELDS = ("counts", "stop_ids", "phases", "template_args")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSource:
    """Where the engine's counters are read: a row of `counts.COUNT_SOURCES` and its arguments."""

    source: str
    path: str = ""
    names: dict[str, str | list[str]]
    """Our name (one of `COUNTERS`) → the engine's, or those that are added up."""
    per_position: tuple[str, str] | None = None
    """Metric and label of the accepted tokens at each draft position."""
    number: str = ""
    """Key of an item's running number; `iteration-list` only."""
    in_flight: tuple[str, ...] = ()
    """Gauges whose sum is 0 when the engine is idle."""
    zero_until_seen: tuple[str, ...] = ()
    """Our names of counters that the engine shows from the first time on that they rise: 0 where
    the page shows others of its counters."""
    candidates: dict[str, CountSource] = field(default_factory=dict)
    """By name, what the page at `path` may turn out to be; `detect` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Task `measure`: phases of requests against the server."""

    counts: CountSource
    stop_ids: frozenset[int]
    phases: tuple[Phase, ...]
    prompts: Mapping[str, Mapping[str, Conversation | Dialogue]]
    """File of prompts, as phases name it → id → conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encode:
    """Task `encode`: dialogues rendered and encoded by the server's own template and tokenizer."""

    dialogues: tuple[Dialogue, ...]
    template_args: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A whole job."""

    health_path: str
    deadline_s: float
    """How long the server may take to get healthy."""
    dialect: str
    model: str
    """What the server calls its model; empty where its dialect has no such thing."""
    readback: dict[str, str]
    """Name → path whose JSON goes under that name into `status.engine`."""
    readback_after: dict[str, str]
    """The same into `status.engine["after"]`, when all phases are done."""
    silence_timeout_s: float
    task: Measure | Encode


def read_job(folder: Path) -> Job:
    """Read a job's input folder.

    Raises:
        InputRefused: a file is missing, not JSON, or has a wrong, missing or unknown field.
    """
    path = folder / "job.json"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputRefused(f"{path}: can't be read: {error.strerror}") from error
    fields = Fields(strict_json(data, str(path)), str(path))
    if (schema := fields.take("schema", str)) != SCHEMA:
        raise InputRefused(f"{path}: schema {schema!r} is not {SCHEMA!r}")
    server = fields.take_object("server")
    read_task = _TASKS[fields.take_one_of("task", tuple(_TASKS))]
    job = Job(
        health_path=server.take("health_path", str),
        deadline_s=_positive(server, "deadline_s"),
        dialect=fields.take("dialect", str),
        model=fields.take_or("model", str, ""),
        readback=fields.take_strings("readback"),
        readback_after=fields.take_strings_or("readback_after"),
        silence_timeout_s=_positive(fields, "silence_timeout_s"),
        task=read_task(fields, folder),
    )
    server.end()
    fields.end(also_known=_TASK_FIELDS)
    return job


def _measure(fields: Fields, folder: Path) -> Measure:
    phases = read_phases(fields)
    prompts = {
        name: read_conversations(folder / name)
        for name in dict.fromkeys(phase.prompts for phase in phases)
    }
    for phase in phases:
        if missing := sorted(set(phase.conversations) - prompts[phase.prompts].keys()):
            raise InputRefused(f"phase {phase.name!r} names {missing[0]!r}, not in {phase.prompts}")
    return Measure(
        counts=_counts(fields.take_object("counts")),
        stop_ids=frozenset(fields.take_list("stop_ids", int)),
        phases=phases,
        prompts=prompts,
    )


def _encode(fields: Fields, folder: Path) -> Encode:
    return Encode(
        dialogues=read_dialogues(folder / "conversations.jsonl"),
        template_args=fields.take_or("template_args", dict, {}),
    )


_TASKS: dict[str, Callable[[Fields, Path], Measure | Encode]] = {
    "measure": _measure,
    "encode": _encode,
}


def _counts(fields: Fields) -> CountSource:
    source = fields.take("source", str)
    path = fields.take_or("path", str, "")
    inner = fields.take_object_or("candidates")
    candidates = {
        name: _page(candidate, source="prometheus", path=path)
        for name, candidate in (inner.take_all_objects() if inner else {}).items()
    }
    return _page(fields, source=source, path=path, candidates=candidates)


def _page(fields: Fields, **known: Any) -> CountSource:
    """Return what a page of metrics is read by."""
    names = fields.take_or("names", dict, {})
    if unknown := sorted(names.keys() - set(COUNTERS)):
        raise InputRefused(f"{fields.where}.names: {unknown[0]!r} is none of {', '.join(COUNTERS)}")
    zero_until_seen = fields.take_list_or("zero_until_seen", str)
    if unknown := sorted(set(zero_until_seen) - names.keys()):
        raise InputRefused(f"{fields.where}.zero_until_seen: {unknown[0]!r} has no name")
    per_position = None
    if inner := fields.take_object_or("per_position"):
        per_position = (inner.take("name", str), inner.take("label", str))
        inner.end()
    counts = CountSource(
        names=names,
        per_position=per_position,
        number=fields.take_or("number", str, ""),
        in_flight=fields.take_list_or("in_flight", str),
        zero_until_seen=zero_until_seen,
        **known,
    )
    fields.end()
    return counts


def _positive(fields: Fields, name: str) -> float:
    number = fields.take_number(name)
    if not (math.isfinite(number) and number > 0):
        raise InputRefused(f"{fields.where}.{name}: {number} is not a time")
    return number
