"""Digests: SHA-256 everywhere, over canonical JSON (RFC 8785) wherever a value is hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NewType

import rfc8785

from specseal.errors import InputError

Digest = NewType("Digest", str)
"""64 lower-case hex digits of a SHA-256."""


def sha256_bytes(data: bytes) -> Digest:
    """Return the SHA-256 of `data`."""
    return Digest(hashlib.sha256(data).hexdigest())


def sha256_file(path: Path) -> Digest:
    """Return the SHA-256 of a file's bytes, read as a stream.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes of a value of dicts, lists, strings, numbers, booleans, None.

    Raises:
        InputError: the value has no canonical form (NaN, an integer of 2⁵³ or more, half of a
            surrogate pair).
    Source: RFC 8785.
    """
    try:
        return rfc8785.dumps(value)
    # The library says it of a lone surrogate in a string, but lets the codec's error out of a key.
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InputError(f"not representable as canonical JSON: {error}") from error


def sha256_value(value: Any) -> Digest:
    """Return the SHA-256 of a value's canonical JSON."""
    return sha256_bytes(canonical(value))


def tree_files(root: Path, *, exclude: Iterable[str] = ()) -> dict[str, Digest]:
    """Return {relative POSIX path: digest} of every regular file under `root`, sorted by path.

    Byte-code caches are left out: they differ with each interpreter and are never inputs.

    Args:
        root: the folder.
        exclude: file names left out wherever they are.
    """
    excluded = set(exclude)
    return {
        path.relative_to(root).as_posix(): sha256_file(path)
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name not in excluded
    }
