"""What containers are started with; nothing is started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.engines import Launch
from specseal.runtimes import containers
from specseal.runtimes.base import JobRun, ProgramRun
from specseal.runtimes.devices import Address

NVIDIA = Address(vendor="nvidia", number=0, uuid="GPU-0")
WITH_RUNTIME = {"Runtimes": {"nvidia": {}}}


@pytest.fixture
def job(tmp_path: Path) -> JobRun:
    launch = Launch(
        args=("--model", "{model}"), environment={"VLLM_TARGET_DEVICE": "x"}, dialect="llamacpp",
        counts={}, health_path="/", readback={}, shm_bytes=1, locks_memory=False,
        one_chunk_a_step=False, cut_at_limit=False,
    )  # fmt: skip
    return JobRun(launch=launch, model=tmp_path, model_file="m", folder=tmp_path, name="r1-none")


def engine(job: JobRun, told: dict[str, Any]) -> dict[str, Any]:
    return containers._engine_settings(job, "65532:65532", job.folder, [0], told)


def test_engine_on_cpus_gets_no_device(job: JobRun) -> None:
    settings = engine(job, {})
    assert not {"device_requests", "devices", "group_add"} & settings.keys()
    assert settings["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_engine_gets_its_devices_and_keeps_all_that_shuts_it_in(job: JobRun) -> None:
    bare, settings = engine(job, {}), engine(replace(job, devices=(NVIDIA,)), WITH_RUNTIME)
    (request,) = settings.pop("device_requests")
    assert request["DeviceIDs"] == ["GPU-0"]
    assert "NVIDIA_VISIBLE_DEVICES" not in settings["environment"]
    assert settings["environment"]["VLLM_TARGET_DEVICE"] == "x"
    del bare["environment"], settings["environment"]
    assert settings == bare
    assert settings["cap_drop"] == ["ALL"]
    assert settings["read_only"]
    assert settings["network_mode"] == "none"


def test_client_gets_no_device_whatever_its_engine_has(job: JobRun) -> None:
    settings = containers._client_settings(
        replace(job, devices=(NVIDIA,)), "65532:65532", [0], "engine"
    )
    assert not {"device_requests", "devices", "group_add"} & settings.keys()
    assert settings["environment"] == {"NVIDIA_VISIBLE_DEVICES": "void"}


def test_program_alone_gets_no_device(tmp_path: Path) -> None:
    run = ProgramRun(args=("{model}",), model=tmp_path, out=tmp_path, name="tokenise")
    settings = containers._program_settings(run, "65532:65532", tmp_path)
    assert "device_requests" not in settings
    assert settings["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert settings["network_mode"] == "none"


class Started:
    """A container as docker-py shows it."""

    id = "c"

    def __init__(self, **host: Any) -> None:
        always = {
            "ReadonlyRootfs": True, "CapDrop": ["ALL"], "SecurityOpt": [], "PidsLimit": 1,
            "Memory": 1, "CpusetCpus": "0", "ShmSize": 1, "Privileged": False,
            "NetworkMode": "none",
        }  # fmt: skip
        self.attrs = {
            "HostConfig": always | host, "Image": "sha256:1", "Config": {"User": "1:1"},
            "Mounts": [],
        }  # fmt: skip

    def reload(self) -> None:
        pass


def test_devices_in_force_are_told_without_serial_numbers() -> None:
    requests = [{"Driver": "nvidia", "DeviceIDs": ["GPU-0", "GPU-1"], "Count": 0}]
    devices = [{"PathOnHost": "/dev/kfd", "PathInContainer": "/dev/kfd"}]
    found = Started(DeviceRequests=requests, Devices=devices, GroupAdd=["109", "44"])
    told = containers._Container(found).settings()
    assert told["DeviceRequests"] == [{"Driver": "nvidia", "Devices": 2}]
    assert (told["Devices"], told["GroupAdd"]) == (["/dev/kfd"], ["109", "44"])
    assert "GPU-0" not in str(told)


def test_container_without_devices_is_told_as_such() -> None:
    told = containers._Container(Started(DeviceRequests=None, Devices=None)).settings()
    assert (told["DeviceRequests"], told["Devices"], told["GroupAdd"]) == ([], [], [])
