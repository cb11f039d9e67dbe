"""What a drafter can draft, from the tensors of its checkpoint; contradictions are refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from specseal.errors import LockError
from specseal.lock.draftable import draftable_bitmap, read_draftable

IDS = [0, 3, 8, 9]
TARGET_TOKENS = 20


def mask(ids, size=TARGET_TOKENS):
    tensor = np.zeros(size, dtype=bool)
    tensor[list(ids)] = True
    return tensor


def offsets(ids):
    return np.array([token - draft for draft, token in enumerate(ids)], dtype=np.int64)


def ids_in(bitmap):
    data = bytes.fromhex(bitmap)
    return [token for token in range(8 * len(data)) if data[token // 8] >> token % 8 & 1]


def test_bit_of_a_token_counts_from_the_least_of_its_byte():
    assert draftable_bitmap({"t2d": mask(IDS)}) == "0903"


@given(st.sets(st.integers(0, 199), min_size=1), st.booleans())
def test_mask_and_offsets_give_one_bitmap_that_holds_just_their_ids(ids, both):
    by_mask, by_offsets = mask(ids, 200), offsets(sorted(ids))
    bitmap = draftable_bitmap({"d2t": by_offsets} | ({"t2d": by_mask} if both else {}))
    assert bitmap == draftable_bitmap({"t2d": by_mask})
    assert ids_in(bitmap) == sorted(ids)


def test_offsets_need_not_lead_upwards():
    assert ids_in(draftable_bitmap({"d2t": offsets([9, 0, 3, 8])})) == IDS


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"t2d": mask([])}, "nothing is set"),
        ({"t2d": mask(IDS).astype(np.float32)}, "t2d is no mask: float32"),
        ({"t2d": mask(IDS).reshape(4, 5)}, "t2d is no mask: bool of shape"),
        ({"d2t": np.array([], dtype=np.int64)}, "d2t is no list of offsets"),
        ({"d2t": offsets(IDS).astype(np.float32)}, "d2t is no list of offsets: float32"),
        ({"d2t": offsets([4, 4])}, "ids from 4 to 4, 1 of them twice"),
        ({"d2t": offsets([-1, 4])}, "ids from -1 to 4"),
        ({"d2t": offsets([0, 1 << 40])}, "ids from 0 to"),
        ({"t2d": mask(IDS), "d2t": offsets([0, 3, 8, 10])}, "disagree on 2 tokens, id 9 first"),
    ],
)
def test_mapping_that_can_not_be_is_refused_saying_why(tensors, message):
    with pytest.raises(LockError, match=message):
        draftable_bitmap(tensors)


def test_checkpoint_in_several_files_is_read_whole(tmp_path):
    save_file({"model.t2d": mask(IDS), "fc.weight": np.ones(3)}, tmp_path / "a.safetensors")
    save_file({"d2t": offsets(IDS)}, tmp_path / "b.safetensors")
    assert read_draftable(tmp_path) == "0903"


def test_checkpoint_without_a_mapping_can_draft_everything(tmp_path):
    save_file({"fc.weight": np.ones(3)}, tmp_path / "model.safetensors")
    assert read_draftable(tmp_path) is None


def test_folder_without_safetensors_is_refused_rather_than_taken_for_a_full_vocabulary(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(LockError, match="no safetensors file"):
        read_draftable(tmp_path)


def test_damaged_file_is_refused_by_name(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(LockError, match=r"model\.safetensors: can't be read"):
        read_draftable(tmp_path)


def gguf(*tensors, alignment=32):
    """Return a GGUF file with (name, kind, numbers) as its tensors."""
    text = lambda value: struct.pack("<Q", len(value)) + value.encode()  # noqa: E731
    infos, data = b"", b""
    for name, kind, shape, content in tensors:
        infos += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack("<IQ", kind, len(data))
        data += content + bytes(-len(content) % alignment)
    keys = text("general.alignment") + struct.pack("<II", 4, alignment)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + keys + infos
    return head + bytes(-len(head) % alignment) + data


F32, I32, I64 = 0, 26, 27
FC = ("fc.weight", F32, (3, 2), b"\0" * 24)


def d2t(*ids):
    return ("d2t", I64, (len(ids),), np.array(ids, dtype="<i8").tobytes())


@pytest.mark.parametrize("alignment", [32, 64])
def test_gguf_drafter_names_the_targets_ids_themselves(tmp_path, alignment):
    file = gguf(FC, d2t(9, 0, 3, 8), ("blk.0.w", *FC[1:]), alignment=alignment)
    (tmp_path / "eagle3.gguf").write_bytes(file)
    assert read_draftable(tmp_path) == "0903"


def test_gguf_drafter_without_a_mapping_can_draft_everything(tmp_path):
    (tmp_path / "eagle3.gguf").write_bytes(gguf(FC))
    assert read_draftable(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gguf(("d2t", I32, (2,), b"\0" * 8)), r"eagle3\.gguf has a d2t of kind 26, 2: no list"),
        (gguf(("d2t", I64, (2, 2), b"\0" * 32)), "has a d2t of kind 27, 2 × 2: no list"),
        (gguf(d2t(4, 4)), "ids from 4 to 4, 1 of them twice"),
        (gguf(d2t(-1, 4)), "ids from -1 to 4"),
        (gguf(("d2t", I64, (1 << 40,), b"\0" * 8)), "ends within its metadata"),
        (gguf(FC, d2t(1, 2))[:-64], "ends within its"),
        (gguf(d2t(1, 2), alignment=32).replace(b"\x04\0\0\0\x20\0\0\0", b"\x04\0\0\0" + b"\0" * 4),
         "which is no alignment"),
        (b"GGUF", "ends within its metadata"),
    ],
)  # fmt: skip
def test_damaged_gguf_drafter_is_refused_saying_why(tmp_path, content, message):
    (tmp_path / "eagle3.gguf").write_bytes(content)
    with pytest.raises(LockError, match=message):
        read_draftable(tmp_path)
