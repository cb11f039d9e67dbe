"""What this machine is: for the environment of a result, and for `specseal doctor`."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil

from specseal.runtimes.amd import amd_devices
from specseal.runtimes.devices import open_devices
from specseal.runtimes.nvidia import nvidia_devices


def describe_machine() -> dict[str, Any]:
    """Return what is found of CPU, memory, accelerators, kernel and Python.

    Names of host and user, and serial numbers, are left out. `accelerator_faults` says why a
    vendor's library that is there could not be asked.
    """
    with open_devices(nvidia_devices, amd_devices) as found:
        accelerators = [dict(device.facts) for device in found.devices]
    return {
        "cpu": _cpu_model(),
        "cpus": usable_cpus(),
        "cores": psutil.cpu_count(logical=False),
        "cpu_flags": _cpu_flags(),
        "governor": _first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "accelerators": accelerators,
        "accelerator_faults": list(found.faults),
    }


def usable_cpus() -> list[int]:
    """Return the CPUs that this process may use, sorted."""
    return sorted(os.sched_getaffinity(0))


STREAMS_A_CPU = 256
"""The load generator holds as many conversations in one process (`client/offer.py`)."""
_ENGINES_SHARE = 4
"""Of so many CPUs the client gets one, and no more."""


def split_cpus(cpus: list[int], streams: int = 1) -> tuple[list[int], list[int]]:
    """Return CPUs for the engine and for the client: apart where there are at least four.

    Args:
        cpus: all that there are.
        streams: conversations that are in flight at once.
    """
    most = len(cpus) // _ENGINES_SHARE
    if not most:
        return cpus, cpus
    clients = min(most, max(1, -(-streams // STREAMS_A_CPU)))
    return cpus[:-clients], cpus[-clients:]


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _cpu_flags() -> list[str]:
    """Return the vector extensions, which decide which kernels an engine picks."""
    return sorted(
        f for f in _cpuinfo("flags").split() if f.startswith(("avx", "amx", "fma", "sse4"))
    )


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
