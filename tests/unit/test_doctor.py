"""What `examine` finds, and when it comes to a machine that can run."""

from __future__ import annotations

import subprocess
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from specseal import doctor
from specseal.doctor import Finding, can_run, examine
from specseal.runtimes.devices import Address
from specseal.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        cache_dir=tmp_path / "cache", config_dir=tmp_path, runs_dir=tmp_path / "runs",
        signing_key=tmp_path / "key.pem", docker_host=f"unix://{tmp_path}/nowhere.sock",
        debian_mirror="http://debian.test/debian",
    )  # fmt: skip


def named(settings: Settings, name: str) -> Finding:
    (finding,) = (finding for finding in examine(settings) if finding.name == name)
    return finding


def finding(needed: str, *, holds: bool) -> Finding:
    return Finding(name="x", holds=holds, found="", mend="" if holds else "mend it", needed=needed)


@pytest.mark.parametrize(
    ("always", "docker", "native", "expected"),
    [
        (True, True, True, True),
        (True, False, True, True),
        (True, True, False, True),
        (True, False, False, False),
        (False, True, True, False),
    ],
)
def test_a_machine_can_run_with_all_that_is_always_needed_and_one_runtime(
    always: bool, docker: bool, native: bool, expected: bool
) -> None:
    findings = (
        finding("always", holds=True),
        finding("always", holds=always),
        finding("docker", holds=docker),
        finding("native", holds=native),
    )
    assert can_run(findings) is expected


def test_looking_changes_nothing_and_every_lack_has_a_mend(settings: Settings) -> None:
    before = sorted(settings.config_dir.rglob("*"))
    findings = examine(settings)
    assert sorted(settings.config_dir.rglob("*")) == before
    assert all(bool(finding.mend) is not finding.holds for finding in findings)


def test_a_container_engine_that_does_not_answer_is_lacking(settings: Settings) -> None:
    found = named(settings, "container engine")
    assert (found.holds, found.found, found.needed) == (False, "none answers", "docker")
    assert "start a Docker Engine" in found.mend


def test_a_mirror_in_the_settings_is_taken_from_there(settings: Settings) -> None:
    assert named(settings, "Debian mirror").found == "known from specseal.toml"


def test_accelerators_are_shown_by_the_names_that_specs_have(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [
        {"name": "nvidia/h100-sxm5-80gb", "memory_bytes": 79 << 30, "driver": "580.65.06"},
        {"name": "nvidia/t4"},
    ]
    machine = doctor.describe_machine() | {"accelerators": there}
    monkeypatch.setattr(doctor, "describe_machine", lambda: machine)
    assert named(settings, "accelerators").found == (
        "nvidia/h100-sxm5-80gb (79.0 GiB, driver 580.65.06), "
        "nvidia/t4 (not in the table: no spec can name it)"
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"Runtimes": {"nvidia": {}}}, "there is a way"),
        ({"Runtimes": {"runc": {}}}, "NVIDIA's container toolkit is not found"),
    ],
)
def test_way_of_accelerators_into_containers_is_looked_for(
    told: dict[str, object], expected: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    devices = (Address(vendor="nvidia", number=0, uuid="GPU-0"),)
    monkeypatch.setattr(doctor, "devices_here", lambda: devices)
    monkeypatch.setattr(doctor, "describe_container_engine", lambda settings: told)
    found = doctor._devices_in_containers(settings)
    assert (found.found, found.holds) == (expected, not found.mend)


def test_way_into_containers_of_an_engine_that_does_not_answer_is_lacking(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = (Address(vendor="nvidia", number=0),)
    monkeypatch.setattr(doctor, "devices_here", lambda: devices)
    assert named(settings, "accelerators in containers").found == "no container engine answers"


def test_a_full_disk_is_lacking(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(9, 9, 0))
    assert "name another cache_dir" in named(settings, "disk for the cache").mend


def test_another_kind_of_machine_is_lacking(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = doctor.describe_machine() | {"architecture": "aarch64"}
    monkeypatch.setattr(doctor, "describe_machine", lambda: machine)
    found = named(settings, "machine")
    assert "aarch64" in found.found
    assert "x86_64" in found.mend


def test_a_python_without_pip_is_lacking(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = subprocess.CompletedProcess(args=[], returncode=1, stdout="", stderr="No module")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: missing)
    found = named(settings, "pip")
    assert found.found == "none"
    assert found.mend.endswith("-m ensurepip")


def test_a_missing_run_time_library_is_lacking_for_native_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.ctypes.util, "find_library", lambda name: None)
    found = named(settings, "OpenMP")
    assert (found.holds, found.needed) == (False, "native")
    assert "libgomp1" in found.mend


def test_a_signing_key_is_named_where_there_is_one(settings: Settings) -> None:
    assert named(settings, "signing key").found == "none yet; the first run makes one"
    key = settings.config_dir / "key.pem"
    key.touch()
    assert named(replace(settings, signing_key=key), "signing key").found == str(key)
