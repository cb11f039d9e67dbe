"""The seam: a Runtime starts an engine and the client beside it, and watches over both.

`supervise` is the same for every runtime: it waits for the client to end, samples telemetry on the
host's monotonic clock, passes progress on, and turns a dead engine or client into one message with
the end of its log. Whatever happens, both are stopped and the engine's log is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from specseal.engines import Launch
from specseal.errors import RunFailed
from specseal.records import JobStatus, RecordsDamaged, append_jsonl, read_status
from specseal.runtimes.telemetry import sample

POLL_S = 0.1
DYING_S = 3.0
SAMPLE_S = 1.0
LOG_TAIL_LINES = 20
STATUS = "status.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One job, ready to run."""

    launch: Launch
    model: Path
    """Folder of the model's files, to be mounted read-only."""
    model_file: str
    """What the engine is told to load, relative to `model`; `.` for the folder itself."""
    folder: Path
    """The job's folder; `in/` is written, `out/` is empty."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, as its client last said."""

    phase: str
    done: int
    total: int
    output_tokens: int
    draft_tokens: int
    accepted_tokens: int
    elapsed_s: float


Watch = Callable[[Progress], None]


class Runtime(Protocol):
    """Runs jobs."""

    name: str
    isolation: str
    """What stands between the engine and the rest: `container`, or `none`."""

    def clean(self) -> int:
        """Remove what a run that died left behind; return how many things that was."""
        ...

    def run(self, job: JobRun, watch: Watch) -> JobStatus:
        """Run one job to its end.

        Writes `out/` of the job's folder: engine.log, client.log, telemetry.jsonl and
        environment.json beside what the client writes.

        Raises:
            RunFailed: the engine or the client died or failed; the message has its last words.
            MachineLacks: the container engine is not there.
        """
        ...


class Part(Protocol):
    """A started engine or client."""

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        ...

    def pid(self) -> int | None:
        """Return its process id on this host, where that can be seen."""
        ...

    def log(self) -> str:
        """Return what it has printed so far."""
        ...


def supervise(job: JobRun, engine: Part, client: Part, watch: Watch) -> None:
    """Wait until the client has ended.

    Raises:
        RunFailed: the engine died first.
    """
    out = job.folder / "out"
    progress = out / "progress.json"
    telemetry: list[dict[str, Any]] = []
    seen, next_sample = 0, time.monotonic()
    try:
        while (client_code := client.exit_code()) is None:
            _refuse_dead(job, engine)
            if time.monotonic() >= next_sample:
                telemetry.append(sample({"engine": engine.pid(), "client": client.pid()}))
                next_sample += SAMPLE_S
            seen = _pass_on(progress, seen, watch)
            time.sleep(POLL_S)
        _pass_on(progress, seen, watch)
        if client_code != 0:
            # A client may see its engine die, and fail of it, before the engine's process has ended
            # and given its memory back: the engine's death is then the cause to tell.
            _refuse_dead(job, engine, within_s=DYING_S)
    finally:
        append_jsonl(out / "telemetry.jsonl", telemetry)


def _refuse_dead(job: JobRun, engine: Part, *, within_s: float = 0.0) -> None:
    deadline = time.monotonic() + within_s
    while (code := engine.exit_code()) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    if code is not None:
        raise RunFailed(
            f"{job.name}: the engine died with exit code {code}; the end of its log:\n"
            + tail(engine.log())
        )


def _pass_on(path: Path, seen: int, watch: Watch) -> int:
    try:
        changed = path.stat().st_mtime_ns
        if changed != seen:
            watch(Progress(**json.loads(path.read_bytes())))
    except (FileNotFoundError, ValueError, TypeError):
        return seen  # only the display depends on it
    return changed


def conclude(job: JobRun, *, engine_log: str, client_log: str, client_code: int) -> JobStatus:
    """Return the status that a finished job left.

    Raises:
        RunFailed: it left none, or says that it failed.
    """
    try:
        status = read_status(job.folder / "out" / STATUS)
    except RecordsDamaged as error:
        raise RunFailed(f"{job.name}: {error}") from error
    if status is None:
        raise RunFailed(
            f"{job.name}: the client ended with exit code {client_code} and no status; "
            f"its last words:\n{tail(client_log)}"
        )
    if status.outcome != "done":
        raise RunFailed(
            f"{job.name}: {status.reason}; the end of the engine's log:\n{tail(engine_log)}"
        )
    return status


def tail(log: str) -> str:
    """Return the last lines of a log, indented."""
    lines = log.splitlines()[-LOG_TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"
