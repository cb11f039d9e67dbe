"""NVML as `pynvml` shows it, for one device that a test describes.

Source of names, arguments and units: pynvml of nvidia-ml-py 13.615.71, and the NVML API reference
(power mW, energy mJ, clocks MHz, temperature °C, memory bytes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml


@dataclass
class FakeNvml:
    """The functions that specseal calls; a value that is an error is raised."""

    product: str | bytes = "NVIDIA H100 80GB HBM3"
    init_error: int | None = None
    devices: int = 1
    refused: set[str] = field(default_factory=set)
    """Functions that the device or its driver does not have."""
    lost: set[int] = field(default_factory=set)
    """Devices that have fallen off the bus."""
    reasons: int = 0
    memory_bytes: int = 80 << 30
    processes: tuple[int, ...] = ()
    """Ids of those that compute."""
    mismatched: set[str] = field(default_factory=set)
    """Functions whose structures are of another size in the driver."""
    application_clock_mhz: int = 1980
    mig: int = 0
    opened: int = 0

    NVMLError = pynvml.NVMLError

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("NVML_", "nvmlMemory")):
            return getattr(pynvml, name)
        if not name.startswith("nvml"):
            raise AttributeError(name)
        return lambda *args, **named: self._ask(name, *args, **named)

    def _ask(self, name: str, *args: Any, **named: Any) -> Any:
        if name in self.refused:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        if name in self.mismatched:
            raise pynvml.NVMLLibraryMismatchError("Unversioned function called")
        return getattr(self, f"_{name}")(*args, **named)

    def _nvmlInit(self) -> None:  # noqa: N802  (NVML's names)
        if self.init_error is not None:
            raise pynvml.NVMLError(self.init_error)
        self.opened += 1

    def _nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def _nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        if index in self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return f"handle {index}"

    def _nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: 1755, pynvml.NVML_CLOCK_MEM: 2619}[kind]

    def _nvmlDeviceGetMaxClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[kind]

    def _nvmlDeviceGetMemoryInfo(self, handle: str, version: int | None = None) -> Any:  # noqa: N802
        # The first version counts as used what the driver keeps for itself.
        used = 3 << 30 if version == pynvml.nvmlMemory_v2 else 4 << 30
        return SimpleNamespace(total=self.memory_bytes, used=used)

    def _nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        return {pynvml.NVML_TEMPERATURE_GPU: 51}[sensor]

    def _nvmlDeviceGetApplicationsClock(self, handle: str, kind: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: self.application_clock_mhz}[kind]

    def _nvmlDeviceGetDefaultApplicationsClock(self, handle: str, kind: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: 1980}[kind]

    def _nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=None) for pid in self.processes]

    def __post_init__(self) -> None:
        simple: dict[str, Any] = {
            "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle.removeprefix('handle ')}",
            "nvmlDeviceGetCudaComputeCapability": lambda handle: (9, 0),
            "nvmlSystemGetCudaDriverVersion_v2": lambda: 13_000,
            "nvmlDeviceGetPersistenceMode": lambda handle: 1,
            "nvmlDeviceGetPowerManagementDefaultLimit": lambda handle: 700_000,
            "nvmlDeviceGetMigMode": lambda handle: [self.mig, self.mig],
            "nvmlDeviceGetEccMode": lambda handle: [1, 1],
            "nvmlDeviceGetGraphicsRunningProcesses": lambda handle: [],
            "nvmlDeviceGetCount": lambda: self.devices,
            "nvmlSystemGetDriverVersion": lambda: "580.65.06",
            "nvmlDeviceGetName": lambda handle: self.product,
            "nvmlDeviceGetPowerUsage": lambda handle: 412_345,
            "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 9_876_543,
            "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=97, memory=60),
            "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: self.reasons,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: self.reasons,
        }
        for name, answer in simple.items():
            setattr(self, f"_{name}", answer)
