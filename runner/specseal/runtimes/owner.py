"""Who started a container or a process, so that the next run can remove what a dead one left."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

LABEL = "dev.specseal.owner"
VARIABLE = "SPECSEAL_OWNER"


def this_owner() -> str:
    """Return a name for this process that no other process ever had or will have."""
    return f"{_place()}|{os.getpid()}|{psutil.Process().create_time()}"


def is_dead(owner: str) -> bool:
    """Say whether the process of that name has ended.

    A process of another host or of another process namespace is never called dead: it can't be
    seen from here.
    """
    place, _, rest = owner.partition("|")
    pid, _, created = rest.partition("|")
    if place != _place() or not pid.isdigit():
        return False
    try:
        return str(psutil.Process(int(pid)).create_time()) != created
    except psutil.NoSuchProcess:
        return True


def _place() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = "unknown"
    return f"{platform.node()}/{namespace}"
