"""Who started a container or a process, so that the next run can remove what a dead one left."""

from __future__ import annotations

import os
import platform
from pathlib import Path

LABEL = "dev.specseal.owner"
VARIABLE = "SPECSEAL_OWNER"


def this_owner() -> str:
    """Return a name for this process that no other process ever had or will have."""
    return f"{_place()}|{os.getpid()}|{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Say whether the process of that name has ended.

    A process of another host or of another process namespace is never called dead: it can't be
    seen from here.
    """
    place, _, rest = owner.partition("|")
    pid, _, started = rest.partition("|")
    if place != _place() or not pid.isdigit():
        return False
    try:
        return _started(int(pid)) != started
    except OSError:
        return True


def _started(pid: int) -> str:
    """Return this boot's id and the clock ticks since it at which a process was started.

    Neither changes when the wall clock is set, as a start time in seconds would.
    Source: proc(5), /proc/PID/stat, field 22; the name in field 2 may hold spaces.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return f"{boot}/{stat.rpartition(')')[2].split()[19]}"


def _place() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = "unknown"
    return f"{platform.node()}/{namespace}"
