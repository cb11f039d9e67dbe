"""AMD SMI as its Python module shows it, for one device that a test describes.

Source of names, keys and units: the module amdsmi 7.0.2 and amdsmi.h of ROCm 7.0 (power W, energy
count × µJ, clocks MHz, temperature °C, memory bytes, power cap µW); `N/A` for what is not told. Of
enumeration, processes, performance levels and partitions: py-interface/amdsmi_interface.py in
ROCm/amdsmi and ROCm/rocm-systems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class AmdSmiException(Exception):
    """As the module's own."""


@dataclass
class FakeAmdSmi:
    """The functions that specseal calls."""

    init_fails: bool = False
    refused: set[str] = field(default_factory=set)
    power: dict[str, Any] = field(default_factory=lambda: {"socket_power": 640})
    violations: dict[str, Any] = field(default_factory=lambda: {"active_ppt_pwr": False})
    product: str = "AMD Instinct MI300X"
    device_id: str = "0x74a1"
    missing: set[str] = field(default_factory=set)
    """Functions that an older library has not."""
    level: str = "AMDSMI_DEV_PERF_LEVEL_AUTO"
    partition: str = "SPX"
    processes: list[Any] = field(default_factory=list)
    opened: int = 0

    AmdSmiException = AmdSmiException
    AmdSmiClkType = SimpleNamespace(GFX="gfx", MEM="mem")
    AmdSmiTemperatureType = SimpleNamespace(HOTSPOT="hotspot")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT="current")
    AmdSmiMemoryType = SimpleNamespace(VRAM="vram")

    def amdsmi_init(self) -> None:
        if self.init_fails:
            raise AmdSmiException("Error code:\n\t34 | AMDSMI_STATUS_DRIVER_NOT_LOADED")
        self.opened += 1

    def amdsmi_shut_down(self) -> None:
        self.opened -= 1

    def amdsmi_get_processor_handles(self) -> list[str]:
        return ["handle"]

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "amdsmi_get_gpu_asic_info": {
                "market_name": self.product, "device_id": self.device_id,
                "target_graphics_version": "gfx942",
            },
            "amdsmi_get_gpu_enumeration_info": {
                "drm_card": 1, "drm_render": 129, "hsa_id": 3, "hip_id": 1, "hip_uuid": "GPU-1f",
            },
            "amdsmi_get_gpu_process_list": self.processes,
            "amdsmi_get_gpu_perf_level": self.level,
            "amdsmi_get_gpu_compute_partition": self.partition,
            "amdsmi_get_gpu_driver_info": {"driver_version": "6.14.14"},
            "amdsmi_get_gpu_memory_total": 192 << 30,
            "amdsmi_get_gpu_memory_usage": 7 << 30,
            "amdsmi_get_power_cap_info": {
                "power_cap": 750_000_000, "default_power_cap": 750_000_000,
            },
            "amdsmi_get_power_info": self.power,
            "amdsmi_get_energy_count": {
                "energy_accumulator": 2_000_000, "counter_resolution": 15.5,
            },
            "amdsmi_get_temp_metric": 63,
            "amdsmi_get_gpu_activity": {"gfx_activity": 88},
            "amdsmi_get_violation_status": self.violations,
        }  # fmt: skip
        clocks = {"gfx": {"clk": 2100, "max_clk": 2100}, "mem": {"clk": 1300, "max_clk": 1300}}
        if name == "amdsmi_get_clock_info":
            return lambda handle, kind: clocks[kind]
        if name not in answers or name in self.missing:
            raise AttributeError(name)

        def ask(*args: Any) -> Any:
            if name in self.refused:
                raise AmdSmiException(name)
            return answers[name]

        return ask
