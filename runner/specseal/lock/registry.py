"""Container images: from a reference that a person writes to digests that always mean one thing.

Asks the registry over its HTTP API, without logging in, and believes no byte that does not hash to
the digest it was asked for by.

Source: OCI Distribution Specification 1.1 (pulling manifests), OCI Image Specification 1.1 (index,
manifest, configuration), and the token authentication of Docker's registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import parse_dict_header

from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, LockError, MachineLacks
from specseal.lock.http import Answer, fetch, open_session

DEFAULT_REGISTRY = "docker.io"
_API_HOSTS = {DEFAULT_REGISTRY: "registry-1.docker.io"}
"""Where the API is not at the host of the name."""

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MANIFESTS = ", ".join((*_INDEX_TYPES, *_MANIFEST_TYPES))
_LIMIT_BYTES = 4 << 20
"""The size that registries must accept for a manifest; none is near it."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:(?P<registry>[A-Za-z0-9.-]+\.[A-Za-z0-9.-]+(?::\d+)?|[A-Za-z0-9-]+:\d+|localhost)/)?"
    rf"(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image's name, taken apart, defaults filled in."""

    registry: str
    """Host, and port where it has one."""
    repository: str
    version: str
    """What to ask the registry for: `sha256:…` where the reference has a digest, else the tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePin:
    """An image for one platform, by content."""

    reference: str
    """As it was written."""
    index_sha256: Digest | None
    """The list of platforms that it was chosen from; None where there is only one platform."""
    manifest_sha256: Digest
    """The image's own manifest."""


