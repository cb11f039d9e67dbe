"""How devices reach an engine: settings of its container, variables of its process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specseal.errors import MachineLacks
from specseal.runtimes import passing
from specseal.runtimes.devices import Address
from specseal.runtimes.passing import container_problem, container_settings, visible

TWO = (
    Address(vendor="nvidia", number=2, uuid="GPU-2f"),
    Address(vendor="nvidia", number=3, uuid="GPU-3a"),
)
AMD = (
    Address(vendor="amd", number=4, node="/dev/dri/renderD132"),
    Address(vendor="amd", number=5, node="/dev/dri/renderD133"),
)
# Source: `docker info` with NVIDIA's toolkit configured as a runtime, and Engine API 1.50.
WITH_RUNTIME = {"Runtimes": {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}}
BARE = {"Runtimes": {"runc": {}}, "DiscoveredDevices": None}


def discovered(*names: str) -> dict[str, Any]:
    return {"DiscoveredDevices": [{"Source": "cdi", "ID": f"nvidia.com/gpu={n}"} for n in names]}


def nothing(program: str) -> None:
    return None


def test_job_without_devices_gets_none_whatever_the_daemons_default_runtime_is() -> None:
    assert container_settings((), {}) == {"environment": {"NVIDIA_VISIBLE_DEVICES": "void"}}


def test_nvidias_are_requested_by_uuid_from_the_named_driver() -> None:
    given = container_settings(TWO, WITH_RUNTIME, nothing)
    (request,) = given["device_requests"]
    assert dict(request) == {
        "Driver": "nvidia",
        "Count": 0,
        "DeviceIDs": ["GPU-2f", "GPU-3a"],
        "Capabilities": [["gpu", "compute", "utility"]],
        "Options": {},
    }
    assert given["environment"] == {}, "the driver sets the variable itself"


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("0", "1", "2", "3", "all"), ["nvidia.com/gpu=2", "nvidia.com/gpu=3"]),
        (("GPU-2f", "GPU-3a", "2", "3"), ["nvidia.com/gpu=GPU-2f", "nvidia.com/gpu=GPU-3a"]),
    ],
)
def test_cdi_is_asked_by_the_names_that_the_container_engine_has_found(
    names: tuple[str, ...], asked: list[str]
) -> None:
    given = container_settings(TWO, {**WITH_RUNTIME, **discovered(*names)}, nothing)
    (request,) = given["device_requests"]
    assert (request["Driver"], request["DeviceIDs"]) == ("cdi", asked)
    assert (request["Count"], request["Capabilities"]) == (0, [])
    assert given["environment"] == {"NVIDIA_VISIBLE_DEVICES": "void"}


@pytest.mark.parametrize("names", [("2",), ("all",)])
def test_cdi_that_lacks_a_name_is_left_for_the_driver(names: tuple[str, ...]) -> None:
    given = container_settings(TWO, {**WITH_RUNTIME, **discovered(*names)}, nothing)
    assert given["device_requests"][0]["Driver"] == "nvidia"


def test_hook_in_the_path_is_a_driver_too() -> None:
    found = {"nvidia-container-runtime-hook": "/usr/bin/nvidia-container-runtime-hook"}
    assert container_problem(TWO, BARE, found.get) == ("", "")


def test_toolkit_that_is_missing_is_named_with_its_mend() -> None:
    problem, mend = container_problem(TWO, BARE, nothing)
    assert problem == "NVIDIA's container toolkit is not found"
    assert "nvidia-ctk cdi generate" in mend
    with pytest.raises(MachineLacks, match="toolkit is not found"):
        container_settings(TWO, BARE, nothing)


def test_amds_are_their_device_files_and_the_groups_that_may_open_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = {"/dev/kfd": 44, "/dev/dri/renderD132": 109, "/dev/dri/renderD133": 109}
    monkeypatch.setattr(passing, "group_of", groups.__getitem__)
    assert container_settings(AMD, BARE, nothing) == {
        "devices": [
            "/dev/kfd:/dev/kfd:rwm",
            "/dev/dri/renderD132:/dev/dri/renderD132:rwm",
            "/dev/dri/renderD133:/dev/dri/renderD133:rwm",
        ],
        "group_add": ["109", "44"],
        "environment": {"NVIDIA_VISIBLE_DEVICES": "void"},
    }


def test_amds_whose_render_node_is_not_told_can_not_be_passed() -> None:
    problem, mend = container_problem((Address(vendor="amd", number=0),), BARE, nothing)
    assert problem == "the render node of a device is not told"
    assert "ROCm 6.4" in mend


def test_group_of_a_device_file_is_a_number(tmp_path: Path) -> None:
    node = tmp_path / "renderD128"
    node.touch()
    assert passing.group_of(str(node)) == node.stat().st_gid


def test_device_file_that_is_not_there_is_what_the_machine_lacks(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="renderD128: No such file"):
        passing.group_of(str(tmp_path / "renderD128"))


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ((), {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"}),
        (TWO, {"CUDA_VISIBLE_DEVICES": "GPU-2f,GPU-3a", "HIP_VISIBLE_DEVICES": "-1"}),
        ((Address(vendor="nvidia", number=1),), {"CUDA_VISIBLE_DEVICES": "1"}),
        (
            AMD,
            {
                "CUDA_VISIBLE_DEVICES": "-1",
                "ROCR_VISIBLE_DEVICES": "4,5",
                "HIP_VISIBLE_DEVICES": "0,1",
            },
        ),
    ],
)
def test_process_sees_its_devices_and_no_others(
    devices: tuple[Address, ...], expected: dict[str, str]
) -> None:
    assert visible(devices).items() >= expected.items()
    assert visible(devices)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
