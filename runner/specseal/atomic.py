"""Small files that appear whole or not at all, whenever a process dies."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from specseal.errors import InputError

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)
"""What a disk that knows no hard links (exFAT, some shares) fails with."""


def write_atomically(path: Path, data: bytes, *, partial_in: Path | None = None) -> None:
    """Write a file; whatever lay there is replaced once the new bytes are on the disk.

    Args:
        path: the file.
        data: what it is to hold.
        partial_in: where the hidden file lies until then, on the same disk; beside `path` if None.

    Raises:
        OSError: it can't be written; what lay there is as it was.
    """
    folder = partial_in or path.parent
    partial = folder / f".{path.name}.{secrets.token_hex(8)}.in-progress"
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def name_new(partial: Path, path: Path) -> None:
    """Give a file that is whole its final name, where nothing has that name.

    Args:
        partial: the file, on the same disk; its name is gone afterwards.
        path: the name.

    Raises:
        InputError: there is something already.
        OSError: it can't be named so.
    """
    _sync(partial)
    try:
        try:
            path.hardlink_to(partial)  # which, unlike a rename, never replaces anything
            partial.unlink()
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with path.open("xb"):
                partial.replace(path)
    except FileExistsError as error:
        raise InputError(
            f"{path}: there is something already", mend="name another place"
        ) from error
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Write a file where there is none.

    Raises:
        InputError: there is something already, or it can't be written.
    """
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise InputError(f"{path} is there already", mend="choose another name") from error
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error
