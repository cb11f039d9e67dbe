"""A run's folder: `<runs_dir>/<name>/<started>-<recipe>/`, with its jobs and at last its bundle.

run.json     which lock and runtime it is of, and when it began; written first
jobs/        see `specseal.jobs`
bundle/      appears whole, by rename; a run that has none is unfinished
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from specseal.digests import Digest
from specseal.errors import RunFailed
from specseal.jobs import FAILED
from specseal.records import write_json_atomically
from specseal.spec.locked import Lock

BUNDLE = "bundle"
RUN = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """One run's folder, and what is noted of it."""

    path: Path
    lock_sha256: Digest
    runtime: str
    started: str
    """UTC, ISO 8601."""

    @property
    def is_sealed(self) -> bool:
        """Whether it has its bundle."""
        return (self.path / BUNDLE).exists()

    @property
    def has_failures(self) -> bool:
        """Whether a job of it failed."""
        return any(self.path.glob(f"jobs/*/{FAILED}"))


_NOTED = {field.name for field in fields(RunFolder)}


def begin(home: Path, lock: Lock, runtime: str) -> RunFolder:
    """Make the folder of a new run.

    Args:
        home: the folder of all runs of one spec name.
        lock: what is to be run.
        runtime: the runtime's name.
    """
    started = utc_now()
    stamp = started.replace("-", "").replace(":", "").partition(".")[0]
    path = home / f"{stamp}Z-{lock.recipe[:8]}"
    path.mkdir(parents=True)
    run = RunFolder(path=path, lock_sha256=lock.digest, runtime=runtime, started=started)
    write_json_atomically(path / RUN, {**asdict(run), "path": path.name})
    return run


def unfinished(home: Path, lock: Lock, runtime: str) -> RunFolder | None:
    """Return the newest run of this lock and runtime that has no bundle yet."""
    for run in _runs(home, f"*/{RUN}", runtime):
        if run.lock_sha256 == lock.digest and not run.is_sealed:
            return run
    return None


def earlier(runs_dir: Path, lock: Lock, runtime: str) -> tuple[Path, ...]:
    """Return the runs whose finished jobs a new run of this lock takes over, newest first.

    Where this very lock has been measured whole, that is none: to run it again is to measure it
    again. Else it is every run, of whatever name: a job is known by its key alone. What another
    lock measured under the same key is among them, and what is left of a run in which jobs failed.

    Args:
        runs_dir: the folder of the runs of all spec names.
        lock: what is to be run.
        runtime: the runtime's name.
    """
    runs = _runs(runs_dir, f"*/*/{RUN}", runtime)
    if any(
        run.lock_sha256 == lock.digest and run.is_sealed and not run.has_failures for run in runs
    ):
        return ()
    return tuple(run.path for run in runs)


def _runs(folder: Path, pattern: str, runtime: str) -> list[RunFolder]:
    """Return the runs whose notes match a pattern, newest first, as their folders' names say."""
    paths = sorted(folder.glob(pattern), key=lambda path: path.parent.name, reverse=True)
    noted = ({**json.loads(path.read_bytes()), "path": path.parent} for path in paths)
    # Another version of specseal may have noted something else; its jobs have other keys.
    known = (RunFolder(**note) for note in noted if note.keys() == _NOTED)
    return [run for run in known if run.runtime == runtime]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold off every other specseal that would measure on this machine at the same time.

    The lock is the kernel's, so it ends with the process that holds it, however that dies.

    Args:
        folder: one that all of them share.

    Raises:
        RunFailed: another specseal holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "measuring.lock", timeout=0):
            yield
    except Timeout as error:
        raise RunFailed(
            "another specseal is measuring on this machine; two at once would spoil each "
            "other's numbers",
            mend="wait for it to end, or stop it and run again to go on from its finished jobs",
        ) from error


def utc_now() -> str:
    """Return the time as UTC in ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
