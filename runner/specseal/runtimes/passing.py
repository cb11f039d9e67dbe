"""How the devices of a job, and no others, reach its engine: in a container, and as a process.

NVIDIA's come into a container through the container engine's own names for them, CDI's
(`nvidia.com/gpu=0`) where it has found some, else through its device driver `nvidia`, which needs
NVIDIA's hook. AMD's are device files, `/dev/kfd` and a render node each, and the groups that may
open them, by number: an image need not know their names.

Source: moby, daemon/nvidia_linux.go, daemon/cdi.go and API 1.50 (`DiscoveredDevices`, Docker 28.2);
NVIDIA Container Toolkit 1.18; ROCm, "Running ROCm Docker containers" and "GPU isolation
techniques"; CUDA C++ Programming Guide, environment variables.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest

from specseal.errors import MachineLacks
from specseal.runtimes.devices import Address

NO_NVIDIA = {"NVIDIA_VISIBLE_DEVICES": "void"}
"""Where the daemon's default runtime is NVIDIA's, an image that says `all` gets all without asking.
CDI sets this value too."""
HOOKS = ("nvidia-container-runtime-hook", "nvidia-cdi-hook")
"""One of them in its PATH is all that dockerd's device driver `nvidia` needs: the first, or, from
Docker 29.2 on, either."""
_CAPABILITIES = [["gpu", "compute", "utility"]]
_KFD = "/dev/kfd"
TOOLKIT_MEND = (
    "install NVIDIA's container toolkit, then `nvidia-ctk cdi generate "
    "--output=/etc/cdi/nvidia.yaml` or `nvidia-ctk runtime configure --runtime=docker`, restart "
    "the container engine; or use --runtime native"
)
ROCM_MEND = "install ROCm 6.4 or newer, which tells the render node of a device"

Which = Callable[[str], str | None]


def container_problem(
    devices: Sequence[Address], engine: Mapping[str, Any], which: Which = shutil.which
) -> tuple[str, str]:
    """Return why devices can't be passed into a container, and the mend; empty where they can.

    Args:
        devices: the job's.
        engine: what the container engine says of itself (`docker info`).
        which: finds a program in the PATH, which is the daemon's where it runs on this machine.
    """
    if any(device.vendor == "amd" and not device.node for device in devices):
        return "the render node of a device is not told", ROCM_MEND
    nvidia = [device for device in devices if device.vendor == "nvidia"]
    if nvidia and _cdi_names(nvidia, engine) is None and not _has_driver(engine, which):
        return "NVIDIA's container toolkit is not found", TOOLKIT_MEND
    return "", ""


def container_settings(
    devices: Sequence[Address], engine: Mapping[str, Any], which: Which = shutil.which
) -> dict[str, Any]:
    """Return settings of a container that is to have devices: `docker.containers.create`'s.

    Arguments as for `container_problem`. Of `environment` it holds what is to be added.

    Raises:
        MachineLacks: they can't be passed.
    """
    problem, mend = container_problem(devices, engine, which)
    if problem:
        raise MachineLacks(problem, mend=mend)
    nvidia = [device for device in devices if device.vendor == "nvidia"]
    amd = [device for device in devices if device.vendor == "amd"]
    return _nvidia_settings(nvidia, engine) | (_amd_settings(amd) if amd else {})


def visible(devices: Sequence[Address]) -> dict[str, str]:
    """Return environment variables with which a process sees devices and no others."""
    nvidia = [device.uuid or str(device.number) for device in devices if device.vendor == "nvidia"]
    amd = [device.number for device in devices if device.vendor == "amd"]
    return {
        # By the order on the bus, as NVML counts: CUDA's own puts the fastest first.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        # An index that no device has hides all; empty hides none from HIP.
        "CUDA_VISIBLE_DEVICES": ",".join(nvidia) or "-1",
        # HIP counts what ROCr leaves over.
        **({"ROCR_VISIBLE_DEVICES": ",".join(map(str, amd))} if amd else {}),
        "HIP_VISIBLE_DEVICES": ",".join(map(str, range(len(amd)))) or "-1",
    }


def _nvidia_settings(devices: list[Address], engine: Mapping[str, Any]) -> dict[str, Any]:
    if not devices:
        return {"environment": dict(NO_NVIDIA)}
    names = _cdi_names(devices, engine)
    if names is not None:
        request = DeviceRequest(driver="cdi", device_ids=names)
        return {"device_requests": [request], "environment": dict(NO_NVIDIA)}
    # The driver sets NVIDIA_VISIBLE_DEVICES itself. It is named: an empty one is any that fits.
    ids = [device.uuid or str(device.number) for device in devices]
    request = DeviceRequest(driver="nvidia", device_ids=ids, capabilities=_CAPABILITIES)
    return {"device_requests": [request], "environment": {}}


def _cdi_names(devices: Sequence[Address], engine: Mapping[str, Any]) -> list[str] | None:
    """Return the container engine's names of devices, or None where it lacks one's."""
    found = {
        device["ID"]
        for device in engine.get("DiscoveredDevices") or ()
        if device.get("Source") == "cdi"
    }
    names = []
    for device in devices:
        known_as = [f"nvidia.com/gpu={told}" for told in (device.uuid, str(device.number)) if told]
        name = next((one for one in known_as if one in found), None)
        if name is None:
            return None
        names.append(name)
    return names


def _has_driver(engine: Mapping[str, Any], which: Which) -> bool:
    return "nvidia" in (engine.get("Runtimes") or ()) or any(which(hook) for hook in HOOKS)


def _amd_settings(devices: list[Address]) -> dict[str, Any]:
    nodes = [_KFD, *(device.node for device in devices)]
    return {
        "devices": [f"{node}:{node}:rwm" for node in nodes],
        "group_add": sorted({str(group_of(node)) for node in nodes}),
    }


def group_of(node: str) -> int:
    """Return the number of the group that may open a device file."""
    try:
        return Path(node).stat().st_gid
    except OSError as error:
        raise MachineLacks(
            f"{node}: {error.strerror or error}",
            mend="load the driver amdgpu, and run specseal where the container engine runs",
        ) from error
