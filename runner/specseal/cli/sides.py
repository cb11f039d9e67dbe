"""Bundles that are compared: opened, and each given a name unlike the others'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specseal.bundle import Contents, open_bundle
from specseal.compare import Side, names_of


def open_sides(bundles: Sequence[Path]) -> list[Side]:
    """Return the bundles as sides of a comparison, in their order.

    Raises:
        VerificationFailed: one is not intact.
    """
    return sides_of([open_bundle(bundle) for bundle in bundles])


def sides_of(opened: Sequence[Contents]) -> list[Side]:
    """Return what was verified as sides of a comparison, in their order."""
    names = names_of([(contents.lock, contents.manifest) for contents in opened])
    return [
        Side(
            name=name,
            manifest=contents.manifest,
            spec=contents.spec,
            lock=contents.lock,
            environment=contents.environment,
            result=contents.result,
            run=contents.run,
        )
        for name, contents in zip(names, opened, strict=True)
    ]
