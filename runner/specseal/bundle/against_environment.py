"""An environment held against its lock: what was installed and started is what the lock pins.

In: `environment.json`, already held against its schema, and the lock. The lock says what is to be
installed, the environment what was; a wheel or an image of another digest is another program.

A package may be found in a second version beside the one that is locked: packages carry copies of
others within them (setuptools does). Which of the two was imported, nobody can tell from here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from specseal.bundle.findings import Finding
from specseal.image_inputs import inputs_digest
from specseal.spec.locked import Lock

CODE = "schemas.environment"


def images_against_lock(
    environment: Mapping[str, Any], lock: Lock, *, is_of_the_first: bool
) -> Iterator[Finding]:
    """Yield a finding for each program that was made of something else than the lock pins.

    Args:
        environment: what was found.
        lock: what was pinned.
        is_of_the_first: whether the bundle is one of the first, which do not say what was
            installed for the client.
    """
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
    first = {role: facts for role, facts in images.items() if role != "variants"}
    if found and found[0] != first:
        yield Finding(CODE, "environment.json: images is not the first of images.variants")
    if not is_of_the_first:
        yield from _packages_of_the_whole(environment, first)
    for number, (programs, variant) in enumerate(zip(found, variants, strict=True), 1):
        where = f"images.variants[{number - 1}]" if "variants" in images else "images"
        pinned = {"engine": variant.lock.engine["image"], "client": variant.lock.client["image"]}
        for role, image in pinned.items():
            place = f"environment.json: {where}.{role}"
            if (image is None) != (role not in programs):
                lacks, has = ("the lock", "it") if image is None else ("it", "the lock")
                yield Finding(CODE, f"{place}: {has} has this program, {lacks} does not")
            elif image is not None:
                source = variant.lock.client["source"] if role == "client" else {}
                silent = is_of_the_first and role == "client" and "wheels" not in programs[role]
                yield from _program(place, programs[role], image, source, silent=silent)
                if not is_of_the_first:
                    yield from _looked_into(place, programs[role], environment)


def _packages_of_the_whole(
    environment: Mapping[str, Any], programs: Mapping[str, Any]
) -> Iterator[Finding]:
    """Hold `packages`, which is compared between results, against what was installed."""
    installed = {role: facts.get("wheels", {}) for role, facts in programs.items()}
    if environment["packages"] != installed:
        yield Finding(
            CODE, "environment.json: packages is not what images has as wheels of its programs"
        )


def _looked_into(
    where: str, facts: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterator[Finding]:
    if environment["runtime"] == "docker" and "packages" not in facts:
        yield Finding(CODE, f"{where}: nobody tells which packages are in its image")


def _program(
    where: str,
    facts: Mapping[str, Any],
    image: Mapping[str, Any],
    source: Mapping[str, str],
    *,
    silent: bool,
) -> Iterator[Finding]:
    # An official image that is used as it is is its own input.
    wheels = facts.get("wheels", {})
    pinned = image.get("manifest_sha256") or inputs_digest(image, wheels, source)
    if facts.get("inputs") != pinned:
        yield Finding(
            CODE, f"{where}: is made of {facts.get('inputs')}, the lock pins what gives {pinned}"
        )
    locked = image.get("wheels", [])
    allowed = {
        (*_named(wheel["name"], wheel["version"]), digest)
        for wheel in locked
        for digest in wheel["sha256"]
    }
    installed = {file: _of_file(file) for file in wheels}
    for file, digest in wheels.items():
        if (*installed[file], digest) not in allowed:
            yield Finding(CODE, f"{where}: {file} has the digest {digest}, which the lock has not")
    if silent:
        return
    required = {
        _named(wheel["name"], wheel["version"]) for wheel in locked if wheel["marker"] is None
    }
    for name, version in sorted(required - set(installed.values())):
        yield Finding(CODE, f"{where}: {name} {version} is locked, and was not installed")
    yield from _packages(where, facts, set(installed.values()))


def _packages(where: str, facts: Mapping[str, Any], installed: set[_Named]) -> Iterator[Finding]:
    """Hold what was found in an image against what was installed there."""
    listed = facts.get("packages")
    if listed is None:
        return  # the native runtime has no image to look into
    found = {_named(one["name"], one["version"]) for one in listed if one["type"] == "pypi"}
    for name, version in sorted(installed - found):
        others = sorted(other for named, other in found if named == name)
        yield Finding(
            CODE, f"{where}: {name} {version} was installed, and {others or 'none'} was found"
        )


_Named = tuple[str, str]
"""Name and version of a package, each in its one spelling."""


def _named(name: str, version: str) -> _Named:
    with contextlib.suppress(InvalidVersion):  # then it is compared as it is
        version = str(Version(version))
    return canonicalize_name(name), version


def _of_file(file: str) -> _Named:
    try:
        name, version, *_ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return file, ""  # which no lock has
    return name, str(version)
