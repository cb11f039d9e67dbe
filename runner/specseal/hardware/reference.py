"""The table of accelerators as Markdown: `docs/hardware.md`, held to it by a test."""

from __future__ import annotations

from collections.abc import Iterator

from specseal.hardware.table import CPU, MOST_MEMORY_OFF, Accelerator, accelerators

_INTRODUCTION = f"""\
# Accelerators

<!-- Generated from runner/specseal/hardware/accelerators.json; edits here are lost. -->

What `hardware.accelerator` in a spec may name: `{CPU}`, or a row of this table. Peaks are in
TFLOP/s, dense, accumulated in FP32; bandwidth is in GB/s of 10⁹ bytes, memory in GiB, power in W.

No vendor's page could be opened when the table was made (November 2026). A figure is one that AMD's
or NVIDIA's own repositories state, or that at least two independent public ones quote from the
document named as source; in rows marked † some figure was not checked so. A blank is a figure that
the source does not give plainly.
"""
_RECOGNITION = f"""\
## How a device is recognised

By the whole product name that its vendor's library tells, NVML for NVIDIA and AMD SMI for AMD, or
by its PCI device id, and then by its memory, which may be {MOST_MEMORY_OFF:.0%} off. A part of a
name is never enough: an H20 is no H200, and a MIG instance is no whole device. A device that is in
no row gets a name made of its product's words, so that a result can say what it ran on; a spec
can't ask for it. A processor is `{CPU}` whatever its model; the environment has the model.
"""
_TYPES = ("bf16", "fp8", "fp4")


def hardware_reference() -> str:
    """Return the page."""
    return "\n".join([_INTRODUCTION, *_figures(), "", _RECOGNITION, *_names(), ""])


def _figures() -> Iterator[str]:
    heads = ("name", *_TYPES, "bandwidth", "memory", "TDP", "architecture", "source")
    yield f"| {' | '.join(heads)} |"
    yield "|---" + "|---:" * (len(_TYPES) + 3) + "|---|---|"
    for row in _devices():
        mark = "" if row.checked else " †"
        peaks = [_scaled(row.peak_flop_per_s.get(kind), 1e12) for kind in _TYPES]
        cells = [
            f"`{row.name}`{mark}",
            *peaks,
            _scaled(row.bandwidth_bytes_per_s, 1e9),
            _scaled(row.memory_bytes, 1 << 30),
            _scaled(row.tdp_w, 1),
            row.architecture or "",
            f"[{row.source.title}]({row.source.url})" if row.source else "",
        ]
        yield f"| {' | '.join(cells)} |"


def _names() -> Iterator[str]:
    yield "| name | recognised by |"
    yield "|---|---|"
    for row in _devices():
        yield f"| `{row.name}` | {', '.join(f'`{text}`' for text in row.recognised_by)} |"


def _devices() -> list[Accelerator]:
    return [row for row in accelerators().values() if row.name != CPU]


def _scaled(value: int | None, unit: float) -> str:
    return "" if value is None else f"{value / unit:,.10g}"
