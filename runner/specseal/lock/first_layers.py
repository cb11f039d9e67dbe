"""A GGUF file cut down to its first layers: a drafter made out of its own target.

Keys and tensors are copied as they are, but for the number of layers and the tensors of those that
are left out. The same file and number give the same bytes.

Source: ggml-org/ggml, docs/gguf.md: header, keys, tensor infos (name, dimensions, type, offset),
and the tensors' data, each at a multiple of `general.alignment` (32 without that key). llama.cpp
(build 11549, src/llama-model-loader.cpp) takes no file whose data have gaps, or that has tensors to
spare.
"""

from __future__ import annotations

import mmap
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
_DEEPEST, _MOST_DIMENSIONS = 4, 4
"""Arrays within arrays, and dimensions of a tensor (GGML_MAX_DIMS): more is damage."""
_LAYER = re.compile(rb"blk\.(\d+)\.")
_ARCHITECTURE = b"general.architecture"
_ALIGNMENT, _USUAL_ALIGNMENT = b"general.alignment", 32
_SHARDS = b"split.count"
_COUNT, _PREDICTORS = b"block_count", b"nextn_predict_layers"
"""Of the architecture: layers in all, and those among them, the last, that only draft (MTP)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    name: bytes
    kind: int
    raw: bytes
    """Name, kind and value, as they stand in the file."""
    value: bytes

    @property
    def items(self) -> int | None:
        """Return how many items an array has; None of what is no array."""
        return struct.unpack_from("<IQ", self.value)[1] if self.kind == _ARRAY else None


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
    data: bytes | mmap.mmap
    at: int = 0
    keys: dict[bytes, _Key] = field(default_factory=dict)
    tensors: list[_Tensor] = field(default_factory=list)

    def refusal(self, what: str) -> LockError:
        return LockError(
            f"{self.name}: {what}", mend="leave out first_layers, or name another file"
        )

    def take(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize(f"<{form}")
        start = self.at
        self.skip(size)
        return struct.unpack_from(f"<{form}", self.data, start)

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise self.refusal("ends within its head")
        self.at += size

    def text(self) -> bytes:
        (length,) = self.take("Q")
        start = self.at
        self.skip(length)
        return self.data[start : self.at]

    def skip_value(self, kind: int, depth: int = 0) -> None:
        if kind == _STRING:
            self.text()
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self.take("IQ")
            if inner in _SIZES:
                self.skip(_SIZES[inner] * count)
            else:
                for _ in range(count):
                    self.skip_value(inner, depth + 1)
        elif kind in _SIZES:
            self.skip(_SIZES[kind])
        else:
            raise self.refusal(f"has a value of kind {kind}, which is not known")

    def read(self) -> None:
        """Read the head."""
        if self.data[:4] != b"GGUF":
            raise self.refusal("does not begin as a GGUF file does")
        self.at = 4
        version, tensors, keys = self.take("IQQ")
        if version != _VERSION:
            raise self.refusal(f"is of GGUF version {version}; only {_VERSION} can be cut")
        for _ in range(keys):
            key = self._key()
            if key.name in self.keys:
                raise self.refusal(f"has the key {_shown(key.name)} twice")
            self.keys[key.name] = key
        for _ in range(tensors):
            self.tensors.append(self._tensor())

    def _key(self) -> _Key:
        start = self.at
        name = self.text()
        (kind,) = self.take("I")
        value = self.at
        self.skip_value(kind)
        raw = self.data[start : self.at]
        return _Key(name=name, kind=kind, raw=raw, value=raw[value - start :])

    def _tensor(self) -> _Tensor:
        name = self.text()
        start = self.at
        (dimensions,) = self.take("I")
        if dimensions > _MOST_DIMENSIONS:
            raise self.refusal(f"has a tensor of {dimensions} dimensions, {_shown(name)}")
        self.skip(8 * dimensions)
        shape = self.data[start : self.at]
        kind, offset = self.take("IQ")
        return _Tensor(name=name, shape=shape, kind=kind, offset=offset)

    def number(self, name: bytes, default: int) -> int:
        """Return the value of a key that is an unsigned number of 32 bits, where it is there."""
        if name not in self.keys:
            return default
        key = self.keys[name]
        if key.kind != _UINT32:
            raise self.refusal(f"{_shown(name)} is of kind {key.kind}, expected {_UINT32}")
        (value,) = struct.unpack("<I", key.value)
        return int(value)

    def architecture(self) -> bytes:
        """Return what the names of the model's own keys begin with, the full stop included."""
        key = self.keys.get(_ARCHITECTURE)
        if key is None or key.kind != _STRING:
            raise self.refusal("does not say of which architecture it is")
        return key.value[8:] + b"."

    def alignment(self) -> int:
        """Return of what number each tensor's place is a multiple."""
        alignment = self.number(_ALIGNMENT, _USUAL_ALIGNMENT)
        if alignment < 1:
            raise self.refusal(f"says {_shown(_ALIGNMENT)}: {alignment}, which is no alignment")
        return alignment

    def cut_keys(self, layers: int) -> bytes:
        """Return the keys, the number of layers replaced; refuse what can't be cut."""
        own = self.architecture()
        count = self.number(own + _COUNT, 0)
        if count <= layers:
            raise self.refusal(f"has {count or 'no'} layers, so that its first {layers} are all")
        if self.number(own + _PREDICTORS, 0):
            raise self.refusal("has layers of its own that draft: use them, by method mtp")
        shards = self.keys.get(_SHARDS)
        if shards is not None and int.from_bytes(shards.value, "little") > 1:
            raise self.refusal("is one of several files; write them together first")
        for key in self.keys.values():
            if key.name.startswith(own) and key.items == count:
                raise self.refusal(f"has a value for each layer in {_shown(key.name)}")
        raw = {name: key.raw for name, key in self.keys.items()}
        raw[own + _COUNT] = raw[own + _COUNT][:-4] + struct.pack("<I", layers)
        return b"".join(raw.values())


