"""Small files that appear whole or not at all, whenever a process dies."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from specseal.errors import InputError


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
