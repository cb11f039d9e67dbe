"""Accelerators of this machine: what each is, and what it says of itself while it works.

Each vendor's library is asked through a module of its own, which opens it once and closes it. A
library that is not there means that there is none of its devices; one that is there and refuses is
a fault, said in words. What a device does not tell is absent from what is read of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from specseal.hardware import known, recognised

Reading = dict[str, float | int | str]
"""power_w · energy_j (cumulative) · clock_mhz · memory_clock_mhz · temperature_c ·
utilization_percent · memory_used_bytes · throttle (reasons, comma-joined; empty for none)."""

Condition = dict[str, Any]
"""memory_used_bytes · utilization_percent · processes (how many hold memory of it, or None) ·
persistence · clocks_set (how somebody has set them; empty for not at all) · power_limit_default_w ·
partitions (into what it is divided; empty for not at all) · ecc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How programs are told of a device. Never written down whole: it may have a serial number."""

    vendor: str
    number: int
    """In its vendor's own order."""
    uuid: str = ""
    node: str = ""
    """AMD: its render node, `/dev/dri/renderD128`; empty where it is not told."""

    def shown(self) -> dict[str, Any]:
        """Return what may be written down."""
        return {"vendor": self.vendor, "number": self.number}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One accelerator."""

    facts: Mapping[str, Any]
    """name (as in a spec) · product · architecture · driver · cuda (the newest that the driver
    knows) · memory_bytes · power_limit_w · clock_max_mhz · memory_clock_max_mhz; None where it does
    not tell."""
    read: Callable[[], Reading]
    address: Address
    condition: Callable[[], Condition] = dict
    """In which state it is before anything runs on it."""


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


_BRANDS = ("nvidia", "amd", "instinct", "tesla")


def accelerator_name(
    maker: str, product: str, *, ids: Iterable[str] = (), memory_bytes: int | None = None
) -> str:
    """Return a device's name: that of its row in the table, else one made of its product's words.

    `NVIDIA H100 80GB HBM3` is nvidia/h100-sxm5-80gb; `Tesla T4`, which is in no row, nvidia/t4.
    A made-up name is never that of a row.

    Args:
        maker: `nvidia` or `amd`.
        product: what the vendor's library calls it.
        ids: what else it is recognised by.
        memory_bytes: its memory, where it tells.
    """
    if (row := recognised(maker, [product, *ids], memory_bytes)) is not None:
        return row.name
    words = re.findall(r"[a-z0-9.]+", product.lower())
    name = f"{maker}/{'-'.join(word for word in words if word not in _BRANDS)}"
    return f"{name}-unlike-the-table" if known(name) else name


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
