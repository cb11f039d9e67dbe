"""The seam: a Runtime starts an engine and the client beside it, and watches over both.

`supervise` is the same for every runtime: it waits for the client to end, samples telemetry on the
host's monotonic clock, passes progress on, and turns a dead engine or client into one message with
the end of its log. Whatever happens, both are stopped and the engine's log is kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from specseal.engines import Launch, filled
from specseal.errors import ClientFailed, EngineFailed, ProgramFailed, RunFailed
from specseal.records import JobStatus, RecordsDamaged, append_jsonl, read_status
from specseal.runtimes.devices import Address
from specseal.runtimes.telemetry import sampler

POLL_S = 0.1
DYING_S = 3.0
SAMPLE_S = 1.0
LOG_TAIL_LINES = 20
STATUS = "status.json"
RECORDS = "records.jsonl"
LAST_WORDS_S = 15.0
"""A client whose engine is gone gives its phase up at the next request; what came of that phase is
decoded before its status is written."""
_NOT_THE_JOBS_OWN = (0, 2, 4)
"""Exit codes of a client that left no status and was not killed: it refused its folders or flags
(2), or could not write into them (4), as the next one would; 0 is none that it has then. Source:
`specseal.client`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One job, ready to run."""

    launch: Launch
    model: Path | None
    """Folder of the model's files, to be mounted read-only; None for a running server."""
    model_file: str
    """What the engine is told to load, relative to `model`; `.` for the folder itself."""
    folder: Path
    """The job's folder; `in/` is written, `out/` is empty."""
    name: str
    streams: int = 1
    """Conversations that are in flight at once, at most."""
    drafter: Path | None = None
    """Folder of the drafter's files, to be mounted read-only; None where it has none."""
    drafter_file: str = ""
    """What the engine is told to load of them."""
    devices: tuple[Address, ...] = ()
    """The accelerators that its engine gets, and it alone; none for a job on CPUs."""

    def model_folder(self) -> Path:
        """Return `model`, of a job that starts an engine. Raises: RunFailed where it is None."""
        if self.model is None:
            raise RunFailed(f"{self.name}: there is no model for its engine to load")
        return self.model

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the engine's own environment, placeholders filled."""
        own = self.launch.environment
        return dict(zip(own, filled(tuple(own.values()), values), strict=True))

    def write_config(self, values: Mapping[str, str]) -> None:
        """Write the engine's own configuration, if it has one, to `config`, placeholders filled."""
        if self.launch.config:
            self.config.mkdir(exist_ok=True)
        for name, text in self.launch.config.items():
            (filled_text,) = filled((text,), values)
            (self.config / name).write_text(filled_text, encoding="utf-8")

    @property
    def config(self) -> Path:
        """The folder of the engine's own configuration."""
        return self.folder / "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAccess:
    """Lets a program reach the network, as this machine would."""

    environment: Mapping[str, str]
    """Such as a token; it gets into no log."""
    ca_bundle: Path | None
    """Certificates to believe, besides those that the program brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """One program, beside no engine and no client, that reads a folder and writes files."""

    args: tuple[str, ...]
    """With `{model}` and `{out}` for the two folders."""
    model: Path | None
    """What it reads; None: nothing of this machine."""
    out: Path
    """An empty folder."""
    name: str
    network: NetworkAccess | None = None
    """None: no network, as for everything that measures or makes what is measured."""

    def arguments(self, *, model: str, out: str) -> list[str]:
        """Return the arguments with both folders filled in."""
        return [arg.replace("{model}", model).replace("{out}", out) for arg in self.args]

    def refuse(self, code: int, log: str) -> ProgramFailed:
        """Return the error of a program that has ended with an exit code other than 0."""
        return ProgramFailed(
            f"{self.name} ended with exit code {code}; its last words:\n{tail(log)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is, as its client last said."""

    phase: str
    done: int
    total: int | None
    """Requests in all; None while only time limits the phase."""
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

        Writes `out/` of the job's folder: engine.log (where it starts an engine), client.log,
        telemetry.jsonl and environment.json beside what the client writes.

        Raises:
            EngineFailed: the engine died or did not answer as it should; the message has its last
                words.
            ClientFailed: the client was killed, or broke.
            RunFailed: the client refused what it was given, or could not write.
            MachineLacks: the container engine is not there, or can't run such a job.
        """
        ...


class ProgramRuntime(Protocol):
    """Runs one program to its end."""

    def run_alone(self, run: ProgramRun) -> None:
        """Run it. Raises: ProgramFailed with its last words, RunFailed, MachineLacks."""
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


def supervise(job: JobRun, engine: Part | None, client: Part, watch: Watch) -> None:
    """Wait until the client has ended.

    Args:
        job: the job.
        engine: None where a server is measured that runs already.
        client: the client.
        watch: is told how far the job is.

    Raises:
        EngineFailed: the engine died first.
    """
    out = job.folder / "out"
    progress = out / "progress.json"
    telemetry: list[dict[str, Any]] = []
    seen, next_sample = 0, time.monotonic()
    parts = {"engine": engine, "client": client} if engine else {"client": client}
    try:
        with sampler() as host:
            while (client_code := client.exit_code()) is None:
                _refuse_dead(job, engine, client=client)
                if time.monotonic() >= next_sample:
                    pids = {name: part.pid() for name, part in parts.items()}
                    telemetry.append(host.sample(pids))
                    next_sample += SAMPLE_S
                seen = _pass_on(progress, seen, watch)
                time.sleep(POLL_S)
            # Once more: the last phase ended after the sample before, and would lack its end.
            telemetry.append(host.sample({name: part.pid() for name, part in parts.items()}))
        _pass_on(progress, seen, watch)
        if client_code != 0:
            # A client may see its engine die, and fail of it, before the engine's process has ended
            # and given its memory back: the engine's death is then the cause to tell.
            _refuse_dead(job, engine, within_s=DYING_S)
    finally:
        append_jsonl(out / "telemetry.jsonl", telemetry)


def _refuse_dead(
    job: JobRun, engine: Part | None, *, client: Part | None = None, within_s: float = 0.0
) -> None:
    if engine is None:
        return
    deadline = time.monotonic() + within_s
    while (code := engine.exit_code()) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    if code is not None:
        if client is not None:
            _await_last_words(job, client)
        raise EngineFailed(
            f"{job.name}: the engine died with exit code {code}; the end of its log:\n"
            + tail(engine.log())
        )


def _await_last_words(job: JobRun, client: Part) -> None:
    """Let a client that has measured something note what of it was whole; its engine is dead."""
    if not (job.folder / "out" / RECORDS).is_file():
        return
    deadline = time.monotonic() + LAST_WORDS_S
    while client.exit_code() is None and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _pass_on(path: Path, seen: int, watch: Watch) -> int:
    try:
        changed = path.stat().st_mtime_ns
        if changed != seen:
            watch(Progress(**json.loads(path.read_bytes())))
    except (FileNotFoundError, ValueError, TypeError):
        return seen  # only the display depends on it
    return changed


def conclude(
    job: JobRun, *, engine_log: str | None, client_log: str, client_code: int
) -> JobStatus:
    """Return the status that a finished job left.

    Args:
        job: the job.
        engine_log: what the engine has printed; None where it was started by others.
        client_log: what the client has.
        client_code: its exit code.

    Raises:
        EngineFailed: the status says that the job failed.
        ClientFailed: there is none, because the client was killed or broke.
        RunFailed: there is none, for a reason that the other jobs have too.
    """
    try:
        status = read_status(job.folder / "out" / STATUS)
    except RecordsDamaged as error:
        raise RunFailed(f"{job.name}: {error}") from error
    if status is None:
        kind = RunFailed if client_code in _NOT_THE_JOBS_OWN else ClientFailed
        raise kind(
            f"{job.name}: the client ended with exit code {client_code} and no status; "
            f"its last words:\n{tail(client_log)}"
        )
    if status.outcome != "done":
        said = f"{job.name}: {status.reason}"
        if engine_log is not None:
            said += f"; the end of the engine's log:\n{tail(engine_log)}"
        raise EngineFailed(said)
    return status


def tail(log: str) -> str:
    """Return the last lines of a log, indented."""
    lines = log.splitlines()[-LOG_TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (it printed nothing)"
