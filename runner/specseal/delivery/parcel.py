"""What is carried from one place to another: files by path, and what may be among them.

A `Source` says which files it has before any of them is fetched, so that a listing that was made to
do harm is refused while nothing has been written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from specseal.digests import Digest
from specseal.errors import VerificationFailed

GET_IT_AGAIN = "get the bundle again from where it was published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file."""

    path: str
    """Relative, POSIX."""
    size_bytes: int
    sha256: Digest | None = None
    """None where the source does not tell before the bytes are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a parcel may hold."""

    max_files: int
    max_bytes: int
    """Of all files together."""
    max_file_bytes: Callable[[str], int]
    """How large the file at a path may be."""
    path_problem: Callable[[str], str | None]
    """Why a path may not be in it, or None."""


class Source(Protocol):
    """Where files come from."""

    @property
    def name(self) -> str:
        """Return what errors call it."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return what it says that it has."""

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand a file's bytes to `write`, piece by piece; what they are is for the caller to check.

        Raises:
            SpecsealError: they can't be had.
        """


def copy_checked(source: Source, entry: Entry, write: Callable[[bytes], object]) -> None:
    """Hand a file's bytes to `write`, which may have had wrong ones when this fails.

    Raises:
        VerificationFailed: they are not of the size or digest that the source says.
        SpecsealError: they can't be had.
    """
    hasher, size = hashlib.sha256(), 0

    def take(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > entry.size_bytes:
            raise refused(source.name, f"{entry.path}: is larger than it says")
        hasher.update(data)
        write(data)

    source.copy(entry, take)
    if size != entry.size_bytes:
        raise refused(source.name, f"{entry.path}: {size:,} bytes came of {entry.size_bytes:,}")
    if entry.sha256 not in (None, hasher.hexdigest()):
        raise refused(
            source.name,
            f"{entry.path}: the bytes that came are of SHA-256 {hasher.hexdigest()}, not of "
            f"{entry.sha256}",
        )


class Held:
    """A small source, all of whose files have been read and are what it says.

    Args:
        source: what it is of.
        limits: what it may have; asked before anything is read.

    Raises:
        VerificationFailed: it has more, or something else than it says.
        SpecsealError: it fails.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        check_entries(source.name, source.entries, limits)
        self.name, self.entries = source.name, source.entries
        self.files = {entry.path: self._read(source, entry) for entry in source.entries}

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand a file's bytes to `write`."""
        write(self.files[entry.path])

    def _read(self, source: Source, entry: Entry) -> bytes:
        data = bytearray()
        copy_checked(source, entry, data.extend)
        return bytes(data)


def refused(name: str, sentence: str) -> VerificationFailed:
    """Return the error for a parcel that is not what a bundle's may be."""
    return VerificationFailed(f"{name}: {sentence}", mend=GET_IT_AGAIN)


def check_entries(
    name: str, entries: Iterable[Entry], limits: Limits, *, beside: Iterable[str] = ()
) -> None:
    """Refuse a listing that no bundle has.

    Args:
        name: the source's, as errors should have it.
        entries: what it says that it has.
        limits: what it may have.
        beside: paths of files that are there already.

    Raises:
        VerificationFailed: too many files or bytes, a path that may not be, or two for one place.
    """
    taken = {path.casefold() for path in beside}
    folders = {folder for path in taken for folder in _folders(path)}
    total = 0
    for number, entry in enumerate(entries, 1):
        if number > limits.max_files:
            raise refused(name, f"has more than {limits.max_files:,} files")
        if problem := limits.path_problem(entry.path):
            raise refused(name, f"the path {entry.path[:200]!r} {problem}")
        path = entry.path.casefold()
        if path in taken or path in folders or taken.intersection(_folders(path)):
            raise refused(name, f"{entry.path}: two files for one place")
        allowed = limits.max_file_bytes(entry.path)
        if not 0 <= entry.size_bytes <= allowed:
            raise refused(
                name, f"{entry.path}: is of {entry.size_bytes:,} bytes; {allowed:,} are allowed"
            )
        total += entry.size_bytes
        if total > limits.max_bytes:
            raise refused(name, f"its files are of more than {limits.max_bytes:,} bytes together")
        taken.add(path)
        folders.update(_folders(path))


def _folders(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
