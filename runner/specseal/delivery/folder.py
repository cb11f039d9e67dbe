"""A folder as a source: its regular files, each opened without following a link."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from specseal.delivery.parcel import Entry, Limits, check_entries, refused
from specseal.digests import Digest
from specseal.errors import InputError

_CHUNK_BYTES = 1 << 20


class FolderSource:
    """The files below a folder that anybody may have prepared.

    Args:
        root: the folder.
        limits: what it may hold.

    Raises:
        InputError: it is no folder, or can't be read.
        VerificationFailed: something in it is no regular file, or may not be in a bundle.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        if not root.is_dir():
            raise InputError(
                f"{root}: a bundle is a folder, and there is none",
                mend=f"`specseal pull {root}` makes a folder of an archive, and verifies it"
                if root.is_file()
                else "",
            )
        self.name = str(root)
        self._root = root.resolve()
        self.entries = tuple(sorted(self._walk(limits), key=lambda entry: entry.path))
        check_entries(self.name, self.entries, limits)

    def with_digests(self) -> tuple[Entry, ...]:
        """Return the entries, each with its digest. Raises: as `copy`."""
        found = []
        for entry in self.entries:
            hasher = hashlib.sha256()
            self.copy(entry, hasher.update)
            found.append(replace(entry, sha256=Digest(hasher.hexdigest())))
        return tuple(found)

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand a file's bytes to `write`.

        Raises:
            InputError: it can't be read.
            VerificationFailed: it is no regular file any more.
        """
        with self.open(entry) as file:
            while chunk := file.read(_CHUNK_BYTES):
                write(chunk)

    @contextmanager
    def open(self, entry: Entry) -> Iterator[IO[bytes]]:
        """Open a file by way of its folders, none of which may be a link. Raises: as `copy`."""
        *folders, name = entry.path.split("/")
        opened: list[int] = []
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            at = os.open(self._root, flags | os.O_DIRECTORY)
            opened.append(at)
            for folder in folders:
                at = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at)
                opened.append(at)
            descriptor = os.open(name, flags | os.O_NONBLOCK, dir_fd=at)
        except OSError as error:
            raise InputError(
                f"{self.name}/{entry.path}: can't be read: {error.strerror}"
            ) from error
        finally:
            for one in opened:
                os.close(one)
        file = regular_file(descriptor)
        if file is None:
            raise refused(self.name, f"{entry.path}: is not a regular file")
        with file:
            yield file

    def _walk(self, limits: Limits) -> Iterator[Entry]:
        seen = 0
        for folder, folders, files, descriptor in os.fwalk(self._root, onerror=self._fail):
            prefix = os.path.relpath(folder, self._root)
            for name in (*folders, *files):
                path = name if prefix == "." else f"{prefix}/{name}"
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if name in folders and stat.S_ISDIR(found.st_mode):
                    # Asked of folders, too, so that one nested without end is not walked.
                    if problem := limits.path_problem(path):
                        raise refused(self.name, f"the folder {path[:200]!r} {problem}")
                    continue
                if not stat.S_ISREG(found.st_mode):
                    raise refused(self.name, f"{path[:200]!r}: is not a regular file")
                seen += 1
                if seen > limits.max_files:
                    raise refused(self.name, f"has more than {limits.max_files:,} files")
                yield Entry(path=path, size_bytes=found.st_size)

    def _fail(self, error: OSError) -> None:
        raise InputError(f"{self.name}: can't be read: {error.strerror}") from error


def regular_file(descriptor: int) -> IO[bytes] | None:
    """Return what a descriptor is of as a file; where that is no regular one, close it: None."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    return None
