"""What bundles are called where they stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from specseal.digests import Digest
from specseal.spec.locked import Lock
from specseal.words import printable

_DIGITS = 12


def names_of(bundles: Sequence[tuple[Lock, Digest]]) -> list[str]:
    """Return a name a bundle: its engine's, then the spec's, then its digest, whatever differs.

    Args:
        bundles: the lock and the identity of each.
    """
    choices = (
        [
            printable(f"{lock.engine['name']} {lock.engine['version']}".strip())
            for lock, _ in bundles
        ],
        [str(lock.spec["name"]) for lock, _ in bundles],
        [manifest[:_DIGITS] for _, manifest in bundles],
        [f"{number}: {one[:_DIGITS]}" for number, (_, one) in enumerate(bundles, start=1)],
    )
    return next(names for names in choices if len(set(names)) == len(names))
