"""Before a run: which devices a job is to hold, what stops it, and what is only warned of."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from specseal.errors import MachineLacks
from specseal.runtimes.amd import amd_devices
from specseal.runtimes.devices import Address
from specseal.runtimes.nvidia import nvidia_devices
from specseal.runtimes.preflight import Finding, Found, Inspection, Preflight, judge
from specseal.spec.model import Hardware
from unit.runtimes.fake_amd import FakeAmdSmi
from unit.runtimes.fake_nvml import FakeNvml

H100, A100 = "nvidia/h100-sxm5-80gb", "nvidia/a100-sxm4-80gb"
MI300X = "amd/mi300x-192gb"
GIB = 1 << 30


def device(number: int, name: str = H100, **said: Any) -> Found:
    """Return a device that nobody uses; `said` goes to its facts or its condition."""
    facts = {
        "name": name,
        "driver": "580.65.06",
        "memory_bytes": 80 * GIB,
        "power_limit_w": 700.0 if name == H100 else 400.0,
    }
    condition = {
        "memory_used_bytes": 4 << 20,
        "utilization_percent": 0,
        "processes": 0,
        "persistence": True,
        "clocks_set": "",
        "power_limit_default_w": facts["power_limit_w"],
        "partitions": "",
    }
    vendor = name.partition("/")[0]
    return Found(
        facts={key: said.get(key, value) for key, value in facts.items()},
        condition={key: said.get(key, value) for key, value in condition.items()},
        address=Address(vendor=vendor, number=number, uuid=f"GPU-{number}"),
    )


def asked(count: int = 1, accelerator: str = H100, driver: str | None = None) -> Hardware:
    return Hardware(accelerator=accelerator, count=count, driver=driver)


def look(what: Hardware, *found: Found, any_hardware: bool = False) -> Inspection:
    return judge(what, found, any_hardware=any_hardware)


def held(inspection: Inspection) -> list[int]:
    return [one.address.number for one in inspection.devices]


def named(inspection: Inspection, name: str) -> Finding:
    (finding,) = (finding for finding in inspection.findings if finding.name == name)
    return finding


def test_machine_that_is_as_asked_holds_in_everything() -> None:
    inspection = look(asked(2, driver=">=570, <600"), device(0), device(1))
    inspection.demand()
    assert all(finding.holds for finding in inspection.findings)
    assert all(finding.mend == "" for finding in inspection.findings)
    assert inspection.warnings() == ()
    assert {finding.name for finding in inspection.findings} == {
        "accelerators", "devices that the engine can use", "memory", "driver", "other processes",
        "free memory", "idleness", "persistence mode", "clocks", "power limit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "numbers"),
    [
        ([device(0), device(1), device(2)], [0, 1]),
        ([device(0, A100), device(1), device(2)], [1, 2]),
        ([device(0, processes=1), device(1), device(2)], [1, 2]),
        ([device(0, memory_used_bytes=40 * GIB), device(1), device(2)], [1, 2]),
        ([device(0, utilization_percent=90), device(1), device(2)], [1, 2]),
        ([device(0, partitions="MIG"), device(1), device(2)], [1, 2]),
        ([device(0, processes=1), device(1, processes=1), device(2)], [2, 0]),
    ],
)
def test_first_devices_that_match_and_are_idle_are_held(
    found: list[Found], numbers: list[int]
) -> None:
    inspection = look(asked(2), *found)
    inspection.demand()
    assert held(inspection) == numbers


def test_devices_of_the_job_before_are_held_again_though_its_traces_still_show() -> None:
    first = look(asked(2), device(0), device(1), device(2), device(3))
    still = {"utilization_percent": 80, "processes": 1}
    found = [device(0, **still), device(1, **still), device(2), device(3)]
    again = judge(asked(2), found, before=first.addresses, any_hardware=False)
    assert held(again) == [0, 1]


def test_device_that_was_not_held_before_is_added_where_more_are_asked_for() -> None:
    before = (device(2).address,)
    more = judge(asked(2), [device(0), device(1), device(2)], before=before, any_hardware=False)
    assert held(more) == [2, 0]


def test_other_accelerator_stops_the_run_and_says_what_was_found() -> None:
    inspection = look(asked(), device(0, A100))
    with pytest.raises(MachineLacks) as caught:
        inspection.demand()
    assert caught.value.message == (
        "this machine is not what the spec asks for: accelerators: asked for 1 × "
        "nvidia/h100-sxm5-80gb, found 1 × nvidia/a100-sxm4-80gb"
    )
    assert caught.value.mend == "run it where they are, or with --hardware any on what is here"
    assert caught.value.exit_code == 3


def test_any_hardware_takes_another_accelerator_and_keeps_saying_so() -> None:
    inspection = look(asked(), device(0, A100), any_hardware=True)
    inspection.demand()
    assert held(inspection) == [0]
    assert "found 1 × nvidia/a100-sxm4-80gb" in inspection.warnings()[0]
    assert inspection.to_dict()["hardware"] == "any"
    assert inspection.to_dict()["devices"][0]["name"] == A100


def test_any_hardware_prefers_what_the_lock_names() -> None:
    busy = device(2, processes=1)
    inspection = look(asked(2), device(0, A100), device(1), busy, any_hardware=True)
    assert held(inspection) == [1, 2]


@pytest.mark.parametrize("any_hardware", [False, True])
@pytest.mark.parametrize(
    "found", [(), (device(0),), (device(0, MI300X), device(1, MI300X), device(2, MI300X))]
)
def test_too_few_devices_of_the_family_stop_any_run(
    found: tuple[Found, ...], any_hardware: bool
) -> None:
    inspection = look(asked(3), *found, any_hardware=any_hardware)
    with pytest.raises(MachineLacks, match=r"asked for 3 of cuda, found [01]"):
        inspection.demand()


def test_divided_devices_are_told_of_where_there_are_too_few_whole_ones() -> None:
    inspection = look(asked(2), device(0, partitions="MIG"), device(1))
    with pytest.raises(MachineLacks) as caught:
        inspection.demand()
    assert "found 1, 1 divided (MIG)" in caught.value.message
    assert "nvidia-smi -mig 0" in caught.value.mend


def test_library_that_can_not_be_asked_is_told_of_where_devices_are_missing() -> None:
    inspection = judge(asked(), (), ("NVML: Driver/library version mismatch",), any_hardware=False)
    with pytest.raises(MachineLacks, match=r"found none \(NVML: Driver/library version mismatch"):
        inspection.demand()


@pytest.mark.parametrize("driver", ["550.54", None, "r580"])
def test_driver_that_does_not_fit_stops_the_run_on_the_right_hardware(driver: str | None) -> None:
    inspection = look(asked(driver=">=570"), device(0, driver=driver), any_hardware=True)
    with pytest.raises(MachineLacks, match=f"driver: {driver or 'not told'}, asked for >=570"):
        inspection.demand()


def test_driver_is_not_asked_of_a_device_that_the_lock_does_not_name() -> None:
    inspection = look(asked(driver=">=570"), device(0, A100, driver="550.54"), any_hardware=True)
    inspection.demand()
    assert named(inspection, "driver").holds


@pytest.mark.parametrize(
    ("said", "name", "found"),
    [
        ({"processes": 1}, "other processes", "nvidia 0: 1 process"),
        ({"processes": 3}, "other processes", "nvidia 0: 3 processes"),
        ({"memory_used_bytes": 8 * GIB}, "free memory", "nvidia 0: 8.0 of 80.0 GiB in use"),
        ({"utilization_percent": 40}, "idleness", "nvidia 0: 40% busy"),
        ({"persistence": False}, "persistence mode", "nvidia 0: off"),
        (
            {"clocks_set": "1410 MHz instead of 1980 MHz"},
            "clocks",
            "nvidia 0: 1410 MHz instead of 1980 MHz",
        ),
        ({"power_limit_w": 500.0}, "power limit", "nvidia 0: 500 W instead of 700 W"),
        (
            {"power_limit_w": 500.0, "power_limit_default_w": 500.0},
            "power limit",
            "nvidia 0: 500 W instead of 700 W",
        ),
    ],
)
def test_what_makes_figures_doubtful_is_a_warning_with_its_mend(
    said: dict[str, Any], name: str, found: str
) -> None:
    inspection = look(asked(), device(0, **said))
    inspection.demand()
    finding = named(inspection, name)
    assert (finding.holds, finding.found) == (False, found)
    assert inspection.warnings() == (f"{name}: {found} (mend: {finding.mend})",)


def test_what_is_not_told_is_no_warning() -> None:
    bare = Found(facts={"name": H100}, condition={}, address=Address(vendor="nvidia", number=0))
    assert look(asked(), bare).warnings() == ()


def test_limit_that_nobody_has_set_is_none() -> None:
    assert look(asked(), device(0, power_limit_w=0)).warnings() == ()


def test_what_is_kept_is_plain_json_without_serial_numbers() -> None:
    kept = look(asked(), device(0)).to_dict()
    assert "GPU-0" not in json.dumps(kept)
    assert kept["devices"][0] == {
        "vendor": "nvidia", "number": 0, "name": H100, "memory_used_bytes": 4 << 20,
        "utilization_percent": 0, "processes": 0, "persistence": True, "clocks_set": "",
        "power_limit_default_w": 700.0, "partitions": "",
    }  # fmt: skip
    assert kept["findings"][0] == {
        "name": "accelerators", "holds": True, "mend": "", "weight": "as locked",
        "found": f"asked for 1 × {H100}, found 1 × {H100}",
    }  # fmt: skip


# Through the libraries


def on(*apis: FakeNvml | FakeAmdSmi, engine: dict[str, Any] | None = None) -> Preflight:
    libraries = tuple(
        partial(nvidia_devices, api)
        if isinstance(api, FakeNvml)
        else partial(amd_devices, lambda api=api: api)
        for api in apis
    )
    return Preflight(libraries=libraries, container_engine=engine)


def test_cpu_asks_no_library() -> None:
    inspection = on(FakeNvml(init_error=1)).inspect(Hardware())
    assert (inspection.findings, inspection.devices) == ((), ())


def test_nvidias_are_found_through_nvml() -> None:
    inspection = on(FakeNvml(devices=4, processes=(9,))).inspect(asked(2, driver=">=580"))
    inspection.demand()
    assert [one.uuid for one in inspection.addresses] == ["GPU-0", "GPU-1"]
    names = [warning.partition(":")[0] for warning in inspection.warnings()]
    assert names == ["other processes", "free memory", "idleness"]


def test_amds_are_found_through_amd_smi_among_others() -> None:
    inspection = on(FakeNvml(), FakeAmdSmi()).inspect(asked(1, MI300X, driver="~=6.14"))
    inspection.demand()
    assert [one.node for one in inspection.addresses] == ["/dev/dri/renderD129"]


def test_partitioned_amd_is_not_taken() -> None:
    inspection = on(FakeAmdSmi(partition="CPX")).inspect(asked(1, MI300X))
    with pytest.raises(MachineLacks, match=r"found 0, 1 divided \(CPX\)"):
        inspection.demand()


def test_container_engine_without_a_way_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    inspection = on(FakeNvml(), engine={"Runtimes": {"runc": {}}}).inspect(asked())
    with pytest.raises(MachineLacks, match="a way into containers: NVIDIA's container toolkit"):
        inspection.demand()


def test_container_engine_with_nvidias_runtime_is_a_way() -> None:
    inspection = on(FakeNvml(), engine={"Runtimes": {"nvidia": {}}}).inspect(asked())
    assert named(inspection, "a way into containers").holds
