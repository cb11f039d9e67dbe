"""An environment held against its lock: what was installed and started is what the lock pins.

In: `environment.json`, already held against its schema, and the lock. The lock says what may be
installed, the environment what was; a wheel or an image of another digest is another program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specseal.bundle.findings import Finding
from specseal.image_inputs import inputs_digest
from specseal.spec.locked import Lock

CODE = "schemas.environment"


def images_against_lock(environment: Mapping[str, Any], lock: Lock) -> Iterator[Finding]:
    """Yield a finding for each program that was made of something else than the lock pins."""
    images = environment["images"]
    variants = lock.variants_in_full()
    found = images.get("variants", [images] * len(variants))
    if len(found) != len(variants):
        yield Finding(
            CODE,
            f"environment.json: images.variants has {len(found)} entries, lock.json has "
            f"{len(variants)} variants",
        )
        return
    for number, (programs, variant) in enumerate(zip(found, variants, strict=True), 1):
        where = f"images.variants[{number - 1}]" if "variants" in images else "images"
        pinned = {"engine": variant.lock.engine["image"], "client": variant.lock.client["image"]}
        for role, image in pinned.items():
            if image is not None and role in programs:
                source = variant.lock.client["source"] if role == "client" else {}
                place = f"environment.json: {where}.{role}"
                yield from _program(place, programs[role], image, source)


def _program(
    where: str, facts: Mapping[str, Any], image: Mapping[str, Any], source: Mapping[str, str]
) -> Iterator[Finding]:
    # An official image that is used as it is is its own input.
    wheels = facts.get("wheels", {})
    pinned = image.get("manifest_sha256") or inputs_digest(image, wheels, source)
    if facts.get("inputs") != pinned:
        yield Finding(
            CODE, f"{where}: is made of {facts.get('inputs')}, the lock pins what gives {pinned}"
        )
    allowed = {digest for wheel in image.get("wheels", []) for digest in wheel["sha256"]}
    for file, digest in wheels.items():
        if digest not in allowed:
            yield Finding(CODE, f"{where}: {file} has the digest {digest}, which the lock has not")
