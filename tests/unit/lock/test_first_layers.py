"""A GGUF file cut to its first layers: what is kept, byte for byte, and what can't be cut."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specseal.errors import LockError
from specseal.lock.first_layers import keep_first_layers
from specseal.lock.gguf import read_metadata

U32, U16, I32, STRING, ARRAY = 4, 2, 5, 8, 9
F32 = 0
ALIGNMENT = 32


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def string(value: str) -> bytes:
    return struct.pack("<I", STRING) + text(value)


def u32(value: int) -> bytes:
    return struct.pack("<II", U32, value)


def numbers(*values: int) -> bytes:
    return struct.pack(f"<IIQ{len(values)}i", ARRAY, I32, len(values), *values)


def strings(*values: str) -> bytes:
    return struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(map(text, values))


KEYS = {
    "general.architecture": string("llama"),
    "llama.block_count": u32(3),
    "tokenizer.ggml.tokens": strings("a", "b", "c"),
    "llama.rope.dimension_sections": numbers(*range(9)),
}
TENSORS = {
    "token_embd.weight": b"embeddings" * 7,
    "blk.0.attn_q.weight": b"zero" * 8,
    "blk.10.attn_q.weight": b"ten",
    "blk.2.attn_q.weight": b"two" * 11,
    "blk.1.attn_q.weight": b"one" * 40,
    "output_norm.weight": b"norm",
}


def padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def gguf(
    keys: dict[str, bytes] | None = None,
    tensors: dict[str, bytes] | None = None,
    *,
    version: int = 3,
    alignment: int = ALIGNMENT,
    offsets: dict[str, int] | None = None,
    dimensions: int = 2,
) -> bytes:
    """Return the bytes of a file; each tensor's shape is (its length, 1, …)."""
    keys, tensors = KEYS if keys is None else keys, TENSORS if tensors is None else tensors
    infos, data = b"", b""
    for name, body in tensors.items():
        place = (offsets or {}).get(name, len(data))
        shape = struct.pack(f"<I{dimensions}Q", dimensions, len(body), *[1] * (dimensions - 1))
        infos += text(name) + shape + struct.pack("<IQ", F32, place)
        data += padded(body, alignment)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    head += b"".join(text(name) + value for name, value in keys.items()) + infos
    return padded(head, alignment) + data


def cut(folder: Path, content: bytes, layers: int) -> bytes:
    (folder / "model.gguf").write_bytes(content)
    keep_first_layers(folder / "model.gguf", layers, folder / "cut.gguf")
    return (folder / "cut.gguf").read_bytes()


def without(*layers: int) -> dict[str, bytes]:
    gone = tuple(f"blk.{layer}." for layer in layers)
    return {name: body for name, body in TENSORS.items() if not name.startswith(gone)}


@pytest.mark.parametrize(("layers", "gone"), [(1, (1, 2, 10)), (2, (2, 10))])
def test_a_cut_file_is_the_file_that_would_have_been_written_with_fewer_layers(
    tmp_path: Path, layers: int, gone: tuple[int, ...]
) -> None:
    expected = gguf({**KEYS, "llama.block_count": u32(layers)}, without(*gone))
    assert cut(tmp_path, gguf(), layers) == expected


def test_all_other_keys_are_as_they_were(tmp_path: Path) -> None:
    cut(tmp_path, gguf(), 1)
    before, after = (read_metadata(tmp_path / name) for name in ("model.gguf", "cut.gguf"))
    assert after == {**before, "llama.block_count": 1}


@given(
    bodies=st.lists(st.binary(min_size=1, max_size=99), min_size=2, max_size=6),
    alignment=st.sampled_from([8, 32, 64]),
    data=st.data(),
)
def test_a_cut_file_has_no_gaps_and_the_kept_data_whole(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], alignment: int, data: Any
) -> None:
    layers = data.draw(st.integers(1, len(bodies) - 1))
    keys = {**KEYS, "general.alignment": u32(alignment), "llama.block_count": u32(len(bodies))}
    named = {f"blk.{number}.w": body for number, body in enumerate(bodies)}
    order = data.draw(st.permutations(sorted(named)))
    file = gguf(keys, {name: named[name] for name in order}, alignment=alignment)
    kept = {name: named[name] for name in order if int(name.split(".")[1]) < layers}
    expected = gguf({**keys, "llama.block_count": u32(layers)}, kept, alignment=alignment)
    assert cut(tmp_path_factory.mktemp("cut"), file, layers) == expected


