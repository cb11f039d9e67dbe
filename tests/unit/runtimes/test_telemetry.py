"""One sample: the host, the trees of processes, and the accelerators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from specseal.runtimes.devices import Device
from specseal.runtimes.rapl import PackageEnergy
from specseal.runtimes.telemetry import Sampler, sampler, tree

# A parent that starts a child which works and ends, then one that stays and holds 64 MiB.
FAMILY = """
import subprocess, sys
work = "n = 0\\nwhile n < 6_000_000: n += 1"
hold = "held = bytearray(64 << 20); print(len(held), flush=True); input()"
subprocess.run([sys.executable, "-c", work], check=True)
subprocess.run([sys.executable, "-c", hold], check=True)
"""


@pytest.fixture
def nothing_else(tmp_path: Path) -> PackageEnergy:
    return PackageEnergy(tmp_path)


def test_sample_of_a_bare_host_has_its_time_cpu_and_memory(nothing_else: PackageEnergy) -> None:
    row = Sampler((), nothing_else).sample({})
    assert row["time_ns"] > 0
    assert row["cpus"] >= 1
    assert 0 <= row["cpu_percent"] <= 100
    assert row["memory_available_bytes"] > 0
    assert "package_energy_j" not in row


def test_accelerators_are_numbered_and_what_they_do_not_tell_is_absent(
    nothing_else: PackageEnergy,
) -> None:
    devices = (
        Device(facts={}, read=lambda: {"power_w": 300.0, "throttle": ""}),
        Device(facts={}, read=lambda: {"power_w": 310.0}),
    )
    row = Sampler(devices, nothing_else).sample({})
    assert (row["accelerator0_power_w"], row["accelerator0_throttle"]) == (300.0, "")
    assert row["accelerator1_power_w"] == 310.0
    assert "accelerator1_throttle" not in row


def test_process_tree_counts_children_that_run_and_those_that_have_ended(
    nothing_else: PackageEnergy,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == f"{64 << 20}\n"
        own = psutil.Process(parent.pid).cpu_times()
        row = Sampler((), nothing_else).sample({"engine": parent.pid, "client": None})
        later = tree(parent.pid)
        parent.communicate("\n")
    assert row["engine_memory_bytes"] > 64 << 20
    assert own.children_user > 0, "the child that has ended did no work"
    assert row["engine_cpu_s"] >= own.user + own.system + own.children_user + own.children_system
    assert later["cpu_s"] >= row["engine_cpu_s"]
    assert not any(name.startswith("client_") for name in row)


def test_process_that_has_ended_is_absent(nothing_else: PackageEnergy) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    row = Sampler((), nothing_else).sample({"engine": ended.pid})
    assert not any(name.startswith("engine_") for name in row)


def test_this_machine_can_be_sampled() -> None:
    with sampler() as host:
        assert host.sample({})["memory_available_bytes"] > 0


def test_cpu_is_that_of_the_cpus_that_the_job_may_use(
    nothing_else: PackageEnergy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda percpu: [90.0, 10.0, 30.0, 90.0])
    monkeypatch.setattr("specseal.runtimes.telemetry.usable_cpus", lambda: [1, 2])
    row = Sampler((), nothing_else).sample({})
    assert (row["cpus"], row["cpu_percent"]) == (2, 20.0)


def test_cpus_that_are_numbered_beyond_what_is_told_are_all_of_them(
    nothing_else: PackageEnergy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda percpu: [90.0, 10.0])
    monkeypatch.setattr("specseal.runtimes.telemetry.usable_cpus", lambda: [6, 7])
    row = Sampler((), nothing_else).sample({})
    assert (row["cpus"], row["cpu_percent"]) == (2, 50.0)
