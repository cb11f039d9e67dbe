"""What a job asks for: `in/` read once, strictly, into values.

`job.json` says what to do; `prompts.jsonl` (task `measure`) or `conversations.jsonl` (task
`encode`) says with what. Fields of the other task may be present and are not looked at; a field
of neither is refused, because a misspelt one would be ignored in silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specseal.client.errors import InputRefused
from specseal.client.fields import Fields, strict_json
from specseal.records import SCHEMA

TokenIds = tuple[int, ...]

COUNTERS = ("drafts", "draft_tokens", "accepted_tokens", "output_tokens", "prompt_tokens")
_TASK_FIELDS = ("counts", "sampling", "stop_ids", "phases", "template_args")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What every request asks of the sampler; `top_k` 0 means off."""

    temperature: float
    top_p: float
    top_k: int
    seed: int
    stop: tuple[str, ...]
    ignore_eos: bool
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSource:
    """Where the engine's counters are read: a row of `counts.COUNT_SOURCES` and its arguments."""

    source: str
    path: str = ""
    names: dict[str, str]
    """Our name (one of `COUNTERS`) → the engine's."""
    per_position: tuple[str, str] | None = None
    """Metric and label of the accepted tokens at each draft position."""
    in_flight: tuple[str, ...] = ()
    """Gauges whose sum is 0 when the engine is idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One interval: conversations in the order in which they are taken, at one concurrency."""

    name: str
    measured: bool
    concurrency: int
    conversations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as token ids: `between[k]` goes between turn k's output and turn k+1's."""

    id: str
    category: str
    first: TokenIds
    between: tuple[TokenIds, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A conversation as text: what the user says, turn by turn."""

    id: str
    category: str
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Task `measure`: phases of requests against the server."""

    counts: CountSource
    sampling: Sampling
    stop_ids: frozenset[int]
    phases: tuple[Phase, ...]
    conversations: dict[str, Conversation]


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
    readback: dict[str, str]
    """Name → path whose JSON goes under that name into `status.engine`."""
    silence_timeout_s: float
    task: Measure | Encode


def read_job(folder: Path) -> Job:
    """Read a job's input folder.

    Raises:
        InputRefused: a file is missing, not JSON, or has a wrong, missing or unknown field.
    """
    path = folder / "job.json"
    fields = Fields(strict_json(_read(path), str(path)), str(path))
    if (schema := fields.take("schema", str)) != SCHEMA:
        raise InputRefused(f"{path}: schema {schema!r} is not {SCHEMA!r}")
    server = fields.take_object("server")
    read_task = _TASKS[fields.take_one_of("task", tuple(_TASKS))]
    job = Job(
        health_path=server.take("health_path", str),
        deadline_s=_positive(server, "deadline_s"),
        dialect=fields.take("dialect", str),
        readback=fields.take_strings("readback"),
        silence_timeout_s=_positive(fields, "silence_timeout_s"),
        task=read_task(fields, folder),
    )
    server.end()
    fields.end(also_known=_TASK_FIELDS)
    return job


def _measure(fields: Fields, folder: Path) -> Measure:
    phases = _phases(fields)
    conversations = _conversations(folder)
    for phase in phases:
        if missing := sorted(set(phase.conversations) - conversations.keys()):
            raise InputRefused(f"phase {phase.name!r} names {missing[0]!r}, not in prompts.jsonl")
    return Measure(
        counts=_counts(fields.take_object("counts")),
        sampling=_sampling(fields.take_object("sampling")),
        stop_ids=frozenset(fields.take_list("stop_ids", int)),
        phases=phases,
        conversations=conversations,
    )


def _encode(fields: Fields, folder: Path) -> Encode:
    return Encode(
        dialogues=_dialogues(folder), template_args=fields.take_or("template_args", dict, {})
    )


_TASKS: dict[str, Callable[[Fields, Path], Measure | Encode]] = {
    "measure": _measure,
    "encode": _encode,
}


def _conversations(folder: Path) -> dict[str, Conversation]:
    conversations: dict[str, Conversation] = {}
    for fields in _rows(folder / "prompts.jsonl"):
        conversation = Conversation(
            id=fields.take("id", str),
            category=fields.take("category", str),
            first=fields.take_list("first", int),
            between=fields.take_lists("between", int),
        )
        fields.end()
        if not conversation.first:
            raise InputRefused(f"{fields.where}: `first` holds no token")
        if conversation.id in conversations:
            raise InputRefused(f"{fields.where}: id {conversation.id!r} appears twice")
        conversations[conversation.id] = conversation
    return conversations


def _dialogues(folder: Path) -> tuple[Dialogue, ...]:
    dialogues = []
    for fields in _rows(folder / "conversations.jsonl"):
        dialogue = Dialogue(
            id=fields.take("id", str),
            category=fields.take("category", str),
            turns=fields.take_list("turns", str),
        )
        fields.end()
        if not dialogue.turns:
            raise InputRefused(f"{fields.where}: `turns` is empty")
        dialogues.append(dialogue)
    return tuple(dialogues)


def _counts(fields: Fields) -> CountSource:
    source = fields.take("source", str)
    names = fields.take_or("names", dict, {})
    if unknown := sorted(names.keys() - set(COUNTERS)):
        raise InputRefused(f"{fields.where}.names: {unknown[0]!r} is none of {', '.join(COUNTERS)}")
    per_position = None
    if fields.has("per_position"):
        inner = fields.take_object("per_position")
        per_position = (inner.take("name", str), inner.take("label", str))
        inner.end()
    counts = CountSource(
        source=source,
        path=fields.take_or("path", str, ""),
        names=names,
        per_position=per_position,
        in_flight=fields.take_list("in_flight", str) if fields.has("in_flight") else (),
    )
    fields.end()
    return counts


def _sampling(fields: Fields) -> Sampling:
    sampling = Sampling(
        temperature=fields.take_number("temperature"),
        top_p=fields.take_number("top_p"),
        top_k=fields.take("top_k", int),
        seed=fields.take("seed", int),
        stop=fields.take_list("stop", str),
        ignore_eos=fields.take("ignore_eos", bool),
        max_tokens=fields.take("max_tokens", int),
    )
    fields.end()
    return sampling


def _phases(fields: Fields) -> tuple[Phase, ...]:
    phases = []
    for inner in fields.take_objects("phases"):
        phase = Phase(
            name=inner.take("name", str),
            measured=inner.take("measured", bool),
            concurrency=inner.take("concurrency", int),
            conversations=inner.take_list("conversations", str),
        )
        inner.end()
        if phase.concurrency < 1:
            raise InputRefused(f"{inner.where}.concurrency: {phase.concurrency} is less than 1")
        if not phase.conversations:
            raise InputRefused(f"{inner.where}.conversations: is empty")
        phases.append(phase)
    if len({phase.name for phase in phases}) < len(phases):
        raise InputRefused(f"{fields.where}: two phases have one name")
    return tuple(phases)


def _positive(fields: Fields, name: str) -> float:
    number = fields.take_number(name)
    if not (math.isfinite(number) and number > 0):
        raise InputRefused(f"{fields.where}.{name}: {number} is not a time")
    return number


def _rows(path: Path) -> Iterator[Fields]:
    for number, line in enumerate(_read(path).splitlines(), 1):
        where = f"{path}:{number}"
        yield Fields(strict_json(line, where), where)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputRefused(f"{path}: can't be read: {error.strerror}") from error
