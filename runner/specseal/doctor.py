"""What this machine has and lacks for running specs, each finding with its mend."""

from __future__ import annotations

import ctypes.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from specseal.errors import MachineLacks, SpecsealError
from specseal.hardware import known
from specseal.images.base import find_mirror
from specseal.runtimes import (
    connect,
    container_problem,
    describe_container_engine,
    describe_machine,
    devices_here,
)
from specseal.settings import Settings

_GIB = 1 << 30
LEAST_FREE_BYTES = 2 * _GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    holds: bool
    found: str
    mend: str
    """Empty where it holds."""
    needed: str
    """For what: `always`, `docker`, `native`, `accelerators`."""


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Look at everything a run may need; nothing is changed and nothing is downloaded."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _machine, _accelerators, _disk, _pip,
        _container_engine, _devices_in_containers, _debian_mirror, _openmp, _key,
    )  # fmt: skip
    return tuple(check(settings) for check in checks)


def can_run(findings: tuple[Finding, ...]) -> bool:
    """Say whether a spec can run here: all that is always needed, and one whole runtime."""

    def whole(kind: str) -> bool:
        return all(finding.holds for finding in findings if finding.needed == kind)

    return whole("always") and (whole("docker") or whole("native"))


def _finding(name: str, needed: str, found: str, mend: str = "") -> Finding:
    return Finding(name=name, holds=not mend, found=found, mend=mend, needed=needed)


def _python(settings: Settings) -> Finding:
    mend = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    return _finding("Python", "always", platform.python_version(), mend)


def _machine(settings: Settings) -> Finding:
    machine = describe_machine()
    found = (
        f"{machine['cpu']}, {len(machine['cpus'])} CPUs, "
        f"{machine['memory_bytes'] / _GIB:.0f} GiB, {machine['system']} {machine['architecture']}"
    )
    wanted = ("Linux", "x86_64")
    mend = (
        ""
        if (machine["system"], machine["architecture"]) == wanted
        else "the wheels and Debian packages that are pinned are for Linux on x86_64"
    )
    return _finding("machine", "always", found, mend)


def _accelerators(settings: Settings) -> Finding:
    machine = describe_machine()
    found = ", ".join(map(_described, machine["accelerators"])) or "none"
    faults = "; ".join(machine["accelerator_faults"])
    mend = f"mend the vendor's library, which can't be asked: {faults}" if faults else ""
    return _finding("accelerators", "accelerators", found, mend)


def _described(device: Mapping[str, Any]) -> str:
    memory, driver = device.get("memory_bytes"), device.get("driver")
    told = [
        f"{memory / _GIB:.1f} GiB" if memory else "",
        f"driver {driver}" if driver else "",
        "" if known(device["name"]) else "not in the table: no spec can name it",
    ]
    return f"{device['name']} ({', '.join(filter(None, told))})"


def _disk(settings: Settings) -> Finding:
    folder = next(
        path for path in (settings.cache_dir, *settings.cache_dir.parents) if path.exists()
    )
    free = shutil.disk_usage(folder).free
    mend = "" if free >= LEAST_FREE_BYTES else "free some, or name another cache_dir"
    return _finding("disk for the cache", "always", f"{free / _GIB:.0f} GiB free", mend)


def _pip(settings: Settings) -> Finding:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    found = " ".join(done.stdout.split()[:2]) or "none"
    return _finding(
        "pip", "always", found, "" if done.returncode == 0 else f"{sys.executable} -m ensurepip"
    )


def _container_engine(settings: Settings) -> Finding:
    try:
        with closing(connect(settings, timeout_s=5)) as client:
            version = client.version()["Version"]
    except MachineLacks as error:
        return _finding("container engine", "docker", "none answers", error.mend)
    return _finding("container engine", "docker", f"Docker Engine {version}")


def _devices_in_containers(settings: Settings) -> Finding:
    name, devices = "accelerators in containers", devices_here()
    if not devices:
        return _finding(name, "accelerators", "no accelerators")
    try:
        told = describe_container_engine(settings)
    except SpecsealError as error:
        return _finding(name, "accelerators", "no container engine answers", error.mend)
    problem, mend = container_problem(devices, told)
    return _finding(name, "accelerators", problem or "there is a way", mend)


def _debian_mirror(settings: Settings) -> Finding:
    try:
        find_mirror(settings)
    except SpecsealError as error:
        return _finding("Debian mirror", "docker", "none known", error.mend)
    where = "specseal.toml" if settings.debian_mirror else "this host's apt sources"
    return _finding("Debian mirror", "docker", f"known from {where}")


def _openmp(settings: Settings) -> Finding:
    found = ctypes.util.find_library("gomp")
    mend = "" if found else "install the OpenMP run-time library (Debian, Ubuntu: libgomp1)"
    return _finding("OpenMP", "native", found or "none", mend)


def _key(settings: Settings) -> Finding:
    made = settings.signing_key.exists()
    found = str(settings.signing_key) if made else "none yet; the first run makes one"
    return _finding("signing key", "always", found)
