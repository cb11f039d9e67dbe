"""Run a command on one core, and see what its whole tree of processes took."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_S = 0.5
_FIRST_SAMPLE_S = 0.05
"""Doubled from sample to sample up to _SAMPLE_S, for commands that end at once."""
_ORPHANS_S = 30.0


class CommandFailed(Exception):
    """A client did not end well; the end of its log is in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a command took."""

    wall_s: float
    cpu_s: float
    """User and system time of the command and of all its descendants, from start to end."""
    peak_bytes: int
    """The largest sum of resident memory over its processes, sampled twice a second; what they
    share counts in each."""


def adopt_orphans() -> None:
    """Let processes whose parent ended become ours, so that their CPU time is not lost."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def watch(
    command: Sequence[str],
    *,
    core: int,
    log: Path,
    timeout_s: float,
    environment: Mapping[str, str],
    folder: Path,
) -> Taken:
    """Run a command to its end.

    Raises:
        CommandFailed: it ended with an error, or not within `timeout_s`; it is killed then.
    """
    before = _cpu_s()
    start = time.monotonic()
    others = {child.pid for child in psutil.Process().children()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            cwd=folder, env=dict(environment), start_new_session=True,
        )  # fmt: skip
        try:
            peak = _until_it_ends(process, start + timeout_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if peak is None:
        raise CommandFailed(_said(f"not done within {timeout_s:g} s", command, log))
    wall_s = time.monotonic() - start
    _wait_for_orphans(others)
    if process.returncode != 0:
        raise CommandFailed(_said(f"exit code {process.returncode}", command, log))
    return Taken(wall_s=wall_s, cpu_s=_cpu_s() - before, peak_bytes=peak)


def _until_it_ends(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    """Return the peak of resident memory, or None where the deadline came first."""
    tree = psutil.Process(process.pid)
    peak, wait_s = 0, _FIRST_SAMPLE_S
    while time.monotonic() < deadline:
        peak = max(peak, _resident_bytes(tree))
        try:
            process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            wait_s = min(2 * wait_s, _SAMPLE_S)
            continue
        return peak
    return None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident_bytes(tree: psutil.Process) -> int:
    total = 0
    try:
        members = [tree, *tree.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended while we looked
    return total


def _wait_for_orphans(others: set[int]) -> None:
    """Wait for what the command left behind, and end what does not end by itself."""
    left = [child for child in psutil.Process().children() if child.pid not in others]
    _, alive = psutil.wait_procs(left, timeout=_ORPHANS_S)
    for child in alive:
        child.kill()
    psutil.wait_procs(alive)


def _said(what: str, command: Sequence[str], log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    return f"{what}: {' '.join(command)}\n{tail}"