def keep_first_layers(model: Path, layers: int, into: Path) -> None:
    """Write a GGUF file with only the first layers of another one.

    Args:
        model: the file.
        layers: how many, at least 1.
        into: the new file.

    Raises:
        LockError: it is no GGUF file of version 3, or has no more layers than that, or something
            in it is told layer by layer.
        OSError: it can't be read, or the new one not written.
    """
    with model.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            _cut(_Reader(name=model.name, data=b""), layers, into)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _cut(_Reader(name=model.name, data=data), layers, into)


def _cut(found: _Reader, layers: int, into: Path) -> None:
    found.read()
    keys, alignment = found.cut_keys(layers), found.alignment()
    start, size = _up(found.at, alignment), len(found.data)
    starts = sorted({tensor.offset for tensor in found.tensors})
    if not starts:
        raise found.refusal("has no tensors")
    if any(offset % alignment or start + offset >= size for offset in starts):
        raise found.refusal("has a tensor that lies outside the file, or not at its alignment")
    ends = dict(zip(starts, [*starts[1:], size - start], strict=True))
    kept = sorted(
        (tensor for tensor in found.tensors if _is_kept(tensor.name, layers)),
        key=lambda tensor: tensor.offset,
    )
    infos, place = [], 0
    for tensor in kept:
        name = struct.pack("<Q", len(tensor.name)) + tensor.name
        infos.append(name + tensor.shape + struct.pack("<IQ", tensor.kind, place))
        place += _up(ends[tensor.offset] - tensor.offset, alignment)
    head = struct.pack("<4sIQQ", b"GGUF", _VERSION, len(kept), len(found.keys))
    head += keys + b"".join(infos)
    with into.open("wb") as file:
        file.write(_padded(head, alignment))
        for tensor in kept:
            body = found.data[start + tensor.offset : start + ends[tensor.offset]]
            file.write(_padded(body, alignment))
        file.flush()
        os.fsync(file.fileno())


def _is_kept(name: bytes, layers: int) -> bool:
    match = _LAYER.match(name)
    return match is None or int(match[1]) < layers


def _up(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(_up(len(data), alignment) - len(data))


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")
