"""Bills of materials: what each program of a run is made of, as CycloneDX.

In: `environment.json`, which has the packages that were found in each image and the digests that
they were installed by. Out: one file a program. Nothing in it is new, so that verifying holds each
component against the environment.

Source: CycloneDX 1.6, written by cyclonedx-python-lib.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
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
    """Return in what the files differ from those that the environment gives.

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
        told = _told(document)
        # As pairs: one without a digest that is missing, or too many, is as wrong as another one.
        differing = sorted({key for key, _ in told.items() ^ packages.items()})
        findings += [
            Finding("schemas.sbom", f"{path}: {' '.join(key)} is not as in environment.json")
            for key in differing
        ]
        # What no package is: another address or hash of one, one twice, anything invented.
        if not differing and _in_order(document) != _in_order(_plain(path, packages)):
            text = f"{path}: says more, or something else, than environment.json gives"
            findings.append(Finding("schemas.sbom", text))
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
    name = PurePosixPath(path).name.removesuffix(".cdx.json")
    bom = Bom()
    program = Component(name=name, type=ComponentType.APPLICATION, bom_ref=name)
    bom.metadata.component = program
    for (kind, package, version), digest in sorted(packages.items()):
        registry, _, namespace = kind.partition("/")
        url = PackageURL(type=registry, namespace=namespace or None, name=package, version=version)
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


def _plain(path: str, packages: Mapping[Key, str | None]) -> dict[str, Any]:
    """Return what `_render` has written ever since, but for its order.

    Not by the library, whose next version may write it otherwise: bundles are kept for years.
    """
    name = PurePosixPath(path).name.removesuffix(".cdx.json")
    components: list[dict[str, Any]] = []
    for (kind, package, version), digest in packages.items():
        registry, _, namespace = kind.partition("/")
        url = PackageURL(registry, namespace or None, package, version).to_string()
        hashes = {"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {}
        same = {"bom-ref": url, "purl": url}
        components.append(
            {**same, "name": package, "version": version, "type": "library", **hashes}
        )
    references = sorted(one["bom-ref"] for one in components)
    alone = [{"ref": reference} for reference in references]
    needed = {"dependsOn": references} if references else {}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"bom-ref": name, "name": name, "type": "application"}},
        **({"components": components} if components else {}),
        "dependencies": [*alone, {"ref": name, **needed}],
    }


def _in_order(document: Any) -> bytes:
    """Return a file as bytes that are equal where nothing but the order of its lists differs."""
    if not isinstance(document, dict):
        return canonical(document)
    lists = {
        key: sorted(canonical(one) for one in document[key])
        for key in ("components", "dependencies")
        if isinstance(document.get(key), list)
    }
    return canonical({**document, **{key: [one.decode() for one in lists[key]] for key in lists}})


def _told(document: Any) -> dict[Key, str | None]:
    """Return what a file says, as `_packages` has it; what has another form differs from it."""
    components = document.get("components", []) if isinstance(document, dict) else []
    told: dict[Key, str | None] = {}
    for component in components if isinstance(components, list) else []:
        purl = str(component.get("purl", ""))
        kind = purl.removeprefix("pkg:").rpartition("/")[0]
        hashes = component.get("hashes") or [{"content": None}]
        key = (kind, str(component.get("name")), str(component.get("version")))
        told[key] = hashes[0].get("content")
    return told
