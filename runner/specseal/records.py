"""What a job leaves behind: one record a request, counter snapshots, and a closing status.

The load generator writes these files inside its container, the analysis reads them outside; this
module is the one place that knows their fields. It imports only the standard library, because it
travels into the client's container beside `client/`.

A job folder's `out/`:

    records.jsonl   one `Record` a line, append-only
    counts.jsonl    one `Snapshot` a line: engine counters before and after each measured phase
    status.json     a `JobStatus`; written last, by atomic rename: without it the job never finished
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, overload

SCHEMA = "specseal/job/1"


class Integers(Sequence[int]):
    """Whole numbers that never change, 8 bytes each: it equals a tuple of the same numbers.

    A run's chunks are tens of millions of numbers; as tuples of Python's they would not fit.
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        """Take the numbers. Raises: TypeError, OverflowError on what is none of 64 bits."""
        self._numbers = array("q", numbers)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Integers: ...
    def __getitem__(self, index: int | slice) -> int | Integers:
        """Return one number, or some of them."""
        found = self._numbers[index]
        return Integers(found) if isinstance(found, array) else found

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        """Yield each number."""
        return iter(self._numbers)

    def __eq__(self, other: object) -> bool:
        """Say whether the other is a tuple, or such a sequence, of the same numbers."""
        if isinstance(other, Integers):
            return self._numbers == other._numbers
        return isinstance(other, tuple) and tuple(self._numbers) == other

    def __hash__(self) -> int:
        """Return the hash of the tuple that it equals."""
        return hash(tuple(self._numbers))

    def __repr__(self) -> str:
        """Show it as the tuple that it equals."""
        return repr(tuple(self._numbers))


class RecordsDamaged(Exception):
    """A record file that a finished job left can't be read: file and line are in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How one phase offers its conversations.

    closed   `concurrency` conversations are in flight: when one ends, the next begins
    open     conversations begin at instants fixed before the run, `rate` a second
    burst    `concurrency` conversations begin at one instant; when all have ended, as many again
    ramp     like closed, but the number in flight rises evenly from 1 to `concurrency` over
             `duration_s`

    Without `duration_s` each conversation of the phase is sent once. With it they are sent in
    turn, from the first again after the last, and none begins later than that after the start.
    """

    mode: str
    concurrency: int | None = None
    """None where the load is open."""
    rate: float | None = None
    """Conversations a second; open only."""
    arrival: str | None = None
    """`poisson` or `constant`; open only."""
    duration_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request's raw measurement. Times are CLOCK_MONOTONIC nanoseconds, shared by the host."""

    phase: str
    """Id of the phase, e.g. `c4`."""
    conversation: str
    """Id of the conversation (the data set's question_id)."""
    category: str
    turn: int
    """0-based turn within the conversation."""
    cycle: int
    """0-based: how often the phase had sent this conversation before."""
    due_ns: int | None
    """When it should have been sent: at its instant of the schedule (open), or when what it had
    to wait for had ended. None where nothing says when."""
    connect_ns: int
    """How long its connection took to be set up (TCP, and TLS where there is any), before it was
    submitted: the network's and the server's time, of which nothing is the client's lateness."""
    submit_ns: int
    """When the request was handed to the socket."""
    chunk_ns: Sequence[int]
    """Arrival of each chunk that carried tokens; the bytes' arrival, decoded later."""
    chunk_tokens: Sequence[int] | None
    """Tokens in each of those chunks; same length as `chunk_ns`. None where the engine tells only
    how many they were together."""
    end_ns: int
    """When the response was complete, or the request failed."""
    input_tokens: int
    """Token ids sent; where text was sent, the engine's count of it."""
    engine_input_tokens: int | None
    """Input tokens as the engine counted them, where it tells."""
    input_sha256: str
    """SHA-256 of the input ids, text or messages as JSON without spaces."""
    output_tokens: int
    """Tokens generated, a trailing stop token included, as the engine counts them."""
    output_ids: Sequence[int] | None
    """Generated ids, or None where the dialect has none."""
    finish: str
    """`stop` (a stop token or word) · `length` (max_tokens) · `error`."""
    error: str | None
    draft_tokens: int | None
    """Tokens drafted for this request, where the engine tells per request."""
    accepted_tokens: int | None
    """Draft tokens accepted for this request, where the engine tells per request."""
    verify_steps: int | None
    """Verify steps of this request that had a draft, where the engine tells per request; of one
    that tells nothing else (TensorRT-LLM), all its decode steps."""
    cached_tokens: int | None
    """Prompt tokens served from a cache, where the engine tells."""

    def __post_init__(self) -> None:
        for name in _MANY:
            if (numbers := getattr(self, name)) is not None:
                object.__setattr__(self, name, Integers(numbers))

    def flaw(self) -> str | None:
        """Say in what the record contradicts itself, or return None."""
        times = (self.submit_ns, *self.chunk_ns, self.end_ns)
        if list(times) != sorted(times):
            return "its times run backwards"
        if self.connect_ns < 0:
            return "its connection took less than no time"
        if self.chunk_tokens is None:
            if self.output_tokens and not self.chunk_ns:
                return f"no chunk arrived, output is {self.output_tokens} tokens"
        elif len(self.chunk_ns) != len(self.chunk_tokens):
            return f"{len(self.chunk_ns)} chunks arrived, {len(self.chunk_tokens)} have tokens"
        elif sum(self.chunk_tokens) != self.output_tokens:
            return f"chunks hold {sum(self.chunk_tokens)} tokens, output is {self.output_tokens}"
        if self.output_ids is not None and len(self.output_ids) != self.output_tokens:
            return f"{len(self.output_ids)} output ids for {self.output_tokens} output tokens"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return row | {name: None if row[name] is None else list(row[name]) for name in _MANY}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Record:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**data)


