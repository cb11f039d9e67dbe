"""The index of bundles that lie in folders: what each is, and the digest by which it is cited.

In: folders, and whose keys are believed. Out: a JSON document with an entry a bundle, each
verified, its result computed again. Equal bundles at equal paths give equal bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from specseal.bundle.manifest import MANIFEST
from specseal.bundle.report import Report
from specseal.bundle.store import TrustStore
from specseal.bundle.times import render_time
from specseal.bundle.verify import verify
from specseal.digests import Digest
from specseal.errors import InputError
from specseal.spec.locked import Lock

SCHEMA = "specseal/index/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bundle. Where the variants of a sweep differ, a field has each value once, in order."""

    name: str
    """The spec's."""
    title: str
    path: str
    """POSIX, relative to where the index lies."""
    bundle: Digest
    """SHA-256 of the manifest: cite this."""
    supersedes: Digest | None
    """The bundle that this one corrects."""
    created: str
    """By its signer's word."""
    signer: Digest
    reproduced_by: int
    """How many other keys that are believed say that they have reproduced it."""
    recipe: Digest
    lock: Digest
    engine: tuple[str, ...]
    """Name and version."""
    accelerator: tuple[str, ...]
    method: tuple[str, ...]
    specseal: str
    """Version that measured it."""


def bundles_below(place: Path) -> list[Path]:
    """Return the bundles at or below a folder, sorted. Raises: InputError where there are none."""
    if not place.is_dir():
        raise InputError(f"{place}: no such folder", mend="name bundles, or a folder of them")
    found = sorted(_walk(place))
    if not found:
        raise InputError(f"{place}: there is no bundle in it", mend=f"none has a {MANIFEST}")
    return found


def _walk(place: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(place):
        if MANIFEST in files:
            folders.clear()  # what lies in a bundle is that bundle's
            yield Path(folder)
        # What is in progress is hidden.
        folders[:] = [name for name in folders if not name.startswith(".")]


def make_index(
    places: Sequence[Path], *, trusted: TrustStore, now: datetime, relative_to: Path
) -> dict[str, Any]:
    """Verify every bundle at or below `places`, and return their index.

    Args:
        places: folders.
        trusted: whose keys are believed.
        now: the time of verifying.
        relative_to: the folder in which the index is to lie.

    Raises:
        VerificationFailed: a bundle does not hold, or its signer is not believed.
        InputError: there is none, or one is there twice.
    """
    found: dict[Digest, Entry] = {}
    for path in (path for place in places for path in bundles_below(place)):
        entry = _entry(verify(path, trusted=trusted, now=now), relative_to)
        if entry.bundle in found:
            raise InputError(
                f"{path}: the same bundle as {found[entry.bundle].path}", mend="keep one of them"
            )
        found[entry.bundle] = entry
    ordered = sorted(found.values(), key=lambda one: (one.name, one.created, one.bundle))
    return {"schema": SCHEMA, "bundles": [_plain(one) for one in ordered]}


def _entry(report: Report, relative_to: Path) -> Entry:
    contents = report.demand(trust=True)
    signed, *reproductions = report.signers
    locks = [variant.lock for variant in contents.lock.variants_in_full()]
    path = os.path.relpath(report.folder.resolve(), relative_to.resolve())
    keys = {one.signature.key for one in reproductions if one.objection is None}
    return Entry(
        name=contents.spec.name,
        title=contents.spec.title,
        path=Path(path).as_posix(),
        bundle=contents.manifest,
        supersedes=report.supersedes,
        created=render_time(signed.signature.created),
        signer=signed.signature.key,
        reproduced_by=len(keys - {signed.signature.key}),
        recipe=contents.lock.recipe,
        lock=contents.lock.digest,
        engine=_each(locks, lambda lock: f"{lock.engine['name']} {lock.engine['version']}".strip()),
        accelerator=_each(locks, lambda lock: lock.hardware["accelerator"]),
        method=_each(locks, lambda lock: lock.drafter["method"]),
        specseal=contents.environment["specseal_version"],
    )


def _each(locks: Sequence[Lock], value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value(lock) for lock in locks))


def _plain(entry: Entry) -> dict[str, Any]:
    values = asdict(entry)
    return {key: list(one) if isinstance(one, tuple) else one for key, one in values.items()}
