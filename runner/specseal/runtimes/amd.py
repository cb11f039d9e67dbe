"""AMD's accelerators, through AMD SMI's Python module, which comes with ROCm and fits its version.

It is not among specseal's own packages for that reason: where it can be imported, it is used.

Source: AMD SMI Python API and amdsmi.h of ROCm 7.0 (units: W, µJ a count, MHz, °C, %, bytes, power
cap in µW on bare metal). It writes `N/A` where a device does not tell.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any

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
    "active_prochot_thrm": "prochot_thermal",
    "active_ppt_pwr": "ppt_power",
    "active_socket_thrm": "socket_thermal",
    "active_vr_thrm": "vr_thermal",
    "active_hbm_thrm": "hbm_thermal",
}


@contextmanager
def amd_devices(load: Callable[[], Any] | None = None) -> Iterator[Devices]:
    """Open AMD SMI and yield its devices; none where the module or its library is missing."""
    api = (load or _import)()
    if api is None:
        yield Devices()
        return
    refused = _open(api)
    if refused is not None:
        yield refused
        return
    try:
        yield _found(api)
    finally:
        api.amdsmi_shut_down()


def _open(api: Any) -> Devices | None:
    """Open AMD SMI; where it can't be, return what that means."""
    try:
        api.amdsmi_init()
    except api.AmdSmiException as error:
        return _fault(error)
    return None


def _found(api: Any) -> Devices:
    try:
        handles = api.amdsmi_get_processor_handles()
    except api.AmdSmiException as error:
        return _fault(error)
    devices = (
        Device(
            facts=_facts(api, handle),
            read=partial(_read, api, handle),
            address=_address(api, handle, number),
            condition=partial(_condition, api, handle),
        )
        for number, handle in enumerate(handles)
    )
    return Devices(devices=tuple(devices))


def _fault(error: Exception) -> Devices:
    return Devices(faults=(f"AMD SMI: {' '.join(str(error).split())}",))


def _import() -> Any:
    """Return the module, or None. Without its library it prints so, and fails on a KeyError."""
    try:
        with redirect_stdout(io.StringIO()):
            return importlib.import_module("amdsmi")
    except (ImportError, OSError, KeyError):
        return None


def _facts(api: Any, handle: Any) -> dict[str, Any]:
    clocks = api.AmdSmiClkType
    told = readings(
        {
            "product": lambda: _told(api.amdsmi_get_gpu_asic_info(handle), "market_name"),
            "architecture": lambda: _told(
                api.amdsmi_get_gpu_asic_info(handle), "target_graphics_version"
            ),
            "driver": lambda: _told(api.amdsmi_get_gpu_driver_info(handle), "driver_version"),
            "memory_bytes": lambda: api.amdsmi_get_gpu_memory_total(
                handle, api.AmdSmiMemoryType.VRAM
            ),
            "power_limit_w": lambda: _scaled(
                _told(api.amdsmi_get_power_cap_info(handle), "power_cap"), 1e-6
            ),
            "clock_max_mhz": lambda: _told(
                api.amdsmi_get_clock_info(handle, clocks.GFX), "max_clk"
            ),
            "memory_clock_max_mhz": lambda: _told(
                api.amdsmi_get_clock_info(handle, clocks.MEM), "max_clk"
            ),
        },
        api.AmdSmiException,
    )
    ids = readings(
        {"pci": lambda: _told(api.amdsmi_get_gpu_asic_info(handle), "device_id")},
        api.AmdSmiException,
    )
    name = accelerator_name(
        "amd",
        told.get("product", "unknown"),
        ids=map(str, ids.values()),
        memory_bytes=told.get("memory_bytes"),
    )
    return {"name": name, **told}


def _address(api: Any, handle: Any, number: int) -> Address:
    """Return how programs are told of a device.

    Libraries before ROCm 6.4 don't tell the number that HIP gives it, nor its render node.
    """
    told = readings(
        {
            "number": lambda: _told(api.amdsmi_get_gpu_enumeration_info(handle), "hip_id"),
            "render": lambda: _told(api.amdsmi_get_gpu_enumeration_info(handle), "drm_render"),
        },
        (api.AmdSmiException, AttributeError),
    )
    node = f"/dev/dri/renderD{told['render']}" if "render" in told else ""
    return Address(vendor="amd", number=int(told.get("number", number)), node=node)


