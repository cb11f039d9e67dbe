"""The base image's root file system, assembled from locked Debian packages.

Each package is fetched from a Debian mirror, checked against its SHA-256, and unpacked without
running any of its scripts. Times, owners and order are fixed, so that the same list always gives
the same bytes. There is no shell and no package manager in it.

Source of the formats: deb(5), ar(5).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from specseal.atomic import write_atomically
from specseal.digests import sha256_bytes
from specseal.errors import LockError, MachineLacks
from specseal.settings import Settings

_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/none\nspecseal:x:65532:65532:specseal:/tmp:/none\n",
    "etc/group": "root:x:0:\nspecseal:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files\n",
}
_LINKS = {"usr/bin/python3": "python3.11"}
_FOLDERS = {"tmp": 0o1777, "proc": 0o555, "sys": 0o555, "dev": 0o755}
_TIMEOUT_S = 60


def find_mirror(settings: Settings, *, sources: Path = Path("/etc/apt")) -> str:
    """Return the URL of a Debian mirror: the site's setting, else this host's own apt sources.

    Raises:
        MachineLacks: neither names one.
    """
    if settings.debian_mirror:
        return settings.debian_mirror.rstrip("/")
    for path in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines():
                match = re.match(r"\s*(?:URIs:|deb\b)[^#]*?\b(https?://\S+/debian)/?(?:\s|$)", line)
                if match:
                    return match[1]
    raise MachineLacks(
        "the base image is assembled from Debian packages, and no Debian mirror is known here",
        mend="set debian_mirror in specseal.toml (or SPECSEAL_DEBIAN_MIRROR) to the URL of any "
        "Debian mirror, or use --runtime native",
    )


def fetch_packages(packages: list[dict[str, Any]], *, settings: Settings) -> list[bytes]:
    """Return the bytes of each package, from the cache or a mirror, checked against its digest.

    Raises:
        MachineLacks: no mirror is known, or it does not answer.
        LockError: the mirror has no such file, or sends other bytes.
    """
    cache = settings.cache_dir / "debian"
    cache.mkdir(parents=True, exist_ok=True)
    session = requests.Session()
    session.mount("http", HTTPAdapter(max_retries=Retry(4, backoff_factor=0.5)))
    if settings.ca_bundle:
        session.verify = str(settings.ca_bundle)
    return [_fetch(package, cache, session, settings) for package in packages]


def _fetch(
    package: dict[str, Any], cache: Path, session: requests.Session, settings: Settings
) -> bytes:
    kept: Path = cache / package["sha256"]
    if kept.is_file():
        known = kept.read_bytes()
        if sha256_bytes(known) == package["sha256"]:
            return known
    mirror = find_mirror(settings)
    url = f"{mirror}/{package['path']}"
    try:
        response = session.get(url, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise MachineLacks(
            f"the Debian mirror {mirror} does not answer: {error}",
            mend="set debian_mirror in specseal.toml to one that does",
        ) from error
    if response.status_code != requests.codes.ok:
        raise LockError(
            f"{url}: HTTP {response.status_code}",
            mend="the package may have left this mirror: set debian_mirror in specseal.toml to "
            "a Debian archive of the list's date",
        )
    data = bytes(response.content)
    if sha256_bytes(data) != package["sha256"]:
        raise LockError(
            f"{url}: the bytes received have SHA-256 {sha256_bytes(data)}, "
            f"the list says {package['sha256']}",
            mend="use another Debian mirror: this one sends something else",
        )
    write_atomically(kept, data)
    return data


def assemble(packages: list[bytes]) -> bytes:
    """Return the root file system as an uncompressed tar, the same bytes for the same packages."""
    entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for package in packages:
        with tarfile.open(fileobj=io.BytesIO(_data_member(package))) as archive:
            for member in archive:
                for info, content in _normalised(archive, member):
                    entries[info.name] = (info, content)
    for name, text in _FILES.items():
        entries[name] = (_entry(name, tarfile.REGTYPE, 0o644), text.encode())
    for name, target in _LINKS.items():
        link = _entry(name, tarfile.SYMTYPE, 0o777)
        link.linkname = target
        entries[name] = (link, b"")
    for name, mode in _FOLDERS.items():
        entries[name] = (_entry(name, tarfile.DIRTYPE, mode), b"")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(entries):
            info, content = entries[name]
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _normalised(
    archive: tarfile.TarFile, member: tarfile.TarInfo
) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    name = PurePosixPath(member.name.lstrip("/")).as_posix()
    if name == "." or ".." in PurePosixPath(name).parts or name.startswith(_LEFT_OUT):
        return
    if name.endswith("/EXTERNALLY-MANAGED"):
        return  # meant for Debian systems; nothing else manages this one
    info = _entry(name, member.type, member.mode & 0o777)
    content = b""
    if member.isreg() or member.islnk():
        # A hard link becomes a file of its own: its target may come later in sorted order.
        file = archive.extractfile(member)
        content = file.read() if file else b""
        info.type = tarfile.REGTYPE
    elif member.issym():
        info.linkname = member.linkname
    elif not member.isdir():
        return
    yield info, content


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    return info


def _data_member(package: bytes) -> bytes:
    """Return `data.tar.*` of a Debian package (an ar archive with 60-byte headers)."""
    if not package.startswith(b"!<arch>\n"):
        raise LockError("not a Debian package: no ar signature")
    offset = 8
    while offset + 60 <= len(package):
        name = package[offset : offset + 16].decode("ascii").rstrip(" /")
        size = int(package[offset + 48 : offset + 58])
        offset += 60
        if name.startswith("data.tar"):
            return package[offset : offset + size]
        offset += size + size % 2
    raise LockError("not a Debian package: no data.tar inside")


def read_list(path: Path) -> list[dict[str, Any]]:
    """Read the committed list of packages."""
    packages: list[dict[str, Any]] = json.loads(path.read_bytes())["packages"]
    return packages
