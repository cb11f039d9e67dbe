"""A model's vocabulary, from a GGUF file and from tokenizer.json; damaged files are refused."""

import json
import struct

import pytest

from specseal.errors import LockError
from specseal.lock.vocabulary import Vocabulary, read_vocabulary

STRING, ARRAY, U32, I32, F32 = 8, 9, 4, 5, 6
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TYPES = [UNKNOWN, CONTROL, NORMAL, USER_DEFINED, UNUSED, BYTE, NORMAL]


def text(value):
    return struct.pack("<Q", len(value)) + value


def strings(*values):
    head = struct.pack("<IIQ", ARRAY, STRING, len(values))
    return head + b"".join(map(text, values))


def numbers(*values):
    return struct.pack(f"<IIQ{len(values)}i", ARRAY, I32, len(values), *values)


def gguf(keys, version=3, tensors=0):
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, len(keys))
    return head + b"".join(text(key.encode()) + value for key, value in keys)


KEYS = [
    ("general.name", struct.pack("<I", STRING) + text(b"tiny")),
    ("general.alignment", struct.pack("<II", U32, 32)),
    ("rope.scale", struct.pack("<If", F32, 1.5)),
    ("tokenizer.ggml.tokens", strings(*(b"\xff%d" % token for token in range(len(TYPES))))),
    ("tokenizer.ggml.token_type", numbers(*TYPES)),
]


def read(tmp_path, content, name="model.gguf"):
    (tmp_path / name).write_bytes(content)
    return read_vocabulary(tmp_path / name)


def test_gguf_vocabulary_counts_unknown_control_and_unused_tokens_as_special(tmp_path):
    assert read(tmp_path, gguf(KEYS) + b"tensors") == Vocabulary(size=7, special_ids=(0, 1, 4))


def test_ordinary_ids_are_all_that_are_not_special(tmp_path):
    assert read(tmp_path, gguf(KEYS)).ordinary_ids() == (2, 3, 5, 6)


def test_arrays_within_arrays_are_passed_over(tmp_path):
    nested = struct.pack("<IIQ", ARRAY, ARRAY, 1) + numbers(1, 2)[4:]
    assert read(tmp_path, gguf([("other", nested), *KEYS])).size == 7


def damaged():
    whole = gguf(KEYS)
    endless = struct.pack("<IIQ", ARRAY, I32, 1 << 60)
    deep = struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 9
    return {
        "another format": (b"PK\3\4" + whole[4:], "does not begin as a GGUF file does"),
        "empty": (b"", "ends within its metadata"),
        "future version": (gguf(KEYS, version=4), "is of GGUF version 4"),
        "other byte order": (gguf(KEYS, version=3 << 24), "is of GGUF version"),
        "cut short": (whole[:-1], "ends within its metadata"),
        "length beyond the end": (gguf([("a", endless)]), "ends within its metadata"),
        "unknown kind": (gguf([("a", struct.pack("<I", 13))]), "a value of kind 13"),
        "arrays without end": (gguf([("a", deep)]), "a value of kind 9"),
        "key twice": (gguf([KEYS[0], KEYS[0]]), "has the key general.name twice"),
        "no tokens": (gguf(KEYS[:3]), "holds no vocabulary"),
        "no types": (gguf(KEYS[:4]), "does not give a type for each token"),
        "too few types": (
            gguf([*KEYS[:4], ("tokenizer.ggml.token_type", numbers(1))]),
            "does not give a type for each token",
        ),
    }


@pytest.mark.parametrize("case", damaged())
def test_gguf_file_that_is_damaged_is_refused_saying_how(tmp_path, case):
    content, message = damaged()[case]
    with pytest.raises(LockError, match=message):
        read(tmp_path, content)


BPE = {
    "model": {"type": "BPE", "unk_token": None, "vocab": {"a": 0, "b": 1, "<s>": 2}},
    "added_tokens": [
        {"id": 2, "content": "<s>", "special": True},
        {"id": 5, "content": "<think>", "special": False},
        {"id": 6, "content": "</s>", "special": True},
    ],
}
UNIGRAM = {
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]},
    "added_tokens": [],
}


def read_json(tmp_path, value):
    (tmp_path / "tokenizer.json").write_text(json.dumps(value))
    return read_vocabulary(tmp_path)


def test_folder_vocabulary_counts_special_tokens_and_ids_without_one_as_special(tmp_path):
    # 3 and 4 are between the model's ids and the added ones, and stand for nothing.
    assert read_json(tmp_path, BPE) == Vocabulary(size=7, special_ids=(2, 3, 4, 6))


def test_unknown_token_is_special_in_a_dictionary_and_in_a_list(tmp_path):
    assert read_json(tmp_path, UNIGRAM) == Vocabulary(size=2, special_ids=(0,))
    words = {"model": {"unk_token": "?", "vocab": {"a": 0, "?": 1}}, "added_tokens": None}
    assert read_json(tmp_path, words) == Vocabulary(size=2, special_ids=(1,))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"model": {"vocab": {}}},
        {"model": {"vocab": {"a": -1}}},
        {"model": {"vocab": {"a": 1.5}}},
        {"model": {"vocab": {"a": 1 << 40}}},
        {"model": {"vocab": {"a": "0"}}},
        {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]},
    ],
)
def test_tokenizer_of_another_form_is_refused(tmp_path, wrong):
    with pytest.raises(LockError, match=r"tokenizer\.json: "):
        read_json(tmp_path, wrong)


def test_folder_without_a_tokenizer_is_refused_with_a_mend(tmp_path):
    with pytest.raises(LockError, match=r"tokenizer\.json: the model's vocabulary") as caught:
        read_vocabulary(tmp_path)
    assert "workload.inputs" in caught.value.mend


def test_tokenizer_that_is_not_json_is_refused(tmp_path):
    with pytest.raises(LockError, match="not JSON"):
        read(tmp_path, b"{", name="tokenizer.json")


@pytest.mark.engine
def test_vocabulary_of_the_quickstart_model_has_its_17_markers_as_special(
    model_folder, quickstart_draft
):
    found = read_vocabulary(model_folder / quickstart_draft.lock.model["load"])
    assert found == Vocabulary(size=49152, special_ids=tuple(range(17)))
