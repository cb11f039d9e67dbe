"""Container images: from a reference that a person writes to digests that always mean one thing.

Asks the registry without logging in.

Source: OCI Image Specification 1.1 (index, manifest, configuration).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import requests

from specseal.digests import Digest, sha256_bytes
from specseal.errors import LockError
from specseal.http import open_session
from specseal.registry import DIGEST, INDEX_TYPE, MANIFEST_TYPE, Repository, parse_reference

_INDEX_TYPES = (INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFEST_TYPES = (MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json")
_MANIFESTS = ", ".join((*_INDEX_TYPES, *_MANIFEST_TYPES))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePin:
    """An image for one platform, by content."""

    reference: str
    """As it was written."""
    index_sha256: Digest | None
    """The list of platforms that it was chosen from; None where there is only one platform."""
    manifest_sha256: Digest
    """The image's own manifest."""


def resolve_image(
    reference: str,
    *,
    mirrors: Mapping[str, str],
    platform: str = "linux/amd64",
    session: requests.Session | None = None,
) -> ImagePin:
    """Find the digests that a reference stands for.

    Args:
        reference: as written in a spec or a Dockerfile.
        mirrors: the base URL to ask in place of a registry host.
        platform: `OS/ARCHITECTURE[/VARIANT]`.
        session: what to ask with; by default a fresh `open_session()`.

    Raises:
        InputError: not a reference.
        LockError: the registry has no such image for this platform.
        RegistryError: it has no such image at all, or not for anybody without an account.
        WrongBytes: what it sent is not what was asked for.
        MachineLacks: the registry can't be reached, or keeps failing.
    """
    where = parse_reference(reference)
    with open_session() if session is None else nullcontext(session) as opened:
        repository = Repository(reference, where, mirrors=mirrors, session=opened)
        top = _manifest(repository, where.version)
        if not top.is_index:
            _check_platform(repository, top, platform)
            return ImagePin(reference=reference, index_sha256=None, manifest_sha256=top.sha256)
        chosen = _manifest(repository, _choose(top, platform, reference))
    if chosen.is_index:
        raise LockError(f"{reference}: the entry for {platform} is an index again, not an image")
    return ImagePin(reference=reference, index_sha256=top.sha256, manifest_sha256=chosen.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    sha256: Digest
    is_index: bool
    value: dict[str, Any]


def _manifest(repository: Repository, version: str) -> _Manifest:
    """Get an index or an image manifest by tag or digest, its bytes checked."""
    document = repository.document(version, accept=_MANIFESTS)
    value = repository.json_object(document.body)
    media_type = value.get("mediaType") or document.media_type
    is_index = media_type in _INDEX_TYPES
    # Bytes of one digest must mean one thing, whatever type the registry calls them by.
    if is_index:
        good = isinstance(value.get("manifests"), list) and "config" not in value
    else:
        good = isinstance(value.get("config"), dict) and "manifests" not in value
    if not good or media_type not in (*_INDEX_TYPES, *_MANIFEST_TYPES):
        raise LockError(f"{repository.name}: {media_type!r} is not an image this can read")
    return _Manifest(sha256=sha256_bytes(document.body), is_index=is_index, value=value)


def _check_platform(repository: Repository, manifest: _Manifest, platform: str) -> None:
    """Refuse an image whose configuration says that it is for another platform."""
    digest = str(manifest.value["config"].get("digest"))
    if not DIGEST.fullmatch(digest):
        raise LockError(f"{repository.name}: {digest!r} is not a SHA-256 digest")
    found = repository.json_object(repository.small_blob(digest))
    if not _matches(found, platform):
        raise LockError(
            f"{repository.name}: is for {_platform_name(found)} only, not for {platform}",
            mend="name an image that is made for this machine",
        )


def _choose(index: _Manifest, platform: str, reference: str) -> str:
    """Return the digest (`sha256:…`) of an index's entry for a platform.

    Where several fit, one that asks for no variant of the processor comes first.
    """
    entries = [entry for entry in index.value["manifests"] if isinstance(entry, dict)]
    offers = [(entry, entry.get("platform")) for entry in entries]
    named = [(entry, offer) for entry, offer in offers if isinstance(offer, dict)]
    fitting = [(entry, offer) for entry, offer in named if _matches(offer, platform)]
    if not fitting:
        # Attestations lie in the index too, as platform unknown/unknown.
        known = sorted({_platform_name(offer) for _, offer in named} - {"unknown/unknown"})
        raise LockError(
            f"{reference}: has no image for {platform}",
            mend=f"it has images for {', '.join(known) or 'no platform at all'}",
        )
    entry, _ = min(fitting, key=lambda pair: bool(pair[1].get("variant")))
    digest = str(entry.get("digest"))
    if not DIGEST.fullmatch(digest):
        raise LockError(f"{reference}: {digest!r} is not a SHA-256 digest")
    return digest


def _matches(offer: Mapping[str, Any], platform: str) -> bool:
    system, architecture, *variant = platform.split("/")
    return (
        offer.get("os") == system
        and offer.get("architecture") == architecture
        and (not variant or offer.get("variant") == variant[0])
    )


def _platform_name(offer: Mapping[str, Any]) -> str:
    parts = (offer.get(key) for key in ("os", "architecture", "variant"))
    return "/".join(str(part) for part in parts if part)