def _condition(api: Any, handle: Any) -> Condition:
    return readings(
        {
            "memory_used_bytes": lambda: api.amdsmi_get_gpu_memory_usage(
                handle, api.AmdSmiMemoryType.VRAM
            ),
            "utilization_percent": lambda: _told(
                api.amdsmi_get_gpu_activity(handle), "gfx_activity"
            ),
            "processes": lambda: _processes(api.amdsmi_get_gpu_process_list(handle)),
            "clocks_set": lambda: _clocks_set(api.amdsmi_get_gpu_perf_level(handle)),
            "power_limit_default_w": lambda: _scaled(
                _told(api.amdsmi_get_power_cap_info(handle), "default_power_cap"), 1e-6
            ),
            "partitions": lambda: _partitions(api.amdsmi_get_gpu_compute_partition(handle)),
        },
        (api.AmdSmiException, AttributeError),
    )


def _processes(listed: list[Any]) -> int:
    """Return how many processes hold memory of a device: ROCm's open all devices there are."""

    def holds_none(process: Any) -> bool:
        memory = process.get("memory_usage", {}) if isinstance(process, Mapping) else {}
        return bool(memory.get("vram_mem") == 0)

    return sum(not holds_none(process) for process in listed)


def _clocks_set(level: str) -> str:
    """Return the performance level where somebody has set it."""
    name = level.removeprefix("AMDSMI_DEV_PERF_LEVEL_").lower()
    return "" if name in ("auto", "unknown") else f"performance level {name}"


def _partitions(mode: str) -> str:
    """Return the compute partitioning, where there are several partitions: SPX has one."""
    return "" if mode in ("SPX", "N/A", "") else mode


def _read(api: Any, handle: Any) -> Reading:
    clocks, temperatures = api.AmdSmiClkType, api.AmdSmiTemperatureType
    return readings(
        {
            "power_w": lambda: _power(api.amdsmi_get_power_info(handle)),
            "energy_j": lambda: _energy(api.amdsmi_get_energy_count(handle)),
            "clock_mhz": lambda: _told(api.amdsmi_get_clock_info(handle, clocks.GFX), "clk"),
            "memory_clock_mhz": lambda: _told(api.amdsmi_get_clock_info(handle, clocks.MEM), "clk"),
            "temperature_c": lambda: api.amdsmi_get_temp_metric(
                handle, temperatures.HOTSPOT, api.AmdSmiTemperatureMetric.CURRENT
            ),
            "utilization_percent": lambda: _told(
                api.amdsmi_get_gpu_activity(handle), "gfx_activity"
            ),
            "memory_used_bytes": lambda: api.amdsmi_get_gpu_memory_usage(
                handle, api.AmdSmiMemoryType.VRAM
            ),
            "throttle": lambda: _throttle(api.amdsmi_get_violation_status(handle)),
        },
        api.AmdSmiException,
    )


def _told(answer: Mapping[str, Any], key: str) -> Any:
    """Return an answer's value, or None where it is `N/A` or not there."""
    value = answer.get(key)
    return None if value == "N/A" else value


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _power(answer: Mapping[str, Any]) -> float | None:
    """Return W. MI300 tells the current power, older ones an average, newer libraries either."""
    names = ("socket_power", "current_socket_power", "average_socket_power")
    told = (_told(answer, name) for name in names)
    return next((watts for watts in told if watts is not None), None)


def _energy(answer: Mapping[str, Any]) -> float:
    """Return J since the driver was loaded."""
    microjoules: float = answer["energy_accumulator"] * answer["counter_resolution"]
    return microjoules / 1e6


def _throttle(answer: Mapping[str, Any]) -> str | None:
    told = {name: _told(answer, key) for key, name in _THROTTLES.items()}
    if all(is_active is None for is_active in told.values()):
        return None
    return ",".join(name for name, is_active in told.items() if is_active)
