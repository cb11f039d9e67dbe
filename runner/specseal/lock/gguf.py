"""The metadata at the head of a GGUF file, keys and values, and a tensor of whole numbers.

The package `gguf` reads it too, but keeps several arrays for every token: 3 s and 190 MB for a
vocabulary of 49,152 (version 0.19.0), against a tenth of a second here.

Source: ggml-org/ggml, docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from specseal.errors import LockError

Scalar = int | float | bool | bytes
Value = Scalar | list["Value"]
"""What a key may hold; strings stay bytes, as a token need not be whole UTF-8."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_NUMBERS = {
    0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?", 10: "<u8",
    11: "<i8", 12: "<f8",
}  # fmt: skip
_INT64 = 27
"""Kind of a tensor. Source: ggml-org/ggml, include/ggml.h, `GGML_TYPE_I64`."""
_ALIGNMENT = "general.alignment", 32
_DEEPEST = 4
"""Arrays within arrays that are followed; models have two levels at most."""


def read_metadata(path: Path) -> dict[str, Value]:
    """Return all keys of a GGUF file with their values.

    Raises:
        LockError: it is not a GGUF file of a known version, or it ends too early.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return _Head(file, path.name).metadata()[0]


def read_whole_numbers(path: Path, tensor: str) -> NDArray[np.int64] | None:
    """Return a tensor that is one list of 64-bit integers, or None where there is no such tensor.

    Raises:
        LockError: it is another kind of tensor; or as for `read_metadata`.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        head = _Head(file, path.name)
        metadata, tensors = head.metadata()
        found: _Tensor | None = None
        for _ in range(tensors):
            one = head.tensor()
            found = one if one.name == tensor.encode() else found
        if found is None:
            return None
        if found.kind != _INT64 or len(found.shape) != 1:
            shape = " × ".join(map(str, found.shape))
            raise head.refusal(f"has a {tensor} of kind {found.kind}, {shape}: no list of integers")
        alignment = metadata.get(*_ALIGNMENT)
        if type(alignment) is not int or alignment < 1:
            raise head.refusal(f"says {_ALIGNMENT[0]}: {alignment!r}, which is no alignment")
        head.skip(-file.tell() % alignment + found.offset)
        return np.frombuffer(head.take(8 * found.shape[0]), "<i8")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int
    """From where the tensors' data begin."""


class _Head:
    """What is left of the file's head; never reads past its end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self._left = os.fstat(file.fileno()).st_size

    def refusal(self, what: str) -> LockError:
        return LockError(f"{self._name} {what}", mend="name a model file that llama.cpp can load")

    def metadata(self) -> tuple[dict[str, Value], int]:
        """Return all keys with their values, and how many tensors come next."""
        if self.take(4) != _MAGIC:
            raise self.refusal("does not begin as a GGUF file does")
        version = self.integer("<I")
        if version not in _VERSIONS:
            raise self.refusal(f"is of GGUF version {version}; versions 2 and 3 can be read")
        tensors = self.integer("<Q")
        found: dict[str, Value] = {}
        for _ in range(self.integer("<Q")):
            key = self.string().decode("utf-8", "replace")
            if key in found:
                raise self.refusal(f"has the key {key} twice")
            found[key] = self.value(self.integer("<I"))
        return found, tensors

    def tensor(self) -> _Tensor:
        return _Tensor(
            name=self.string(),
            shape=tuple(self.integer("<Q") for _ in range(self.integer("<I"))),
            kind=self.integer("<I"),
            offset=self.integer("<Q"),
        )

    def skip(self, count: int) -> None:
        if count > self._left:
            raise self.refusal("ends within its tensors")
        self._left -= count
        self._file.seek(count, os.SEEK_CUR)

    def take(self, count: int) -> bytes:
        # Compared before reading: a damaged length must not ask for petabytes.
        if count > self._left:
            raise self.refusal("ends within its metadata")
        self._left -= count
        return self._file.read(count)

    def integer(self, form: str) -> int:
        (number,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(number)

    def string(self) -> bytes:
        return self.take(self.integer("<Q"))

    def value(self, kind: int, depth: int = 0) -> Value:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY and depth < _DEEPEST:
            return self._array(self.integer("<I"), self.integer("<Q"), depth + 1)
        return self._numbers(kind, 1)[0]

    def _array(self, kind: int, count: int, depth: int) -> list[Value]:
        if kind in (_STRING, _ARRAY):
            return [self.value(kind, depth) for _ in range(count)]
        return self._numbers(kind, count)

    def _numbers(self, kind: int, count: int) -> list[Value]:
        if kind not in _NUMBERS:
            raise self.refusal(f"has a value of kind {kind}, which is not known")
        form = np.dtype(_NUMBERS[kind])
        numbers: list[Value] = np.frombuffer(self.take(count * form.itemsize), form).tolist()
        return numbers
