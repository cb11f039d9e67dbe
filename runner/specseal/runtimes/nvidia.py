"""NVIDIA's accelerators, through NVML (the package nvidia-ml-py; its module is called pynvml).

Source: NVML API reference (units: mW, mJ, MHz, °C, %, bytes), and pynvml 13.615.71.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pynvml

from specseal.runtimes.devices import (
    Address,
    Condition,
    Device,
    Devices,
    Reading,
    accelerator_name,
    readings,
)

_THROTTLES = {
    pynvml.nvmlClocksEventReasonSwPowerCap: "sw_power_cap",
    pynvml.nvmlClocksEventReasonHwSlowdown: "hw_slowdown",
    pynvml.nvmlClocksEventReasonSyncBoost: "sync_boost",
    pynvml.nvmlClocksEventReasonSwThermalSlowdown: "sw_thermal_slowdown",
    pynvml.nvmlClocksEventReasonHwThermalSlowdown: "hw_thermal_slowdown",
    pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "hw_power_brake",
}
_NO_THROTTLES = (
    pynvml.nvmlClocksEventReasonGpuIdle
    | pynvml.nvmlClocksEventReasonApplicationsClocksSetting
    | pynvml.nvmlClocksEventReasonDisplayClockSetting
)
"""Clocks are below their greatest because nothing is asked of them, or because somebody set them
so: neither slows down what runs."""


@contextmanager
def nvidia_devices(api: Any = pynvml) -> Iterator[Devices]:
    """Open NVML and yield its devices; none where there is no driver."""
    refused = _open(api)
    if refused is not None:
        yield refused
        return
    try:
        yield _found(api)
    finally:
        api.nvmlShutdown()


def _open(api: Any) -> Devices | None:
    """Open NVML; where it can't be, return what that means."""
    try:
        api.nvmlInit()
    except api.NVMLError as error:
        nothing_there = (api.NVML_ERROR_LIBRARY_NOT_FOUND, api.NVML_ERROR_DRIVER_NOT_LOADED)
        return Devices(faults=() if error.value in nothing_there else (f"NVML: {error}",))
    return None


def _found(api: Any) -> Devices:
    devices, faults = [], []
    for index in range(api.nvmlDeviceGetCount()):
        try:
            handle = api.nvmlDeviceGetHandleByIndex(index)
        except api.NVMLError as error:
            faults.append(f"NVML, device {index}: {error}")
            continue
        devices.append(
            Device(
                facts=_facts(api, handle),
                read=partial(_read, api, handle),
                address=Address(vendor="nvidia", number=index, uuid=_uuid(api, handle)),
                condition=partial(_condition, api, handle),
            )
        )
    return Devices(devices=tuple(devices), faults=tuple(faults))


def _facts(api: Any, handle: Any) -> dict[str, Any]:
    told = readings(
        {
            "product": lambda: _text(api.nvmlDeviceGetName(handle)),
            "architecture": lambda: "sm_{}{}".format(
                *api.nvmlDeviceGetCudaComputeCapability(handle)
            ),
            "driver": lambda: _text(api.nvmlSystemGetDriverVersion()),
            "cuda": lambda: _cuda(api.nvmlSystemGetCudaDriverVersion_v2()),
            "memory_bytes": lambda: api.nvmlDeviceGetMemoryInfo(handle).total,
            "power_limit_w": lambda: api.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            "clock_max_mhz": lambda: api.nvmlDeviceGetMaxClockInfo(handle, api.NVML_CLOCK_SM),
            "memory_clock_max_mhz": lambda: api.nvmlDeviceGetMaxClockInfo(
                handle, api.NVML_CLOCK_MEM
            ),
        },
        api.NVMLError,
    )
    name = accelerator_name(
        "nvidia", told.get("product", "unknown"), memory_bytes=told.get("memory_bytes")
    )
    return {"name": name, **told}


def _uuid(api: Any, handle: Any) -> str:
    try:
        return _text(api.nvmlDeviceGetUUID(handle))
    except api.NVMLError:
        return ""


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _condition(api: Any, handle: Any) -> Condition:
    return readings(
        {
            "memory_used_bytes": lambda: _memory_used_bytes(api, handle),
            "utilization_percent": lambda: api.nvmlDeviceGetUtilizationRates(handle).gpu,
            "processes": lambda: _processes(api, handle),
            "persistence": lambda: bool(api.nvmlDeviceGetPersistenceMode(handle)),
            "clocks_set": lambda: _clocks_set(api, handle),
            "power_limit_default_w": lambda: (
                api.nvmlDeviceGetPowerManagementDefaultLimit(handle) / 1000
            ),
            "partitions": lambda: (
                "MIG" if api.nvmlDeviceGetMigMode(handle)[0] == api.NVML_DEVICE_MIG_ENABLE else ""
            ),
            "ecc": lambda: bool(api.nvmlDeviceGetEccMode(handle)[0]),
        },
        # The second is no NVMLError: the driver's structures are of another size than pynvml's.
        (api.NVMLError, pynvml.NVMLLibraryMismatchError),
    )


def _processes(api: Any, handle: Any) -> int:
    """Return how many processes have a context on a device.

    From within a container without the host's process namespace NVML shows none.
    """
    found = {
        process.pid
        for ask in (
            api.nvmlDeviceGetComputeRunningProcesses,
            api.nvmlDeviceGetGraphicsRunningProcesses,
        )
        for process in ask(handle)
    }
    return len(found)


def _clocks_set(api: Any, handle: Any) -> str:
    """Return the application clock where it is not the default; no function tells locked ones."""
    kind = api.NVML_CLOCK_SM
    set_to = api.nvmlDeviceGetApplicationsClock(handle, kind)
    default = api.nvmlDeviceGetDefaultApplicationsClock(handle, kind)
    return "" if set_to == default else f"{set_to} MHz instead of {default} MHz"


def _read(api: Any, handle: Any) -> Reading:
    return readings(
        {
            "power_w": lambda: api.nvmlDeviceGetPowerUsage(handle) / 1000,
            "energy_j": lambda: api.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,
            "clock_mhz": lambda: api.nvmlDeviceGetClockInfo(handle, api.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: api.nvmlDeviceGetClockInfo(handle, api.NVML_CLOCK_MEM),
            "temperature_c": lambda: api.nvmlDeviceGetTemperature(handle, api.NVML_TEMPERATURE_GPU),
            "utilization_percent": lambda: api.nvmlDeviceGetUtilizationRates(handle).gpu,
            "memory_used_bytes": lambda: _memory_used_bytes(api, handle),
            "throttle": lambda: throttle_reasons(_clock_reasons(api, handle)),
        },
        api.NVMLError,
    )


def _memory_used_bytes(api: Any, handle: Any) -> int:
    # Of version 2, which leaves out what the driver keeps for itself.
    used: int = api.nvmlDeviceGetMemoryInfo(handle, version=api.nvmlMemory_v2).used
    return used


def throttle_reasons(mask: int) -> str:
    """Return the names of the reasons in NVML's mask that slow a device down, comma-joined.

    A reason that is not known here is named by its bit.
    """
    bits = [1 << at for at in range(mask.bit_length()) if mask >> at & 1]
    return ",".join(_THROTTLES.get(bit, f"{bit:#x}") for bit in bits if not bit & _NO_THROTTLES)


def _clock_reasons(api: Any, handle: Any) -> int:
    try:
        mask = api.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except api.NVMLError:  # drivers before 535 know it by its old name alone
        mask = api.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return int(mask)


def _text(told: str | bytes) -> str:
    return told.decode("utf-8", errors="replace") if isinstance(told, bytes) else told
