"""Bundles that are compared: opened, and each given a name unlike the others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from specseal.bundle import open_bundle
from specseal.compare import Side, names_of
from specseal.verdicts import side_of


def open_sides(bundles: Sequence[Path]) -> list[Side]:
    """Return the bundles as sides of a comparison, in their order.

    Raises:
        VerificationFailed: one is not intact.
    """
    sides = [side_of(open_bundle(bundle)) for bundle in bundles]
    names = names_of(sides)
    return [replace(side, name=name) for side, name in zip(sides, names, strict=True)]
