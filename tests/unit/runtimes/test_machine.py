"""What is found of this machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from specseal.runtimes import describe_machine, machine
from specseal.runtimes.devices import Device, Devices


@contextmanager
def one_device() -> Iterator[Devices]:
    facts = {"name": "nvidia/h200", "driver": "580.65.06"}
    yield Devices(devices=(Device(facts=facts, read=dict),), faults=("NVML, device 1: lost",))


def test_accelerators_are_described_beside_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia_devices", one_device)
    found = describe_machine()
    assert found["accelerators"] == [{"name": "nvidia/h200", "driver": "580.65.06"}]
    assert found["accelerator_faults"] == ["NVML, device 1: lost"]
    assert found["cpus"]


def test_description_is_plain_json_and_names_no_host() -> None:
    text = json.dumps(describe_machine())
    assert platform.node() not in text


@pytest.mark.parametrize(
    ("cpus", "streams", "clients"),
    [(2, 1, 2), (3, 999, 3), (4, 1, 1), (4, 999, 1), (16, 256, 1), (16, 257, 2), (16, 9999, 4)],
)
def test_client_has_a_cpu_for_each_of_its_processes_and_the_engine_most(
    cpus: int, streams: int, clients: int
) -> None:
    engines_own, clients_own = machine.split_cpus(list(range(cpus)), streams)
    assert len(clients_own) == clients
    assert len(engines_own) == (cpus if cpus < 4 else cpus - clients)
    assert cpus < 4 or not {*engines_own} & {*clients_own}
