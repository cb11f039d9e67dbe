"""A GGUF file cut down to its first layers: a drafter made out of its own target.

Keys and tensors are copied as they are, but for the number of layers and the tensors of those that
are left out. The same file and number give the same bytes.

Source: ggml-org/ggml, docs/gguf.md: header, keys, tensor infos (name, dimensions, type, offset),
and the tensors' data, each at a multiple of `general.alignment` (32 without that key).
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from specseal.errors import LockError

_VERSION = 3
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32 = 4
_LAYER = re.compile(rb"blk\.(\d+)\.")
_COUNT = b".block_count"
_ALIGNMENT = b"general.alignment"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    name: bytes
    shape: bytes
    """Number of dimensions and the dimensions, as they stand in the file."""
    kind: int
    offset: int


@dataclass(slots=True, kw_only=True)
class _Reader:
    name: str
    data: memoryview
    at: int = 0
    alignment: int = 32
    layers: int | None = None
    keys: list[bytes] = field(default_factory=list)
    tensors: list[_Tensor] = field(default_factory=list)

    def refusal(self, what: str) -> LockError:
        return LockError(
            f"{self.name}: {what}", mend="leave out first_layers, or name another file"
        )

    def take(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize(f"<{form}")
        if self.at + size > len(self.data):
            raise self.refusal("ends within its head")
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += size
        return values

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise self.refusal("ends within its head")
        self.at += size

    def text(self) -> bytes:
        (length,) = self.take("Q")
        start = self.at
        self.skip(length)
        return bytes(self.data[start : self.at])

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.text()
        elif kind == _ARRAY:
            inner, count = self.take("IQ")
            if inner in _SIZES:
                self.skip(_SIZES[inner] * count)
            else:
                for _ in range(count):
                    self.skip_value(inner)
        elif kind in _SIZES:
            self.skip(_SIZES[kind])
        else:
            raise self.refusal(f"has a value of kind {kind}, which is not known")

    def read(self, layers: int) -> None:
        """Read the head, the number of layers replaced."""
        if bytes(self.data[:4]) != b"GGUF":
            raise self.refusal("does not begin as a GGUF file does")
        self.at = 4
        version, tensors, keys = self.take("IQQ")
        if version != _VERSION:
            raise self.refusal(f"is of GGUF version {version}; only {_VERSION} can be cut")
        for _ in range(keys):
            self.keys.append(self._key(layers))
        for _ in range(tensors):
            name = self.text()
            start = self.at
            (dimensions,) = self.take("I")
            self.take("Q" * dimensions)
            shape = bytes(self.data[start : self.at])
            kind, offset = self.take("IQ")
            self.tensors.append(_Tensor(name=name, shape=shape, kind=kind, offset=offset))

    def _key(self, layers: int) -> bytes:
        start = self.at
        name = self.text()
        (kind,) = self.take("I")
        value = self.at
        self.skip_value(kind)
        if name == _ALIGNMENT:
            (self.alignment,) = struct.unpack_from("<I", self.data, value)
        if not name.endswith(_COUNT):
            return bytes(self.data[start : self.at])
        if kind != _UINT32:
            raise self.refusal(f"{name.decode()} is of kind {kind}, expected {_UINT32}")
        (self.layers,) = struct.unpack_from("<I", self.data, value)
        return bytes(self.data[start:value]) + struct.pack("<I", layers)


def keep_first_layers(model: Path, layers: int, into: Path) -> None:
    """Write a GGUF file with only the first layers of another one.

    Args:
        model: the file.
        layers: how many, at least 1.
        into: the new file.

    Raises:
        LockError: it is no GGUF file of version 3, or has no more layers than that.
    """
    data = memoryview(model.read_bytes())
    found = _Reader(name=model.name, data=data)
    found.read(layers)
    if found.layers is None or found.layers <= layers:
        raise found.refusal(
            f"has {found.layers or 'no'} layers, so that its first {layers} are all"
        )
    start = _up(found.at, found.alignment)
    starts = sorted(tensor.offset for tensor in found.tensors)
    ends = dict(zip(starts, [*starts[1:], len(data) - start], strict=True))
    kept = sorted(
        (tensor for tensor in found.tensors if _is_kept(tensor.name, layers)),
        key=lambda tensor: tensor.offset,
    )
    infos, bodies, place = [], [], 0
    for tensor in kept:
        body = data[start + tensor.offset : start + ends[tensor.offset]]
        name = struct.pack("<Q", len(tensor.name)) + tensor.name
        infos.append(name + tensor.shape + struct.pack("<IQ", tensor.kind, place))
        size = _up(len(body), found.alignment)
        bodies.append((body, size - len(body)))
        place += size
    head = struct.pack("<4sIQQ", b"GGUF", _VERSION, len(kept), len(found.keys))
    head += b"".join(found.keys) + b"".join(infos)
    with into.open("wb") as file:
        file.write(head + bytes(_up(len(head), found.alignment) - len(head)))
        for body, padding in bodies:
            file.write(body)
            file.write(bytes(padding))
        file.flush()
        os.fsync(file.fileno())


def _is_kept(name: bytes, layers: int) -> bool:
    match = _LAYER.match(name)
    return match is None or int(match[1]) < layers


def _up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
