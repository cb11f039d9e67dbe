"""The table of accelerators: `accelerators.json` in, frozen rows out, and what is asked of them.

Names are `vendor/model-form-memory`; `cpu` is the row of every processor. Which columns a row has,
and in which units, is in `accelerators.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CPU = "cpu"
ANY = "any"
"""In a spec: whatever a running server is on."""
MOST_MEMORY_OFF = 0.08
"""Reported ÷ marketed memory is 0.995 to 1 with HBM and down to 0.937 with GDDR6 and ECC (L4, L40S,
A10); two devices of one product name, NVIDIA's GB300 in a rack and in a workstation, are 10% apart.
Source: outputs of nvidia-smi and amd-smi in public issues and logs, 2024 to 2026."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The vendor's document that figures come from."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One row. Of `cpu`, whose figures are no vendor's to state, most are None."""

    name: str
    vendor: str | None
    family: str
    """cpu, cuda, rocm: what programs for it are built for."""
    architecture: str | None
    form: str | None
    memory_bytes: int | None
    """As marketed; NVIDIA's and AMD's GB of device memory are GiB."""
    bandwidth_bytes_per_s: int | None
    tdp_w: int | None
    peak_flop_per_s: Mapping[str, int]
    """By type of number (bf16, fp8, fp4): dense, accumulated in FP32."""
    recognised_by: tuple[str, ...]
    """Whole product names as the vendor's library tells them, or PCI device ids (`0x74a1`)."""
    source: Source | None
    checked: bool | None
    """Whether every figure was read, in the source or where two others quote it."""


@cache
def accelerators() -> Mapping[str, Accelerator]:
    """Return every row by its name, sorted."""
    text = (files("specseal.hardware") / "accelerators.json").read_text(encoding="utf-8")
    rows = [
        Accelerator(
            **{
                **row,
                "recognised_by": tuple(row["recognised_by"]),
                "source": row["source"] and Source(**row["source"]),
            }
        )
        for row in json.loads(text)["accelerators"]
    ]
    return {row.name: row for row in rows}


def known(name: str) -> Accelerator | None:
    """Return the row of that name, or None."""
    return accelerators().get(name)


def family_of(name: str) -> str:
    """Return an accelerator's family: its row's, else that of its vendor's rows.

    A vendor without rows, and `any`, for a machine that nothing is known of, are families of their
    own.
    """
    if (row := known(name)) is not None:
        return row.family
    vendor = name.partition("/")[0]
    families = {row.vendor: row.family for row in accelerators().values() if row.vendor}
    return families.get(vendor, vendor)


def recognised(
    vendor: str, told: Iterable[str], memory_bytes: int | None = None
) -> Accelerator | None:
    """Return the row of a device, or None where it is in no row, or in several.

    Args:
        vendor: `nvidia` or `amd`.
        told: what its library calls it: product name, PCI device id. Only a whole name counts,
            whatever its case: `NVIDIA H20` is no `NVIDIA H200`, and a MIG instance is none either.
        memory_bytes: its memory, where it tells.
    """
    said = {text.casefold() for text in told}
    rows = [
        row
        for row in accelerators().values()
        if row.vendor == vendor and not said.isdisjoint(map(str.casefold, row.recognised_by))
    ]
    fitting = [row for row in rows if memory_bytes is None or memory_fits(row, memory_bytes)]
    return fitting[0] if len(fitting) == 1 else None


def memory_fits(row: Accelerator, memory_bytes: int) -> bool:
    """Say whether a device with so much memory can be one of a row."""
    if row.memory_bytes is None:
        return True
    return abs(memory_bytes / row.memory_bytes - 1) <= MOST_MEMORY_OFF
