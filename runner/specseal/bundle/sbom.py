"""Bills of materials: what each program of a run is made of, as CycloneDX.

In: `environment.json`, which has the packages that were found in each image and the digests that
they were installed by. Out: one file a program. Nothing in it is new, so that verifying holds each
component against the environment.

Source: CycloneDX 1.6, written by cyclonedx-python-lib.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
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

Key = tuple[str, str, str]
"""Type, name and version of a package."""
_ROLES = ("engine", "client")


def path_of(role: str) -> str:
    """Return where the file of a program lies in a bundle."""
    return f"env/{role}.cdx.json"


SBOM_PATHS = tuple(path_of(role) for role in _ROLES)


def render_sboms(environment: Mapping[str, Any]) -> dict[str, bytes]:
    """Return {path: bytes}: the same bytes for the same environment."""
    return {
        path_of(role): _render(role, _packages(facts)) for role, facts in _programs(environment)
    }


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
    wanted = {path_of(role): _packages(facts) for role, facts in _programs(environment)}
    findings = [
        Finding("schemas.sbom", f"{path}: about a program that was not run")
        for path in SBOM_PATHS
        if path in contents and path not in wanted
    ]
    for path, packages in wanted.items():
        if path not in contents:
            findings.append(Finding("schemas.sbom", f"{path}: missing"))
            continue
        told = _told(parse_file(contents[path], path=path, code="schemas.sbom"))
        differing = sorted(
            key for key in told.keys() | packages.keys() if told.get(key) != packages.get(key)
        )
        findings += [
            Finding("schemas.sbom", f"{path}: {' '.join(key)} is not as in environment.json")
            for key in differing
        ]
    return findings


def _programs(environment: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    images = environment["images"]
    return ((role, images[role]) for role in _ROLES if role in images)


def _packages(facts: Mapping[str, Any]) -> dict[Key, str | None]:
    """Return each package with the SHA-256 of the file that it was installed from, if known."""
    found: dict[Key, str | None] = {
        (one["type"], one["name"], one["version"]): None for one in facts.get("packages", [])
    }
    for file, digest in facts.get("wheels", {}).items():
        try:
            name, version, *_ = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        found["pypi", str(name), str(version)] = digest
    for package, digest in facts.get("debian", {}).items():
        name, _, version = package.partition("_")
        found["deb", name, version] = digest
    return found


def _render(role: str, packages: Mapping[Key, str | None]) -> bytes:
    bom = Bom()
    program = Component(name=role, type=ComponentType.APPLICATION, bom_ref=role)
    bom.metadata.component = program
    for (kind, name, version), digest in sorted(packages.items()):
        url = PackageURL(
            type=kind, namespace="debian" if kind == "deb" else None, name=name, version=version
        )
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else []
        bom.components.add(
            Component(
                name=name,
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


def _told(document: Any) -> dict[Key, str | None]:
    """Return what a file says, as `_packages` has it; what has another form differs from it."""
    components = document.get("components", []) if isinstance(document, dict) else []
    told: dict[Key, str | None] = {}
    for component in components if isinstance(components, list) else []:
        purl = str(component.get("purl", ""))
        kind = purl.removeprefix("pkg:").partition("/")[0]
        hashes = component.get("hashes") or [{"content": None}]
        key = (kind, str(component.get("name")), str(component.get("version")))
        told[key] = hashes[0].get("content")
    return told
