"""Files that appear whole or not at all, whenever a process dies."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specseal.errors import InputError

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)
"""What a disk that knows no hard links (exFAT, some shares) fails with."""


def write_atomically(path: Path, data: bytes, *, partial_in: Path | None = None) -> None:
    """Write a small file; whatever lay there is replaced once the new bytes are on the disk.

    Args:
        path: the file.
        data: what it is to hold.
        partial_in: where the hidden file lies until then, on the same disk; beside `path` if None.

    Raises:
        OSError: it can't be written; what lay there is as it was.
    """
    with _written(data, path, partial_in or path.parent) as partial:
        partial.replace(path)


def write_new(path: Path, data: bytes) -> None:
    """Write a small file where there is none.

    Raises:
        InputError: there is something already, or it can't be written.
    """
    try:
        with _written(data, path, path.parent) as partial:
            name_new(partial, path)
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error


def name_new(partial: Path, path: Path) -> None:
    """Give a file that is whole its final name, where nothing has that name.

    Args:
        partial: the file, on the same disk; its name is gone afterwards.
        path: the name.

    Raises:
        InputError: there is something already.
        OSError: it can't be named so.
    """
    sync(partial)
    try:
        try:
            path.hardlink_to(partial)  # which, unlike a rename, never replaces anything
            partial.unlink()
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _replace_new(partial, path)
    except FileExistsError as error:
        raise _taken(path) from error
    sync(path.parent)


def refuse_existing(path: Path) -> None:
    """Refuse a place at which something lies already.

    Raises:
        InputError: something does.
    """
    if path.exists() or path.is_symlink():
        raise _taken(path)


def sync(path: Path) -> None:
    """Force a file, or the list of a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Force all of a folder to disk, so that not even a power cut renames half of it."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


@contextmanager
def _written(data: bytes, path: Path, folder: Path) -> Iterator[Path]:
    """Yield a hidden file with some bytes, on the disk; its name is gone afterwards."""
    partial = folder / f".{path.name}.{secrets.token_hex(8)}.in-progress"
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _replace_new(partial: Path, path: Path) -> None:
    """Take a name, which fails where something has it, and put the file there."""
    with path.open("xb"):
        try:
            partial.replace(path)
        except OSError:
            path.unlink()
            raise


def _taken(path: Path) -> InputError:
    return InputError(f"{path}: there is something already", mend="name another place")
