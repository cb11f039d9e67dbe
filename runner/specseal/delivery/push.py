"""Send a bundle to a registry: blobs first, then manifests, tags last.

So a tag never shows what is not there whole, and what was sent before an interruption is not sent
again: blobs are known by their digest.

Source: OCI Distribution Specification 1.1 (pushing blobs in chunks, pushing manifests, referrers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import IO, cast

import requests

from specseal.delivery.folder import FolderSource
from specseal.delivery.oci import (
    EMPTY,
    Descriptor,
    Manifest,
    index_of,
    read_index,
    referrers_tag,
)
from specseal.delivery.parcel import Entry
from specseal.digests import sha256_bytes
from specseal.errors import InputError, RegistryError
from specseal.http import persistently
from specseal.registry import INDEX_TYPE, MANIFEST_TYPE, Repository

_CHUNK_BYTES = 1 << 20
_UNTOLD = -1
_REWRITES = 5
"""How often a list that another writer changed meanwhile is written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a push did."""

    blobs: int
    """How many blobs were sent."""
    there: int
    """How many were there already."""


class Push:
    """Pushing to one repository.

    Args:
        repository: opened for pulling and pushing.
        source: has the files.
    """

    def __init__(self, repository: Repository, source: FolderSource) -> None:
        self._repository = repository
        self._source = source

    def blobs(self, entries: Sequence[Entry]) -> Sent:
        """Send the files that the registry has not got yet, and the empty configuration.

        Raises:
            InputError: a file changed while it was being sent.
            RegistryError: the registry does not take them.
            MachineLacks: it can't be reached.
        """
        distinct: dict[str, tuple[int, _Opened]] = {
            f"sha256:{entry.sha256}": (entry.size_bytes, partial(self._open, entry))
            for entry in entries
        }
        empty = f"sha256:{sha256_bytes(EMPTY)}"
        distinct[empty] = (len(EMPTY), lambda: nullcontext(_Body(BytesIO(EMPTY), len(EMPTY))))
        sent = sum(self._send_once(digest, *blob) for digest, blob in distinct.items())
        return Sent(blobs=sent, there=len(distinct) - sent)

    def manifest(self, manifest: Manifest, *tags: str) -> None:
        """Send a manifest, and then point tags at it. Raises: as `blobs`."""
        for version in (manifest.digest, *tags):
            self._put(version, manifest.body, MANIFEST_TYPE)

    def refer(self, subject: Manifest, referrers: Sequence[Manifest]) -> None:
        """Add manifests to the list of those that refer to one.

        The list is written whether or not the registry makes one of its own: readers of others do
        not have to know. It is read again afterwards, for another writer may have replaced it.

        Raises:
            VerificationFailed: what lies there is no such list.
            RegistryError: it keeps changing, or the registry does not take it.
            MachineLacks: the registry can't be reached.
        """
        tag = referrers_tag(subject.digest)
        wanted = {manifest.digest: manifest.descriptor for manifest in referrers}
        for _ in range(_REWRITES):
            listed = listed_referrers(self._repository, tag)
            missing = [wanted[one] for one in wanted if one not in {e["digest"] for e in listed}]
            if not missing:
                return
            self._put(tag, index_of([*listed, *missing]), INDEX_TYPE)
        raise RegistryError(
            f"{self._repository.name}: the tag {tag} does not keep what is written to it",
            mend="see that nobody else is publishing there, and run the command again",
        )

    def _put(self, version: str, body: bytes, media_type: str) -> None:
        repository = self._repository
        url = repository.url(f"manifests/{version}")
        headers = {"Content-Type": media_type}
        with repository.request("PUT", url, headers=headers, data=lambda: body) as response:
            repository.check_status(response.status_code, f"place for {version}")

    def _send_once(self, digest: str, size_bytes: int, opened: _Opened) -> bool:
        """Send a blob unless it is there, and return whether it was sent."""
        repository = self._repository
        there = self._there(digest)
        if there in (size_bytes, _UNTOLD):
            return False
        # From the start each time: of what broke off, nobody knows how much has arrived.
        url = repository.url(f"blobs/{digest}")
        persistently(repository.session, url, lambda: self._send(digest, opened))
        # A registry may keep what it has, and not look whether that is still whole.
        if there is not None and self._there(digest) != size_bytes:
            raise RegistryError(
                f"{repository.name}: {repository.host} keeps a damaged {digest}, which is of "
                f"{size_bytes:,} bytes, and does not take it anew",
                mend="have it removed from the registry's storage, or publish under another host",
            )
        return True

    def _there(self, digest: str) -> int | None:
        """Return how large a blob is there, `_UNTOLD` where that is not said, None if it is not."""
        repository = self._repository
        with repository.request("HEAD", repository.url(f"blobs/{digest}")) as response:
            if response.status_code == requests.codes.not_found:
                return None
            repository.check_status(response.status_code, digest)
            said = response.headers.get("Content-Length", "")
            return int(said) if said.isascii() and said.isdigit() else _UNTOLD

    def _send(self, digest: str, opened: _Opened) -> None:
        repository = self._repository
        url = repository.url("blobs/uploads/")
        with repository.request("POST", url, data=lambda: b"") as response:
            repository.check_status(response.status_code, "place for uploads")
            place = repository.url(response.headers.get("Location", ""), against=url)
        with opened() as body:
            if len(body):
                place = self._send_body(place, body)
            if body.digest != digest:
                raise InputError(
                    f"{repository.name}: a file changed while it was being sent: it was of "
                    f"{digest}, and is of {body.digest}",
                    mend="leave the bundle alone until it is published",
                )
        joint = "&" if "?" in place else "?"
        with repository.request("PUT", f"{place}{joint}digest={digest}") as response:
            repository.check_status(response.status_code, f"place for {digest}")

    def _send_body(self, place: str, body: _Body) -> str:
        """Send bytes to where an upload was opened; return where to say that they are all."""
        repository = self._repository

        def anew() -> IO[bytes]:
            body.seek(0)
            return cast(IO[bytes], body)

        headers = {"Content-Type": "application/octet-stream"}
        with repository.request("PATCH", place, headers=headers, data=anew) as response:
            repository.check_status(response.status_code, "place for a blob")
            return repository.url(response.headers.get("Location", place), against=place)

    @contextmanager
    def _open(self, entry: Entry) -> Iterator[_Body]:
        with self._source.open(entry) as file:
            yield _Body(file, entry.size_bytes)


class _Body:
    """A file on its way, hashed as it is read. What requests asks of a body that it streams."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self.seek(0)

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(_CHUNK_BYTES):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        """Read on, but never beyond the size that was announced."""
        left = self._size_bytes - self._place
        chunk = self._file.read(left if size < 0 else min(size, left))
        self._hasher.update(chunk)
        self._place += len(chunk)
        return chunk

    def tell(self) -> int:
        """Return how much has been read."""
        return self._place

    def seek(self, place: int) -> None:
        """Start again: the only place to go to is the start."""
        self._file.seek(place)
        self._place = place
        self._hasher = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Return `sha256:…` of what has been read."""
        return f"sha256:{self._hasher.hexdigest()}"


_Opened = Callable[[], AbstractContextManager[_Body]]


def listed_referrers(repository: Repository, tag: str) -> tuple[Descriptor, ...]:
    """Return what the referrers tag lists. Raises: as `Repository.document`, VerificationFailed."""
    document = repository.find_document(tag, accept=INDEX_TYPE)
    if document is None:
        return ()
    return read_index(repository.name, repository.json_object(document.body))
