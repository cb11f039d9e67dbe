"""Accelerators of this machine: what each is, and what it says of itself while it works.

Each vendor's library is asked through a module of its own, which opens it once and closes it. A
library that is not there means that there is none of its devices; one that is there and refuses is
a fault, said in words. What a device does not tell is absent from what is read of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

Reading = dict[str, float | int | str]
"""power_w · energy_j (cumulative) · clock_mhz · memory_clock_mhz · temperature_c ·
utilization_percent · memory_used_bytes · throttle (reasons, comma-joined; empty for none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One accelerator."""

    facts: Mapping[str, Any]
    """name (as in a spec) · product · driver · memory_bytes · power_limit_w · clock_max_mhz ·
    memory_clock_max_mhz; None where it does not tell."""
    read: Callable[[], Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What the libraries found."""

    devices: tuple[Device, ...] = ()
    faults: tuple[str, ...] = ()
    """Why a library that is there could not be asked."""


OpenLibrary = Callable[[], AbstractContextManager[Devices]]


@contextmanager
def open_devices(*libraries: OpenLibrary) -> Iterator[Devices]:
    """Open vendors' libraries and yield the devices of all of them, in that order."""
    with ExitStack() as opened:
        found = [opened.enter_context(library()) for library in libraries]
        yield Devices(
            devices=tuple(device for one in found for device in one.devices),
            faults=tuple(fault for one in found for fault in one.faults),
        )


# Products whose name leaves out what tells them from others of their model.
_FULL_NAMES = {"nvidia/h100-80gb-hbm3": "nvidia/h100-sxm5-80gb"}
_BRANDS = ("nvidia", "amd", "instinct", "tesla")


def accelerator_name(maker: str, product: str) -> str:
    """Return a product's name as specs write it: `NVIDIA A100-SXM4-80GB` → nvidia/a100-sxm4-80gb.

    Args:
        maker: `nvidia` or `amd`.
        product: what the vendor's library calls it.
    """
    words = re.findall(r"[a-z0-9.]+", product.lower())
    name = f"{maker}/{'-'.join(word for word in words if word not in _BRANDS)}"
    return _FULL_NAMES.get(name, name)


def readings(
    tables: Mapping[str, Callable[[], Any]], refusals: type[Exception] | tuple[type[Exception], ...]
) -> dict[str, Any]:
    """Return what each of several questions answers; one that is refused is left out.

    Args:
        tables: name → question. An answer of None is left out, too.
        refusals: what a question raises that the device or its driver can't answer.
    """
    answers = {}
    for name, ask in tables.items():
        try:
            answer = ask()
        except refusals:
            continue
        if answer is not None:
            answers[name] = answer
    return answers
