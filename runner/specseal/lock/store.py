"""The content store: files kept by the SHA-256 of their bytes, for all runs of this machine.

`cache_dir/sha256/ab/ab12…` holds the bytes whose digest is `ab12…`, read-only. A file is there
whole or not at all, and is hashed again the first time that a process asks for it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path
from typing import IO

from filelock import FileLock

from specseal.atomic import sync
from specseal.digests import Digest, sha256_file
from specseal.errors import LockError, MachineLacks

_CHUNK_BYTES = 1 << 20
_READ_ONLY = 0o444


class Store:
    """Files by content, below one cache folder. Any number of processes may share it."""

    def __init__(self, cache_dir: Path) -> None:
        self._root = cache_dir / "sha256"
        self._intact: dict[Digest, tuple[int, int, int]] = {}
        """What this process has hashed, with the file's identity at that moment."""

    def has(self, digest: Digest) -> bool:
        """Return whether a file of that name is there; `get` says whether it is intact."""
        return self._path(digest).is_file()

    def get(self, digest: Digest) -> Path:
        """Return the path of the file with that digest, which is never to be written to.

        Raises:
            LockError: the store has no such file, or it was altered (it is then removed).
        """
        path = self._path(digest)
        if not path.is_file():
            raise LockError(
                f"{path}: the file of that digest is not in the store",
                mend="`specseal lock SPEC` fetches what a spec needs",
            )
        if not self._is_intact(digest):
            found = sha256_file(path)
            if found != digest:
                path.unlink(missing_ok=True)
                raise LockError(
                    f"{path}: altered in the store: expected sha256 {digest}, found {found}",
                    mend="it was removed; run the command again to fetch it anew",
                )
            self._intact[digest] = _identity(path)
        return path

    def put(self, content: Path | bytes | IO[bytes]) -> Digest:
        """Keep a file, some bytes, or what is left of a stream, and return the digest.

        An altered copy that was in the store under that digest is replaced.

        Raises:
            OSError: a source given as a path can't be read.
            MachineLacks: the store can't be written: no room, no permission.
        """
        if isinstance(content, bytes):
            return self._write(io.BytesIO(content))
        if isinstance(content, Path):
            digest = sha256_file(content)
            if self._is_intact(digest):
                return digest
            with content.open("rb") as file:
                return self._write(file)
        return self._write(content)

    def remove(self, digest: Digest) -> None:
        """Forget a file, where it is there. Raises: LockError: that is no digest; OSError."""
        self._path(digest).unlink(missing_ok=True)
        self._intact.pop(digest, None)

    def _path(self, digest: Digest) -> Path:
        # A digest may come out of a lock that somebody else wrote: it must not become a way out.
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise LockError(f"{digest!r} is not a SHA-256 digest (64 lower-case hex digits)")
        return self._root / digest[:2] / digest

    def _is_intact(self, digest: Digest) -> bool:
        path = self._path(digest)
        return path.is_file() and self._intact.get(digest) == _identity(path)

    def _write(self, stream: IO[bytes]) -> Digest:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            # One writer at a time, so that whatever is partial here was left by one that died.
            with FileLock(self._root / ".lock"):
                partial = self._root / ".partial"
                partial.unlink(missing_ok=True)
                try:
                    digest = _copy_hashed(stream, partial)
                    self._settle(partial, digest)
                finally:
                    partial.unlink(missing_ok=True)
        except OSError as error:
            raise MachineLacks(
                f"{self._root}: a file can't be kept there: {error.strerror or error}",
                mend="make room there, or name another `cache_dir` in specseal.toml",
            ) from error
        return digest

    def _settle(self, partial: Path, digest: Digest) -> None:
        path = self._path(digest)
        path.parent.mkdir(exist_ok=True)
        partial.chmod(_READ_ONLY)
        partial.replace(path)
        sync(path.parent)
        self._intact[digest] = _identity(path)


def _copy_hashed(stream: IO[bytes], target: Path) -> Digest:
    hashed = hashlib.sha256()
    with target.open("wb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            hashed.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Digest(hashed.hexdigest())


def _identity(path: Path) -> tuple[int, int, int]:
    # Not the change time: a new hard link to the file moves it.
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
