"""One sample of the host and of what runs on it, on the monotonic clock that records use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psutil


def sample(processes: Mapping[str, int | None]) -> dict[str, Any]:
    """Return one row: host CPU and memory, and CPU seconds and memory of each process.

    Args:
        processes: name → process id, or None where it can't be seen from this host.
    """
    row: dict[str, Any] = {
        "time_ns": time.monotonic_ns(),
        "cpu_percent": psutil.cpu_percent(),
        "memory_available_bytes": psutil.virtual_memory().available,
    }
    frequency = psutil.cpu_freq()
    if frequency is not None:
        row["cpu_mhz"] = frequency.current
    for name, pid in processes.items():
        if pid:
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
                row[f"{name}_cpu_s"] = times.user + times.system
                row[f"{name}_memory_bytes"] = process.memory_info().rss
            except psutil.Error:
                continue  # it ended between two samples
    return row