_MANY = ("chunk_ns", "chunk_tokens", "output_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The engine's counters at one instant, read when nothing was in flight."""

    phase: str
    moment: str
    """`before` or `after` the measured phase."""
    time_ns: int
    settled: bool
    """Two reads in a row agreed and the engine said it was idle."""
    drafts: int | None
    """Verify steps that had a draft."""
    draft_tokens: int | None
    accepted_tokens: int | None
    accepted_per_position: tuple[int, ...] | None
    """Joint counts: how often the token at draft position i (from 0) was accepted."""
    output_tokens: int | None
    prompt_tokens: int | None
    cached_tokens: int | None
    """Prompt tokens that came from a cache."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Snapshot:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        positions = data["accepted_per_position"]
        return cls(
            **{
                **data,
                "accepted_per_position": None if positions is None else tuple(positions),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStatus:
    """One phase as the client saw it, with the client's own health."""

    phase: str
    measured: bool
    start_ns: int
    """First submit."""
    end_ns: int
    """Last response complete."""
    requests: int
    failed: int
    loop_lag_p99_ns: int
    """99th percentile of how late the client's event loop woke from a fixed sleep."""
    loop_lag_max_ns: int
    send_lag_p99_ns: int
    """99th percentile of how late requests were sent: `submit_ns` − `connect_ns` − `due_ns`."""
    send_lag_max_ns: int
    client_cpu_share: float
    """CPU seconds ÷ wall seconds of the phase (1.0 is one full core), of the busiest process."""
    client_cpu_total: float
    """The same of all the client's processes together."""
    client_cpus: int
    """CPUs that they may use, by their affinity."""
    client_memory_bytes: int
    """Peak memory of all the client's processes together."""
    client_processes: int
    """Processes that the load was spread over."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How a job ended. Its file is the last thing that a job writes."""

    outcome: str
    """`done`, or `failed`."""
    reason: str
    """Empty when done; else one sentence."""
    phases: tuple[PhaseStatus, ...]
    engine: dict[str, Any]
    """What was read back from the engine over HTTP (its own version, slots, context length)."""
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JobStatus:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        phases = tuple(PhaseStatus(**phase) for phase in data["phases"])
        return cls(**{**data, "phases": phases})


def write_json_atomically(path: Path, value: Any) -> None:
    """Write JSON so that `path` either has all of it or was not touched, even across a crash."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def append_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append rows to a JSON-lines file and flush them to disk."""
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise RecordsDamaged(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise RecordsDamaged(f"{path}:{number}: expected an object")
            yield row


def read_records(path: Path) -> tuple[Record, ...]:
    """Read `records.jsonl` of a finished job. Raises: RecordsDamaged."""
    try:
        records = tuple(Record.from_dict(row) for row in _rows(path))
    except (TypeError, KeyError) as error:
        raise RecordsDamaged(f"{path}: {error}") from error
    for number, record in enumerate(records, 1):
        if flaw := record.flaw():
            raise RecordsDamaged(f"{path}:{number}: {flaw}")
    return records


def read_snapshots(path: Path) -> tuple[Snapshot, ...]:
    """Read `counts.jsonl` of a finished job. Raises: RecordsDamaged."""
    try:
        return tuple(Snapshot.from_dict(row) for row in _rows(path))
    except (TypeError, KeyError) as error:
        raise RecordsDamaged(f"{path}: {error}") from error


def read_status(path: Path) -> JobStatus | None:
    """Read `status.json`, or return None where the job never finished. Raises: RecordsDamaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return JobStatus.from_dict(json.loads(data))
    except (ValueError, TypeError, KeyError) as error:
        raise RecordsDamaged(f"{path}: {error}") from error
