"""Samples of the host, of its accelerators and of what runs on it, on the clock that records use.

What can't be read is absent from a sample. Energies are cumulative: only differences mean anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from specseal.runtimes.amd import amd_devices
from specseal.runtimes.devices import Device, open_devices
from specseal.runtimes.machine import usable_cpus
from specseal.runtimes.nvidia import nvidia_devices
from specseal.runtimes.rapl import PackageEnergy


class Sampler:
    """Takes samples from what was found when it was made."""

    def __init__(self, devices: tuple[Device, ...], energy: PackageEnergy) -> None:
        self._devices, self._energy = devices, energy
        psutil.cpu_percent(percpu=True)  # the first call has nothing to compare with

    def sample(self, processes: Mapping[str, int | None]) -> dict[str, Any]:
        """Return one row.

        Args:
            processes: name → id of a process whose tree is told of under that name, or None where
                it can't be seen from this host.
        """
        row: dict[str, Any] = {"time_ns": time.monotonic_ns(), **_host()}
        if (energy_j := self._energy.read_j()) is not None:
            row["package_energy_j"] = energy_j
        for name, pid in processes.items():
            if pid:
                row |= {f"{name}_{field}": value for field, value in tree(pid).items()}
        for number, device in enumerate(self._devices):
            row |= {f"accelerator{number}_{key}": value for key, value in device.read().items()}
        return row


@contextmanager
def sampler() -> Iterator[Sampler]:
    """Open what this machine has to be read, and close it at the end."""
    with open_devices(nvidia_devices, amd_devices) as found:
        yield Sampler(found.devices, PackageEnergy())


def _host() -> dict[str, Any]:
    of_each = psutil.cpu_percent(percpu=True)
    # Of those alone on which engine and client may run: on others nobody takes time from them.
    own = [of_each[cpu] for cpu in usable_cpus() if cpu < len(of_each)] or of_each
    row = {
        "cpu_percent": sum(own) / len(own),
        "cpus": len(own),
        "memory_available_bytes": psutil.virtual_memory().available,
    }
    frequency = psutil.cpu_freq()
    return row if frequency is None else row | {"cpu_mhz": frequency.current}


def tree(pid: int) -> dict[str, float]:
    """Return CPU seconds and resident memory of a process and of all that it has started.

    A process that has ended counts with the parent that waited for it. Memory that several
    processes share counts once for each.
    """
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return {}
    cpu_s, memory_bytes = 0.0, 0
    for process in processes:
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:
            if process is root:
                return {}
            continue  # it ended just now
        cpu_s += times.user + times.system + times.children_user + times.children_system
        memory_bytes += memory.rss
    return {"cpu_s": cpu_s, "memory_bytes": memory_bytes}