def parse_reference(text: str) -> Reference:
    """Take a reference apart, as container engines do.

    Raises:
        InputError: it is not an image reference.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is not an image reference",
            mend="write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST], the name in lower case",
        )
    registry = match["registry"] or DEFAULT_REGISTRY
    repository = match["repository"]
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(
        registry=registry,
        repository=repository,
        version=match["digest"] or match["tag"] or "latest",
    )


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
        LockError: the registry has no such image, not for this platform, or not for anybody without
            an account; or what it sent is not what was asked for.
        MachineLacks: the registry can't be reached, or keeps failing.
    """
    where = parse_reference(reference)
    base = mirrors.get(
        where.registry, f"https://{_API_HOSTS.get(where.registry, where.registry)}"
    ).rstrip("/")
    with open_session() if session is None else nullcontext(session) as opened:
        registry = _Registry(reference, where, base, opened)
        top = registry.manifest(where.version)
        if not top.is_index:
            registry.check_platform(top, platform)
            return ImagePin(reference=reference, index_sha256=None, manifest_sha256=top.sha256)
        chosen = registry.manifest(_choose(top, platform, reference))
    if chosen.is_index:
        raise LockError(f"{reference}: the entry for {platform} is an index again, not an image")
    return ImagePin(reference=reference, index_sha256=top.sha256, manifest_sha256=chosen.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    sha256: Digest
    is_index: bool
    value: dict[str, Any]


class _Registry:
    """One repository of one registry, with the token that reading it may take."""

    def __init__(
        self, reference: str, where: Reference, base: str, session: requests.Session
    ) -> None:
        self._reference = reference
        self._where = where
        self._base = base
        self._session = session
        self._token: str | None = None

    def manifest(self, version: str) -> _Manifest:
        """Get an index or an image manifest by tag or digest, its bytes checked."""
        body, content_type = self._content(f"manifests/{version}", version, accept=_MANIFESTS)
        value = self._object(body)
        media_type = value.get("mediaType") or content_type
        is_index = media_type in _INDEX_TYPES
        # Bytes of one digest must mean one thing, whatever type the registry calls them by.
        if is_index:
            good = isinstance(value.get("manifests"), list) and "config" not in value
        else:
            good = isinstance(value.get("config"), dict) and "manifests" not in value
        if not good or media_type not in (*_INDEX_TYPES, *_MANIFEST_TYPES):
            raise LockError(f"{self._reference}: {media_type!r} is not an image this can read")
        return _Manifest(sha256=sha256_bytes(body), is_index=is_index, value=value)

    def check_platform(self, manifest: _Manifest, platform: str) -> None:
        """Refuse an image whose configuration says that it is for another platform."""
        digest = str(manifest.value["config"].get("digest"))
        if not _DIGEST.fullmatch(digest):
            raise LockError(f"{self._reference}: {digest!r} is not a SHA-256 digest")
        body, _ = self._content(f"blobs/{digest}", digest, accept="*/*")
        found = self._object(body)
        if not _matches(found, platform):
            raise LockError(
                f"{self._reference}: is for {_platform_name(found)} only, not for {platform}",
                mend="name an image that is made for this machine",
            )

    def _content(self, path: str, version: str, *, accept: str) -> tuple[bytes, str]:
        """Return (bytes, media type) of what lies at a path, the digests checked."""
        url = f"{self._base}/v2/{self._where.repository}/{path}"
        answer = self._get(url, accept=accept, token=self._token)
        if answer.status == requests.codes.unauthorized and self._token is None:
            self._token = self._fetch_token(answer.headers.get("WWW-Authenticate", ""))
            answer = self._get(url, accept=accept, token=self._token)
        self._check_status(answer.status, version)
        found = f"sha256:{sha256_bytes(answer.body)}"
        announced = answer.headers.get("Docker-Content-Digest", found)
        asked = version if _DIGEST.fullmatch(version) else found
        for expected in (asked, announced):
            if found != expected:
                raise LockError(
                    f"{self._reference}: {self._host} sent the wrong bytes for {version}: "
                    f"expected {expected}, found {found}",
                    mend="the registry, or something on the way to it, is damaged or hostile; "
                    "use another mirror",
                )
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return answer.body, media_type

    def _fetch_token(self, challenge: str) -> str:
        """Ask for a token for reading anonymously, as the registry's challenge says how."""
        scheme, _, parameters = challenge.partition(" ")
        asked = parse_dict_header(parameters)  # type: ignore[no-untyped-call]
        realm = asked.get("realm") or ""
        plain_text = urlsplit(self._base).scheme == "http"
        allowed = ("https", "http") if plain_text else ("https",)
        if scheme.lower() != "bearer" or urlsplit(realm).scheme not in allowed:
            raise self._needs_login()
        default_scope = f"repository:{self._where.repository}:pull"
        query = {"scope": asked.get("scope") or default_scope}
        if asked.get("service"):
            query["service"] = str(asked["service"])
        answer = self._get(realm, accept="application/json", token=None, query=query)
        self._check_status(answer.status, "token")
        granted = self._object(answer.body)
        token = granted.get("token") or granted.get("access_token")
        if not isinstance(token, str):
            raise LockError(f"{self._reference}: {self._host} gave no token for reading")
        return token

    def _get(
        self, url: str, *, accept: str, token: str | None, query: Mapping[str, str] | None = None
    ) -> Answer:
        return fetch(
            self._session,
            url,
            what=f"{self._reference}: the registry {self._host}",
            accept=accept,
            token=token,
            query=query,
            limit_bytes=_LIMIT_BYTES,
        )

    def _check_status(self, status: int, what: str) -> None:
        if status == requests.codes.ok:
            return
        if status == requests.codes.not_found:
            raise LockError(
                f"{self._reference}: {self._host} has no {what} of {self._where.repository} (404)",
                mend="check the image's name, its tag or digest, and [mirrors] in specseal.toml",
            )
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise self._needs_login()
        if status == requests.codes.too_many_requests or status >= 500:
            raise MachineLacks(
                f"{self._reference}: {self._host} keeps answering {status}",
                mend="wait and run the command again, or name a mirror for "
                f"{self._where.registry!r} under [mirrors] in specseal.toml",
            )
        raise LockError(f"{self._reference}: {self._host} answers {status} for {what}")

    def _needs_login(self) -> LockError:
        return LockError(
            f"{self._reference}: {self._host} lets nobody read it without an account (401), "
            "and specseal has none",
            mend="check the name (a registry may answer so for what does not exist), or use an "
            "image or a mirror that is open",
        )

    def _object(self, body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise LockError(f"{self._reference}: {self._host} sent what is not JSON") from error
        if not isinstance(value, dict):
            raise LockError(f"{self._reference}: {self._host} sent JSON that is not an object")
        return value

    @property
    def _host(self) -> str:
        """Host and port that are asked; never the user and password that a URL may hold."""
        return urlsplit(self._base).netloc.rpartition("@")[2]


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
    if not _DIGEST.fullmatch(digest):
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
