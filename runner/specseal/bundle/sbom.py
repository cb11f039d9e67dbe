"""Bills of materials: what each program of a run is made of, as CycloneDX.

In: `environment.json`, which has the packages that were found in each image and the digests that
they were installed by. Out: one file a program. Nothing in it is new, so that verifying holds each
component against the environment.

Source: CycloneDX 1.6, written by cyclonedx-python-lib.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from specseal.bundle.findings import Finding
from specseal.bundle.strict import parse_file
from specseal.digests import canonical
from specseal.errors import InputError

Key = tuple[str, str, str]
"""Type, name and version of a package; the type of Debian's kind has whose they are: `deb/ubuntu`.
"""
_ROLES = ("engine", "client")


VERSION = 1
"""As it stands under `rendered` in `environment.json`: there is a file for each program. Without it
(specseal 0.1.0) a sweep has those of its first variant alone."""
MAX_PROGRAMS = 64
"""Of one role: as many different images as a sweep may have."""


def _path_of(role: str, number: int) -> str:
    return f"env/{role}.cdx.json" if number == 1 else f"env/{role}-{number}.cdx.json"


SBOM_PATHS = tuple(
    _path_of(role, number) for role in _ROLES for number in range(1, MAX_PROGRAMS + 1)
)


def render_sboms(environment: Mapping[str, Any]) -> dict[str, bytes]:
    """Return {path: bytes}: the same bytes for the same environment.

    Raises:
        InputError: the variants of a sweep have more programs than a bundle may tell of.
    """
    programs = _programs(environment)
    if left_out := [path for path in programs if path not in SBOM_PATHS]:
        raise InputError(
            f"the sweep runs {len(left_out)} programs more than the {MAX_PROGRAMS} of one role "
            "that a bundle may tell of",
            mend="sweep over fewer versions and images in one spec",
        )
    return {path: _render(path, _packages(facts)) for path, facts in programs.items()}


def sboms_against_environment(
    contents: Mapping[str, bytes], environment: Mapping[str, Any]
) -> Collection[Finding]:
    """Return in what the files differ from the environment: one missing, or another component.

    Args:
        contents: bytes by path, as they were hashed.
        environment: the bundle's.

    Raises:
        BundleBroken: a file is not JSON.
    """
    wanted = {path: _packages(facts) for path, facts in _programs(environment).items()}
    findings = [
        Finding("schemas.sbom", f"{path}: about a program that was not run")
        for path in SBOM_PATHS
        if path in contents and path not in wanted
    ]
    for path, packages in wanted.items():
        if path not in contents:
            findings.append(Finding("schemas.sbom", f"{path}: missing"))
            continue
        document = parse_file(contents[path], path=path, code="schemas.sbom")
        findings += [
            Finding("schemas.sbom", f"{path}: {what} is not as in environment.json")
            for what in _differing(document, path, packages)
        ]
    return findings


def _programs(environment: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what each program is made of, by the path of its file.

    Variants of a sweep that run the same program share its file. The first is as it always was.
    """
    images = environment["images"]
    of_variants = images.get("variants", []) if environment.get("rendered", {}).get("sboms") else []
    programs: dict[str, Mapping[str, Any]] = {}
    for role in _ROLES:
        distinct: list[Mapping[str, Any]] = []
        for one in (images, *of_variants):
            if role in one and one[role] not in distinct:
                distinct.append(one[role])
        programs |= {_path_of(role, number): facts for number, facts in enumerate(distinct, 1)}
    return programs


def _packages(facts: Mapping[str, Any]) -> dict[Key, str | None]:
    """Return each package with the SHA-256 of the file that it was installed from, if known."""
    listed = facts.get("packages", [])
    found: dict[Key, str | None] = {
        (_kind(one), one["name"], one["version"]): None for one in listed
    }
    for file, digest in facts.get("wheels", {}).items():
        try:
            name, version, *_ = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        found["pypi", str(name), str(version)] = digest
    for package, digest in facts.get("debian", {}).items():
        name, _, version = package.partition("_")
        found["deb/debian", name, version] = digest
    return found


def _kind(package: Mapping[str, str]) -> str:
    kind = package["type"]
    return f"{kind}/{package.get('distribution', 'debian')}" if kind == "deb" else kind


def _render(path: str, packages: Mapping[Key, str | None]) -> bytes:
    name = _name_of(path)
    bom = Bom()
    program = Component(name=name, type=ComponentType.APPLICATION, bom_ref=name)
    bom.metadata.component = program
    for (kind, package, version), digest in sorted(packages.items()):
        url = _url_of(kind, package, version)
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else []
        bom.components.add(
            Component(
                name=package,
                version=version,
                type=ComponentType.LIBRARY,
                purl=url,
                bom_ref=url.to_string(),
                hashes=hashes,
            )
        )
    bom.register_dependency(program, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # When it was written, and a number of its own: neither follows from the environment.
    del document["serialNumber"], document["metadata"]["timestamp"]
    return canonical(document) + b"\n"


def _name_of(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(".cdx.json")


def _url_of(kind: str, package: str, version: str) -> PackageURL:
    registry, _, namespace = kind.partition("/")
    return PackageURL(type=registry, namespace=namespace or None, name=package, version=version)


def _differing(document: Any, path: str, packages: Mapping[Key, str | None]) -> Iterator[str]:
    """Yield what of a file is not as it is to be: each component whole, and there once.

    What it is to be is written out here and not asked of the library that writes it: files of
    before must hold when a later version of that writes them another way. As canonical bytes,
    because to Python true is 1.
    """
    name = _name_of(path)
    members = dict(document) if isinstance(document, dict) else {}
    wanted = [_component(key, digest) for key, digest in packages.items()]
    told, links = members.pop("components", []), members.pop("dependencies", [])
    for differing in sorted({_called(one) for one in _unlike(told, wanted)}):
        yield f"the component {differing}"
    if _unlike(links, _dependencies(name, wanted)):
        yield "what depends on what"
    if canonical(members) != canonical(_about(name)):
        yield "what else it says"


def _unlike(told: Any, wanted: list[dict[str, Any]]) -> list[Any]:
    """Return what is in one of two lists only, or oftener; anything but a list is an empty one."""
    found = Counter(canonical(one) for one in (told if isinstance(told, list) else []))
    right = Counter(canonical(one) for one in wanted)
    return [json.loads(one) for one in (found - right) + (right - found)]


def _component(key: Key, digest: str | None) -> dict[str, Any]:
    url = _url_of(*key).to_string()
    named = {"type": "library", "name": key[1], "version": key[2], "purl": url, "bom-ref": url}
    return named | ({"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {})


def _dependencies(name: str, components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return that the program depends on every component, and these on none."""
    urls = sorted(one["bom-ref"] for one in components)
    return [{"ref": name} | ({"dependsOn": urls} if urls else {}), *({"ref": url} for url in urls)]


def _about(name: str) -> dict[str, Any]:
    """Return all members of a file but its lists."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"bom-ref": name, "name": name, "type": "application"}},
        "specVersion": "1.6",
        "version": 1,
    }


def _called(component: Any) -> str:
    named = component if isinstance(component, dict) else {}
    return str(named.get("purl", named.get("name", "without a name")))