def test_tensors_may_be_named_in_another_order_than_their_data_lie_in(tmp_path: Path) -> None:
    tensors = {"blk.0.w": b"0" * 32, "a": b"a" * 32, "blk.1.w": b"1" * 32}
    keys = {**KEYS, "llama.block_count": u32(2)}
    swapped = gguf(keys, tensors, offsets={"blk.0.w": 32, "a": 0})
    expected = gguf({**KEYS, "llama.block_count": u32(1)}, {"a": b"0" * 32, "blk.0.w": b"a" * 32})
    assert cut(tmp_path, swapped, 1) == expected


def test_tensor_whose_name_only_looks_like_a_layer_is_kept(tmp_path: Path) -> None:
    tensors = {"blk.0.w": b"0", "xblk.2.w": b"x", "blk.two.w": b"t"}
    expected = gguf({**KEYS, "llama.block_count": u32(1)}, tensors)
    assert cut(tmp_path, gguf(tensors=tensors), 1) == expected


DEEP = struct.pack("<IIQ", ARRAY, ARRAY, 1) + struct.pack("<IQ", ARRAY, 1) * 9


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin as a GGUF file does"),
        (b"GG", "does not begin as a GGUF file does"),
        (b"GGML" + gguf()[4:], "does not begin as a GGUF file does"),
        (gguf(version=2), "is of GGUF version 2"),
        (gguf({}), "does not say of which architecture"),
        (gguf({**KEYS, "general.architecture": u32(1)}), "does not say of which architecture"),
        (gguf({"general.architecture": string("llama")}), "has no layers"),
        (gguf({**KEYS, "llama.block_count": u32(1)}), "has 1 layers"),
        (gguf({**KEYS, "llama.block_count": struct.pack("<IH", U16, 3)}), "is of kind 2"),
        (gguf({**KEYS, "llama.nextn_predict_layers": u32(1)}), "by method mtp"),
        (gguf({**KEYS, "split.count": struct.pack("<IH", U16, 2)}), "is one of several files"),
        (gguf({**KEYS, "llama.head_count": numbers(4, 4, 2)}), "each layer in llama.head_count"),
        (gguf({**KEYS, "general.alignment": u32(0)}), "which is no alignment"),
        (gguf({**KEYS, "general.alignment": string("x")}), "is of kind 8"),
        (gguf({**KEYS, "x": struct.pack("<I", 13)}), "a value of kind 13"),
        (gguf({**KEYS, "x": DEEP}), "a value of kind 9"),
        (gguf({**KEYS, "x": struct.pack("<IQ", STRING, 1 << 60)}), "ends within its head"),
        (gguf({**KEYS, "x": struct.pack("<IIQ", ARRAY, I32, 1 << 60)}), "ends within its head"),
        (gguf(dimensions=5), "a tensor of 5 dimensions, token_embd.weight"),
        (gguf(offsets={"output_norm.weight": 1 << 40}), "lies outside the file"),
        (gguf(offsets={"output_norm.weight": 33}), "not at its alignment"),
        (gguf() [:150], "ends within its head"),
        (gguf() [:-64], "lies outside the file"),
    ],
)  # fmt: skip
def test_file_that_can_not_be_cut_is_refused_saying_why(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(LockError) as refused:
        cut(tmp_path, content, 2)
    assert refused.value.message.startswith("model.gguf: ")
    assert said in refused.value.message
    assert not (tmp_path / "cut.gguf").exists()


def test_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    once, twice = text("same"), gguf({**KEYS, "samE": u32(1), "same": u32(2)})
    with pytest.raises(LockError, match="the key same twice"):
        cut(tmp_path, twice.replace(text("samE"), once), 1)


@example(place=8, value=0)  # no tensors
@given(place=st.integers(0, len(gguf()) - 1), value=st.integers(0, 255))
def test_a_damaged_file_is_cut_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    damaged = bytearray(gguf())
    damaged[place] = value
    with suppress(LockError):
        cut(tmp_path_factory.mktemp("damaged"), bytes(damaged), 2)
