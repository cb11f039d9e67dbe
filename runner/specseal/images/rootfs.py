"""What is in an image: a digest of its root file system, and the packages found there.

An image's own digest changes with every build, because layers carry times. The digest here is over
paths, kinds, modes, link targets and contents alone, so that two independent builds of the same
inputs can be compared, and a stranger's with ours.

Source of the files left out: the container engine puts them into every container that it makes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import DockerException
from packaging.utils import canonicalize_name

from specseal import owner
from specseal.digests import Digest, sha256_value
from specseal.errors import RunFailed
from specseal.records import write_json_atomically

_ENGINES_OWN = frozenset({".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"})
_ENGINES_FOLDERS = ("dev", "proc", "sys")
_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "same as",
}  # fmt: skip
_PYTHON = ".dist-info/METADATA"
_DEBIAN, _DEBIAN_PARTS = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
_RELEASES = ("etc/os-release", "usr/lib/os-release")
_KEPT = "rootfs-3"
"""Folder of what was read; another number where another version reads otherwise."""

Entry = list[str]
"""Kind, mode in octal, and target or SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFs:
    """A root file system, without its times and owners."""

    entries: dict[str, Entry]
    """By path."""
    packages: list[dict[str, Any]]
    """`{"type", "name", "version"}` of each Python distribution and Debian package in it."""

    @property
    def sha256(self) -> Digest:
        """The digest of all entries."""
        return sha256_value(self.entries)

    def differences(self, other: RootFs) -> list[str]:
        """Return the paths in which another one differs, sorted."""
        paths = self.entries.keys() | other.entries.keys()
        return sorted(p for p in paths if self.entries.get(p) != other.entries.get(p))


def read_rootfs(client: docker.DockerClient, image: str) -> RootFs:
    """Return what is in an image. Raises: RunFailed where the container engine can't tell."""
    try:
        container = client.containers.create(
            image, command=["none"], network_mode="none", use_config_proxy=False,
            labels={owner.LABEL: owner.this_owner()},
        )  # fmt: skip
        try:
            return _read(container.export())
        finally:
            container.remove(force=True)
    except (DockerException, requests.RequestException, tarfile.TarError) as error:
        raise RunFailed(f"the container engine can't read the image {image}: {error}") from error


def known_rootfs(client: docker.DockerClient, image: str, cache: Path) -> tuple[Digest, Any]:
    """Return digest and packages of an image, read once for each image id.

    Args:
        client: the container engine.
        image: an image's id.
        cache: where what was read is kept.

    Raises:
        RunFailed: the image can't be read.
    """
    kept = cache / _KEPT / f"{image.removeprefix('sha256:')}.json"
    if not kept.is_file():
        found = read_rootfs(client, image)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomically(kept, {"sha256": found.sha256, "packages": found.packages})
    known = json.loads(kept.read_bytes())
    return Digest(known["sha256"]), known["packages"]


def _read(chunks: Iterable[bytes]) -> RootFs:
    entries: dict[str, Entry] = {}
    packages: list[dict[str, Any]] = []
    distribution = "debian"
    with tarfile.open(fileobj=_Stream(chunks), mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            if not path or path in _ENGINES_OWN or path.split("/")[0] in _ENGINES_FOLDERS:
                continue
            wanted = path.endswith(_PYTHON) or _is_debian(path) or path in _RELEASES
            held, told = _content(archive, member, keep=wanted)
            entries[path] = [_KINDS.get(member.type, "other"), f"{member.mode:o}", told]
            packages += _packages(path, held)
            if path in _RELEASES:
                distribution = _distribution(held) or distribution
    unique = {(one["type"], one["name"], one["version"]): one for one in packages}
    for one in unique.values():
        if one["type"] == "deb":
            one["distribution"] = distribution
    return RootFs(entries=entries, packages=[unique[key] for key in sorted(unique)])


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, *, keep: bool) -> tuple[bytes, str]:
    """Return the bytes, where they are to be kept, and what stands for them in an entry."""
    if not member.isreg():
        return b"", member.linkname
    file = archive.extractfile(member)
    if file is None:
        return b"", ""
    digest, held = hashlib.sha256(), io.BytesIO()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        if keep:
            held.write(chunk)
    return held.getvalue(), digest.hexdigest()


def _is_debian(path: str) -> bool:
    return path == _DEBIAN or path.startswith(_DEBIAN_PARTS)


def _packages(path: str, content: bytes) -> Iterator[dict[str, Any]]:
    if path.endswith(_PYTHON):
        fields = BytesHeaderParser().parsebytes(content)
        name, version = fields["Name"], fields["Version"]
        if name and version:
            yield {"type": "pypi", "name": str(canonicalize_name(name)), "version": version}
    elif _is_debian(path):
        for stanza in content.split(b"\n\n"):
            fields = BytesHeaderParser().parsebytes(stanza.lstrip(b"\n"))
            # Slim images keep one file a package in status.d, without a state.
            state = fields.get("Status", "installed")
            if fields["Package"] and state.endswith("installed"):
                name, version = fields["Package"], fields["Version"]
                yield {"type": "deb", "name": name, "version": version}


def _distribution(release: bytes) -> str | None:
    """Return whose packages they are. Source: os-release(5), ID."""
    found = re.search(rb'^ID="?([a-z0-9._-]+)"?$', release, re.MULTILINE)
    return found[1].decode() if found else None


class _Stream(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._left = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, missing = [], size
        while missing > 0:
            if not self._left:
                self._left = next(self._chunks, b"")
                if not self._left:
                    break
            part, self._left = self._left[:missing], self._left[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)
