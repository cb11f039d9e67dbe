"""What a bundle is in a registry: an OCI manifest a bundle, and one for what was attested later.

A bundle's manifest names each of its files as a blob, with the path as the blob's title: the
registry keeps equal files of several bundles once, every byte is checked against its digest on the
way, and nothing has to be unpacked. It is made of the files alone, so the same files are the same
manifest wherever it is pushed. What others attested later is not in it; such statements are
manifests of their own, whose *subject* it is.

Source: OCI Image Specification 1.1 (manifest, artifacts, the empty descriptor, annotations) and OCI
Distribution Specification 1.1 (referrers tag schema).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specseal.delivery.parcel import Entry, refused
from specseal.digests import Digest, canonical, sha256_bytes
from specseal.errors import InputError
from specseal.registry import DIGEST, INDEX_TYPE, MANIFEST_TYPE, MAX_DOCUMENT_BYTES

BUNDLE_TYPE = "application/vnd.specseal.bundle.v1"
ATTESTATION_TYPE = "application/vnd.specseal.attestation.v1"
FILE_TYPE = "application/vnd.specseal.file.v1"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
TITLE = "org.opencontainers.image.title"
IDENTITY = "dev.specseal.bundle"
"""The annotation that says which bundle it is. A help for people: only verifying says so."""
SUPERSEDES = "dev.specseal.supersedes"
"""The annotation that says which one it corrects. A help, too."""
MAX_REFERRERS = 256
"""How many statements about one bundle are looked at, of each list."""

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest, ready to be sent."""

    artifact_type: str
    body: bytes

    @property
    def digest(self) -> str:
        """Return `sha256:…` of the bytes."""
        return f"sha256:{sha256_bytes(self.body)}"

    @property
    def descriptor(self) -> Descriptor:
        """Return what an index says of it."""
        return {
            "mediaType": MANIFEST_TYPE,
            "digest": self.digest,
            "size": len(self.body),
            "artifactType": self.artifact_type,
        }


def identity_tag(bundle: Digest) -> str:
    """Return the tag by which a bundle's identity finds it.

    Not `sha256-…`: that is the name of the list of what refers to a manifest of that digest.
    """
    return f"bundle-sha256-{bundle}"


def referrers_tag(digest: str) -> str:
    """Return the tag of the list of manifests that refer to the one of a digest (`sha256:…`)."""
    return digest.replace(":", "-")


def bundle_manifest(
    bundle: Digest, name: str, entries: Iterable[Entry], *, supersedes: Digest | None = None
) -> Manifest:
    """Return the manifest of a bundle.

    Args:
        bundle: its identity.
        name: what people call it.
        entries: its files, with their digests.
        supersedes: the identity of the bundle that it corrects.

    Raises:
        InputError: it has more files than a manifest can name.
    """
    annotations = {IDENTITY: f"sha256:{bundle}", TITLE: name}
    if supersedes is not None:
        annotations[SUPERSEDES] = f"sha256:{supersedes}"
    return _manifest(BUNDLE_TYPE, entries, {"annotations": annotations})


def attestation_manifest(subject: Manifest, entries: Iterable[Entry]) -> Manifest:
    """Return the manifest of what was attested about a bundle later. Raises: InputError."""
    about = {key: subject.descriptor[key] for key in ("mediaType", "digest", "size")}
    return _manifest(ATTESTATION_TYPE, entries, {"subject": about})


def read_manifest(name: str, value: Mapping[str, Any], artifact_type: str) -> tuple[Entry, ...]:
    """Return the files that a manifest names.

    Args:
        name: whose it is, as errors should have it.
        value: the manifest.
        artifact_type: what it must be.

    Raises:
        VerificationFailed: it is of another type, or its descriptors are not of the form.
    """
    kind = value.get("artifactType")
    if kind != artifact_type or value.get("mediaType") != MANIFEST_TYPE or "manifests" in value:
        raise refused(name, f"is of type {kind!r}, not {artifact_type!r}")
    layers = value.get("layers")
    if not isinstance(layers, list):
        raise refused(name, "its manifest names no files")
    return tuple(_entry(name, layer) for layer in layers)


def group_later(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the paths of what was attested later, each statement with its signer's key.

    A statement's name begins with its signer's digest, which is the name of the key's file. A key
    that signed several comes with each, so that each can be had alone.
    """
    everything = sorted(paths)
    keys = {_name(path).removesuffix(".pem"): path for path in everything if path.endswith(".pem")}
    groups: list[tuple[str, ...]] = []
    used: set[str] = set()
    for path in everything:
        key = keys.get(re.split(r"[.-]", _name(path))[0])
        if key is not None and key != path:
            groups.append((path, key))
            used.update((path, key))
    alone = [(path,) for path in everything if path not in used]
    return (*groups, *alone)


def index_of(descriptors: Sequence[Mapping[str, Any]]) -> bytes:
    """Return an index of descriptors."""
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(descriptors)}
    return canonical(index)


def read_index(name: str, value: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    """Return the descriptors in an index. Raises: VerificationFailed."""
    entries = value.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise refused(name, "what should list its attestations is no index")
    for entry in entries:
        if not DIGEST.fullmatch(str(entry.get("digest"))):
            raise refused(name, "the list of its attestations names something without a digest")
    return tuple(entries)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _manifest(artifact_type: str, entries: Iterable[Entry], more: Mapping[str, Any]) -> Manifest:
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": artifact_type,
        "config": {
            "mediaType": EMPTY_TYPE,
            "digest": f"sha256:{sha256_bytes(EMPTY)}",
            "size": len(EMPTY),
        },
        "layers": [_layer(entry) for entry in sorted(entries, key=lambda one: one.path)],
        **more,
    }
    body = canonical(value)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"the manifest is of {len(body):,} bytes, and registries take {MAX_DOCUMENT_BYTES:,}",
            mend="publish the bundle to a folder or a zip file",
        )
    return Manifest(artifact_type=artifact_type, body=body)


def _layer(entry: Entry) -> Descriptor:
    return {
        "mediaType": FILE_TYPE,
        "digest": f"sha256:{entry.sha256}",
        "size": entry.size_bytes,
        "annotations": {TITLE: entry.path},
    }


def _entry(name: str, layer: Any) -> Entry:
    described = layer if isinstance(layer, dict) else {}
    annotations = described.get("annotations")
    title = annotations.get(TITLE) if isinstance(annotations, dict) else None
    digest = DIGEST.fullmatch(str(described.get("digest")))
    size = described.get("size")
    if not isinstance(title, str) or digest is None or type(size) is not int:
        raise refused(name, "its manifest has a file without a title, a SHA-256 digest and a size")
    return Entry(path=title, size_bytes=size, sha256=Digest(digest[1]))
