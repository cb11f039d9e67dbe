"""Two native processes instead of two containers, for machines without a container engine.

Nothing isolates them from the machine or the network; results say `isolation: none`. Where a server
is measured that runs already, the client is the only process.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from specseal import owner
from specseal.engines import filled
from specseal.errors import MachineLacks
from specseal.records import JobStatus, write_json_atomically
from specseal.runtimes.base import POLL_S, JobRun, ProgramRun, Watch, conclude, supervise
from specseal.runtimes.machine import split_cpus, usable_cpus
from specseal.runtimes.passing import visible

_KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH")
_CLIENT_VARIABLES = ("SPECSEAL_ENDPOINT_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""For a running server: its API key, which goes nowhere else, and the authorities to trust."""
_GRACE_S = 5


class NativeRuntime:
    """Runs jobs as processes of this host."""

    name = "native"
    isolation = "none"

    def __init__(
        self, *, engine: tuple[str, ...], client: tuple[str, ...], client_path: Path
    ) -> None:
        """Take the commands that `specseal.images.native` made; no engine's for running servers."""
        self._engine, self._client, self._client_path = engine, client, client_path

    def clean(self) -> int:
        """Kill processes whose specseal has died."""
        left = []
        for process in psutil.process_iter():
            try:
                name = process.environ().get(owner.VARIABLE)
            except psutil.Error:
                continue
            if name and owner.is_dead(name):
                process.kill()
                left.append(process)
        psutil.wait_procs(left, timeout=_GRACE_S)
        return len(left)

    def run(self, job: JobRun, watch: Watch) -> JobStatus:
        """Run one job; see `Runtime.run`."""
        out, scratch = job.folder / "out", job.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        setup = _running(job.launch.url) if job.launch.url else _own(job)
        write_json_atomically(out / "environment.json", self._found(job, setup))
        client_command = [
            *self._client, "--in", str(job.folder / "in"), "--out", str(out), *setup.where,
        ]  # fmt: skip
        with ExitStack() as parts:
            server = None
            if job.launch.url is None:
                temporary = {"TMPDIR": str(parts.enter_context(_short_name(scratch)))}
                server = parts.enter_context(
                    _started(
                        [*self._engine, *setup.arguments],
                        self._environment(scratch)
                        | temporary
                        | setup.environment
                        | visible(job.devices),
                        out / "engine.log",
                        setup.engine_cpus,
                    )
                )
            client = parts.enter_context(
                _started(
                    client_command,
                    self._client_environment(scratch, job),
                    out / "client.log",
                    setup.client_cpus,
                )
            )
            supervise(job, server, client, watch)
        shutil.rmtree(scratch, ignore_errors=True)
        return conclude(
            job,
            engine_log=server.log() if server else None,
            client_log=client.log(),
            client_code=client.exit_code() or 0,
        )

    def run_alone(self, run: ProgramRun) -> None:
        """Run the engine's program to its end; see `ProgramRuntime.run_alone`."""
        if run.network:
            raise MachineLacks(
                f"{run.name} reaches the network, and so runs in a container of its own only",
                mend="start a Docker Engine",
            )
        with tempfile.TemporaryDirectory(prefix="specseal-program-") as folder:
            scratch = Path(folder)
            model = str(run.model.resolve()) if run.model else ""
            arguments = run.arguments(model=model, out=str(run.out.resolve()))
            with _started(
                [*self._engine, *arguments],
                self._environment(scratch) | visible(()),
                scratch / "log",
                usable_cpus(),
            ) as program:
                while (code := program.exit_code()) is None:
                    time.sleep(POLL_S)
            if code != 0:
                raise run.refuse(code, program.log())

    def _found(self, job: JobRun, setup: _Setup) -> dict[str, Any]:
        found: dict[str, Any] = {
            "runtime": self.name,
            "isolation": self.isolation,
            "launch": list(job.launch.args),
            "threads": len(setup.engine_cpus),
            "engine_cpus": setup.engine_cpus,
            "client_cpus": setup.client_cpus,
            "devices": [device.shown() for device in job.devices],
        }
        return found | ({"url": job.launch.url} if job.launch.url else {})

    def _client_environment(self, scratch: Path, job: JobRun) -> dict[str, str]:
        passed = _CLIENT_VARIABLES if job.launch.url else ()
        own = {name: os.environ[name] for name in passed if name in os.environ}
        return self._environment(scratch) | own | {"PYTHONPATH": str(self._client_path)}

    def _environment(self, scratch: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        return kept | {
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            owner.VARIABLE: owner.this_owner(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setup:
    """How a job's processes share the machine and find each other."""

    arguments: list[str]
    """The engine's."""
    environment: dict[str, str]
    """The engine's own."""
    where: list[str]
    """How the client is told where the server is."""
    engine_cpus: list[int]
    client_cpus: list[int]


def _own(job: JobRun) -> _Setup:
    engine_cpus, client_cpus = split_cpus(usable_cpus(), job.streams)
    values = {
        "model": str((job.model_folder() / job.model_file).resolve()),
        "drafter": str((job.drafter / job.drafter_file).resolve()) if job.drafter else "",
        "config": str(job.config.resolve()),
        "port": str(_free_port()),
        "threads": str(len(engine_cpus)),
    }
    job.write_config(values)
    return _Setup(
        arguments=filled(job.launch.args, values),
        environment=job.environment(values),
        where=["--port", values["port"]],
        engine_cpus=engine_cpus,
        client_cpus=client_cpus,
    )


def _running(url: str) -> _Setup:
    return _Setup(
        arguments=[],
        environment={},
        where=["--url", url],
        engine_cpus=[],
        client_cpus=usable_cpus(),
    )


@contextmanager
def _short_name(folder: Path) -> Iterator[Path]:
    """Yield a short path to a folder: an engine's sockets lie there, and theirs have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="specseal-") as short:
        link = Path(short) / "t"
        link.symlink_to(folder.resolve())
        yield link


class _Process:
    """A started process and its log file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    def exit_code(self) -> int | None:
        return self._process.poll()

    def pid(self) -> int | None:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def _started(
    command: list[str], environment: dict[str, str], log: Path, cpus: list[int]
) -> Iterator[_Process]:
    """Start a process in a session of its own; on leaving, stop it and all it started."""
    process: subprocess.Popen[bytes] | None = None
    with log.open("wb") as output:
        try:
            with _undisturbed():
                process = _popen(command, environment, output, cpus)
            yield _Process(process, log)
        finally:
            if process is not None:
                _stop(process)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back until the block has ended: a process that nobody knows of is never stopped.

    Only the main thread may say so, and only it is interrupted by signals.
    """
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        number: signal.signal(number, lambda arrived, frame: held.append(arrived))
        for number in numbers
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for arrived in held:
        signal.raise_signal(arrived)


def _popen(
    command: list[str], environment: dict[str, str], output: BinaryIO, cpus: list[int]
) -> subprocess.Popen[bytes]:
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)  # inherited by the child from its first instruction
    try:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=environment["HOME"],
            start_new_session=True,
        )
    finally:
        os.sched_setaffinity(0, own)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_GRACE_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=_GRACE_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
