"""What bundles are called where they stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from specseal.compare.environments import accelerators_held
from specseal.compare.side import Side
from specseal.words import printable

_DIGITS = 12


def names_of(sides: Sequence[Side]) -> list[str]:
    """Return a name a bundle, the first of these that tells all apart.

    Its engine's, its spec's, that of its hardware, engine and hardware together, its digest, and
    its place beside its digest.

    Args:
        sides: the bundles; what they are called there does not count.
    """
    engines = [
        printable(f"{side.lock.engine['name']} {side.lock.engine['version']}".strip())
        for side in sides
    ]
    devices = [hardware_of(side) for side in sides]
    choices = (
        engines,
        [str(side.lock.spec["name"]) for side in sides],
        devices,
        [f"{engine} on {device}" for engine, device in zip(engines, devices, strict=True)],
        [side.manifest[:_DIGITS] for side in sides],
        [f"{number}: {side.manifest[:_DIGITS]}" for number, side in enumerate(sides, start=1)],
    )
    return next(names for names in choices if len(set(names)) == len(names))


def hardware_of(side: Side) -> str:
    """Return the devices that a result was measured on: as found, else as its lock asks for."""
    asked = (variant.lock.hardware for variant in side.lock.variants_in_full())
    locked = sorted({f"{one['count']} × {one['accelerator']}" for one in asked})
    return printable(", ".join(accelerators_held(side) or locked))
