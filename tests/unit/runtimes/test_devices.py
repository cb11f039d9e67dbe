"""Names of accelerators, and what stays out of a reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from specseal.runtimes.devices import (
    Address,
    Device,
    Devices,
    accelerator_name,
    open_devices,
    readings,
)

SPEC_PATTERN = r"[a-z0-9]+/[a-z0-9][a-z0-9.-]*"


@pytest.mark.parametrize(
    ("maker", "product", "name"),
    [
        ("nvidia", "NVIDIA H100 80GB HBM3", "nvidia/h100-sxm5-80gb"),
        ("nvidia", "NVIDIA H100 PCIe", "nvidia/h100-pcie-80gb"),
        ("nvidia", "NVIDIA A100-SXM4-80GB", "nvidia/a100-sxm4-80gb"),
        ("nvidia", "NVIDIA H200", "nvidia/h200-sxm-141gb"),
        ("nvidia", "NVIDIA GeForce RTX 4090", "nvidia/rtx-4090-24gb"),
        ("nvidia", "Tesla T4", "nvidia/t4"),
        ("nvidia", "NVIDIA H20", "nvidia/h20"),
        ("nvidia", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "nvidia/a100-sxm4-40gb-mig-1g.5gb"),
        ("amd", "AMD Instinct MI300X", "amd/mi300x-192gb"),
        ("amd", "AMD Radeon™ PRO W7900", "amd/radeon-pro-w7900"),
    ],
)
def test_product_is_spelled_as_specs_spell_it(maker: str, product: str, name: str) -> None:
    assert accelerator_name(maker, product) == name
    assert re.fullmatch(SPEC_PATTERN, name)


def test_what_is_refused_or_not_told_is_left_out_of_a_reading() -> None:
    def refuse() -> NoReturn:
        raise TimeoutError

    told = readings({"a": lambda: 1, "b": refuse, "c": lambda: None, "d": lambda: 0}, OSError)
    assert told == {"a": 1, "d": 0}


def test_refusal_of_another_kind_is_no_absence() -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        readings({"a": fail}, OSError)


def test_devices_of_all_libraries_are_numbered_in_their_order_and_closed_at_the_end() -> None:
    closed: list[str] = []

    def library(*names: str, fault: str = "") -> object:
        @contextmanager
        def opened() -> Iterator[Devices]:
            address = Address(vendor="acme", number=0)
            devices = [Device(facts={"name": name}, read=dict, address=address) for name in names]
            try:
                yield Devices(devices=tuple(devices), faults=(fault,) if fault else ())
            finally:
                closed.extend(names)

        return opened

    with open_devices(library("a", "b"), library(fault="broken"), library("c")) as found:
        assert [device.facts["name"] for device in found.devices] == ["a", "b", "c"]
        assert found.faults == ("broken",)
        assert closed == []
    assert closed == ["c", "a", "b"]
