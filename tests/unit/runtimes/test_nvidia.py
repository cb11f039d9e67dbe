"""What is read of NVIDIA's accelerators, through a fake of their library."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from specseal.runtimes.devices import Address
from specseal.runtimes.nvidia import nvidia_devices, throttle_reasons
from unit.runtimes.fake_nvml import FakeNvml


def read(api: FakeNvml) -> dict[str, Any]:
    with nvidia_devices(api) as found:
        return found.devices[0].read()


def test_every_field_is_in_its_unit() -> None:
    assert read(FakeNvml()) == {
        "power_w": 412.345,
        "energy_j": 9876.543,
        "clock_mhz": 1755,
        "memory_clock_mhz": 2619,
        "temperature_c": 51,
        "utilization_percent": 97,
        "memory_used_bytes": 3 << 30,
        "throttle": "",
    }


@pytest.mark.parametrize("product", ["NVIDIA H100 80GB HBM3", b"NVIDIA H100 80GB HBM3"])
def test_device_is_described_by_its_spec_name_driver_and_limits(product: str | bytes) -> None:
    with nvidia_devices(FakeNvml(product=product)) as found:
        assert found.devices[0].facts == {
            "name": "nvidia/h100-sxm5-80gb",
            "product": "NVIDIA H100 80GB HBM3",
            "architecture": "sm_90",
            "driver": "580.65.06",
            "cuda": "13.0",
            "memory_bytes": 80 << 30,
            "power_limit_w": 700.0,
            "clock_max_mhz": 1980,
            "memory_clock_max_mhz": 2619,
        }


def condition(api: FakeNvml) -> dict[str, Any]:
    with nvidia_devices(api) as found:
        return found.devices[0].condition()


def test_device_is_addressed_by_its_number_and_its_uuid() -> None:
    with nvidia_devices(FakeNvml(devices=2)) as found:
        assert [device.address for device in found.devices] == [
            Address(vendor="nvidia", number=0, uuid="GPU-0"),
            Address(vendor="nvidia", number=1, uuid="GPU-1"),
        ]


def test_uuid_that_is_not_told_is_empty() -> None:
    with nvidia_devices(FakeNvml(refused={"nvmlDeviceGetUUID"})) as found:
        assert found.devices[0].address == Address(vendor="nvidia", number=0)


def test_condition_of_a_device_that_nobody_has_touched() -> None:
    assert condition(FakeNvml()) == {
        "memory_used_bytes": 3 << 30,
        "utilization_percent": 97,
        "processes": 0,
        "persistence": True,
        "clocks_set": "",
        "power_limit_default_w": 700.0,
        "partitions": "",
        "ecc": True,
    }


def test_condition_tells_of_processes_clocks_and_mig() -> None:
    told = condition(FakeNvml(processes=(7, 8), application_clock_mhz=1410, mig=1))
    assert told["processes"] == 2
    assert told["clocks_set"] == "1410 MHz instead of 1980 MHz"
    assert told["partitions"] == "MIG"


def test_condition_that_the_driver_refuses_or_tells_otherwise_is_absent() -> None:
    told = condition(
        FakeNvml(
            refused={"nvmlDeviceGetMigMode", "nvmlDeviceGetApplicationsClock"},
            mismatched={"nvmlDeviceGetComputeRunningProcesses"},
        )
    )
    assert not {"partitions", "clocks_set", "processes"} & told.keys()


def test_product_with_other_memory_than_its_row_is_not_named_like_it() -> None:
    with nvidia_devices(FakeNvml(product="NVIDIA A100-SXM4-80GB", memory_bytes=64 << 30)) as found:
        assert found.devices[0].facts["name"] == "nvidia/a100-sxm4-80gb-unlike-the-table"


def test_what_a_device_does_not_tell_is_absent() -> None:
    missing = {"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"}
    told = read(FakeNvml(refused=missing))
    assert not {"energy_j", "power_w"} & told.keys()
    assert told["clock_mhz"] == 1755


@pytest.mark.parametrize(
    ("mask", "reasons"),
    [
        (pynvml.nvmlClocksEventReasonNone, ""),
        (pynvml.nvmlClocksEventReasonGpuIdle, ""),
        (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, ""),
        (pynvml.nvmlClocksEventReasonSwPowerCap, "sw_power_cap"),
        (
            pynvml.nvmlClocksEventReasonHwSlowdown
            | pynvml.nvmlClocksEventReasonHwThermalSlowdown
            | pynvml.nvmlClocksEventReasonGpuIdle,
            "hw_slowdown,hw_thermal_slowdown",
        ),
        (pynvml.nvmlClocksEventReasonSwThermalSlowdown, "sw_thermal_slowdown"),
        (pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown, "hw_power_brake"),
        (1 << 40, "0x10000000000"),
    ],
)
def test_reasons_that_slow_a_device_down_are_named_and_no_others(mask: int, reasons: str) -> None:
    assert throttle_reasons(mask) == reasons
    assert read(FakeNvml(reasons=mask))["throttle"] == reasons


def test_older_driver_tells_its_reasons_by_their_older_name() -> None:
    api = FakeNvml(
        refused={"nvmlDeviceGetCurrentClocksEventReasons"},
        reasons=pynvml.nvmlClocksEventReasonSwPowerCap,
    )
    assert read(api)["throttle"] == "sw_power_cap"


@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED]
)
def test_machine_without_a_driver_has_no_devices_and_no_fault(error: int) -> None:
    with nvidia_devices(FakeNvml(init_error=error)) as found:
        assert (found.devices, found.faults) == ((), ())


def test_driver_that_does_not_fit_its_library_is_a_fault() -> None:
    with nvidia_devices(FakeNvml(init_error=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)) as found:
        assert found.devices == ()
        assert "version" in found.faults[0].lower()


def test_lost_device_is_a_fault_and_the_others_are_read() -> None:
    with nvidia_devices(FakeNvml(devices=3, lost={1})) as found:
        assert len(found.devices) == 2
        assert found.faults[0].startswith("NVML, device 1: ")


def test_library_is_closed_whatever_happens() -> None:
    api = FakeNvml()
    with pytest.raises(KeyboardInterrupt), nvidia_devices(api):
        raise KeyboardInterrupt
    assert api.opened == 0


def test_library_of_this_machine_can_be_asked() -> None:
    with nvidia_devices() as found:
        assert all(device.read() for device in found.devices)
