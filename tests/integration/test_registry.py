"""Resolve images in a real container registry, and see them refused once its storage is altered.

Needs the programs `docker-registry` and `skopeo`: without them the tests are skipped, or fail where
SPECSEAL_REQUIRE_SERVICES is set.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from specseal.errors import LockError, MachineLacks, RegistryError, WrongBytes

pytestmark = pytest.mark.registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Image:
    """An OCI image layout on disk, and the digests of what is in it."""

    layout: Path
    index_sha256: str
    manifests: dict[str, str]
    """By architecture."""


def put(blobs: Path, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    (blobs / sha256).write_bytes(content)
    return sha256


def describe(blobs: Path, value: Any, media_type: str) -> dict[str, Any]:
    """Write a JSON document as a blob and return its descriptor."""
    content = json.dumps(value).encode()
    return {
        "mediaType": media_type,
        "digest": f"sha256:{put(blobs, content)}",
        "size": len(content),
    }


def write_image(folder: Path, *architectures: str) -> Image:
    """Write an image without layers for each architecture, and an index over them."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for architecture in architectures:
        config = {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": describe(blobs, config, "application/vnd.oci.image.config.v1+json"),
            "layers": [],
        }
        platform = {"os": "linux", "architecture": architecture}
        entries.append({**describe(blobs, manifest, MANIFEST), "platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    top = entries[0] if len(entries) == 1 else describe(blobs, index, INDEX)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return Image(
        layout=folder,
        index_sha256=top["digest"].removeprefix("sha256:"),
        manifests={
            entry["platform"]["architecture"]: entry["digest"].removeprefix("sha256:")
            for entry in entries
        },
    )


def test_tag_and_digest_of_a_multi_platform_image_resolve_to_the_same_manifest(registry, tmp_path):
    image = write_image(tmp_path / "image", "amd64", "arm64")
    registry.push(image.layout, "both")
    by_tag = registry.resolve(":both")
    assert by_tag.index_sha256 == image.index_sha256
    assert by_tag.manifest_sha256 == image.manifests["amd64"]
    by_digest = registry.resolve(f"@sha256:{image.index_sha256}", platform="linux/arm64")
    assert by_digest.index_sha256 == image.index_sha256
    assert by_digest.manifest_sha256 == image.manifests["arm64"]


def test_single_image_resolves_without_an_index(registry, tmp_path):
    image = write_image(tmp_path / "image", "amd64")
    registry.push(image.layout, "single")
    pin = registry.resolve(":single")
    assert (pin.index_sha256, pin.manifest_sha256) == (None, image.manifests["amd64"])
    with pytest.raises(LockError, match="is for linux/amd64 only"):
        registry.resolve(":single", platform="linux/arm64")


def test_tag_that_is_not_there_is_refused(registry):
    with pytest.raises(RegistryError, match="has no missing of tools/tiny"):
        registry.resolve(":missing")


@pytest.mark.parametrize("kind", ["index", "manifest"])
def test_document_altered_in_the_registrys_storage_is_refused(registry, tmp_path, kind):
    # One architecture of its own each, so that no other test shares the altered blobs.
    image = write_image(tmp_path / "image", "amd64", f"altered-{kind}")
    registry.push(image.layout, kind)
    altered = image.index_sha256 if kind == "index" else image.manifests[f"altered-{kind}"]
    platform = f"linux/altered-{kind}"
    assert registry.resolve(f":{kind}", platform=platform).index_sha256 == image.index_sha256
    path = registry.blob(altered)
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WrongBytes, match=f"wrong bytes .* sha256:{altered}, found sha256:{found}"):
        registry.resolve(f":{kind}", platform=platform)


def test_registry_that_can_not_read_its_own_storage_is_reported(registry, tmp_path):
    image = write_image(tmp_path / "image", "unreadable")
    registry.push(image.layout, "unreadable")
    registry.blob(image.index_sha256).write_bytes(b"\0")
    with pytest.raises(MachineLacks, match="keeps answering 500"):
        registry.resolve(":unreadable")
