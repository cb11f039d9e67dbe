"""What is read of AMD's accelerators, through a fake of their library."""

from __future__ import annotations

from typing import Any

import pytest

from specseal.runtimes.amd import amd_devices
from specseal.runtimes.devices import Address
from unit.runtimes.fake_amd import FakeAmdSmi


def read(api: FakeAmdSmi) -> dict[str, Any]:
    with amd_devices(lambda: api) as found:
        return found.devices[0].read()


def test_every_field_is_in_its_unit() -> None:
    assert read(FakeAmdSmi()) == {
        "power_w": 640,
        "energy_j": 31.0,
        "clock_mhz": 2100,
        "memory_clock_mhz": 1300,
        "temperature_c": 63,
        "utilization_percent": 88,
        "memory_used_bytes": 7 << 30,
        "throttle": "",
    }


def test_device_is_described_by_its_spec_name_driver_and_limits() -> None:
    with amd_devices(FakeAmdSmi) as found:
        assert found.devices[0].facts == {
            "name": "amd/mi300x-192gb",
            "product": "AMD Instinct MI300X",
            "architecture": "gfx942",
            "driver": "6.14.14",
            "memory_bytes": 192 << 30,
            "power_limit_w": 750.0,
            "clock_max_mhz": 2100,
            "memory_clock_max_mhz": 1300,
        }


def condition(api: FakeAmdSmi) -> dict[str, Any]:
    with amd_devices(lambda: api) as found:
        return found.devices[0].condition()


def address(api: FakeAmdSmi) -> Address:
    with amd_devices(lambda: api) as found:
        return found.devices[0].address


@pytest.mark.parametrize(
    ("product", "device_id"), [("AMD Instinct MI300X OAM", "N/A"), ("N/A", "0x74A1")]
)
def test_device_is_recognised_by_its_name_or_its_id(product: str, device_id: str) -> None:
    with amd_devices(lambda: FakeAmdSmi(product=product, device_id=device_id)) as found:
        assert found.devices[0].facts["name"] == "amd/mi300x-192gb"


def test_device_is_addressed_by_what_hip_counts_and_its_render_node() -> None:
    assert address(FakeAmdSmi()) == Address(vendor="amd", number=1, node="/dev/dri/renderD129")


def test_older_library_leaves_a_device_its_place_and_no_node() -> None:
    api = FakeAmdSmi(missing={"amdsmi_get_gpu_enumeration_info"})
    assert address(api) == Address(vendor="amd", number=0)


def test_condition_of_a_device_that_nobody_has_touched() -> None:
    assert condition(FakeAmdSmi()) == {
        "memory_used_bytes": 7 << 30,
        "utilization_percent": 88,
        "processes": 0,
        "clocks_set": "",
        "power_limit_default_w": 750.0,
        "partitions": "",
    }


def test_condition_tells_of_clocks_and_partitions() -> None:
    told = condition(FakeAmdSmi(level="AMDSMI_DEV_PERF_LEVEL_MANUAL", partition="CPX"))
    assert (told["clocks_set"], told["partitions"]) == ("performance level manual", "CPX")


def test_processes_that_hold_no_memory_of_a_device_have_only_opened_it() -> None:
    holds = {"pid": 7, "name": "python3", "memory_usage": {"vram_mem": 1 << 30}}
    opened = {"pid": 8, "name": "N/A", "memory_usage": {"vram_mem": 0}}
    assert condition(FakeAmdSmi(processes=[holds, opened, {"pid": 9}]))["processes"] == 2


@pytest.mark.parametrize(
    ("told", "watts"),
    [
        ({"socket_power": "N/A", "current_socket_power": 300}, 300),
        ({"current_socket_power": "N/A", "average_socket_power": 210}, 210),
    ],
)
def test_power_is_whatever_the_device_tells_of_it(told: dict[str, Any], watts: int) -> None:
    assert read(FakeAmdSmi(power=told))["power_w"] == watts


def test_what_a_device_does_not_tell_is_absent() -> None:
    api = FakeAmdSmi(
        power={"socket_power": "N/A"},
        violations={"active_ppt_pwr": "N/A"},
        refused={"amdsmi_get_energy_count"},
    )
    assert not {"power_w", "energy_j", "throttle"} & read(api).keys()


def test_violations_that_are_active_are_named() -> None:
    active = {"active_ppt_pwr": True, "active_hbm_thrm": True, "active_vr_thrm": False}
    assert read(FakeAmdSmi(violations=active))["throttle"] == "ppt_power,hbm_thermal"


def test_library_that_refuses_is_a_fault_on_one_line() -> None:
    with amd_devices(lambda: FakeAmdSmi(init_fails=True)) as found:
        assert found.devices == ()
        assert found.faults == ("AMD SMI: Error code: 34 | AMDSMI_STATUS_DRIVER_NOT_LOADED",)


def test_machine_without_the_module_has_no_devices_and_no_fault() -> None:
    with amd_devices(lambda: None) as found:
        assert (found.devices, found.faults) == ((), ())


def test_library_is_closed_whatever_happens() -> None:
    api = FakeAmdSmi()
    with pytest.raises(KeyboardInterrupt), amd_devices(lambda: api):
        raise KeyboardInterrupt
    assert api.opened == 0


def test_library_of_this_machine_can_be_asked() -> None:
    with amd_devices() as found:
        assert all(device.read() for device in found.devices)
