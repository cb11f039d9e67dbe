"""The vocabulary of a model: how many tokens it has, and which of them text never gives.

Read from the model's own files: a GGUF file, or the `tokenizer.json` of a Hugging Face folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specseal.errors import LockError
from specseal.lock.gguf import Value, read_metadata

_MEND = "leave `random` out of workload.inputs, or name a model with a vocabulary that can be read"
_MOST_TOKENS = 1 << 24
"""No model has as many (2026: up to 262,144); a damaged id must not fill memory."""
_ORDINARY_TYPES = frozenset({1, 4, 6})
"""Of GGUF's token types: normal, user-defined and byte.

Special are the others: unknown (2) stands for what can't be encoded, control (3) marks turns, roles
and the ends of texts, unused (5) is a row that no training has seen. A byte is how rare characters
are written, and a user-defined token (a run of spaces, `<think>`) is found in plain text.

Source: ggml-org/llama.cpp, include/llama.h, `llama_token_type`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The token ids of a model: 0 to `size` − 1."""

    size: int
    special_ids: tuple[int, ...]
    """Ascending: ids that encoding plain text never gives, or that stand for no token."""

    def ordinary_ids(self) -> tuple[int, ...]:
        """Return all other ids, ascending."""
        special = frozenset(self.special_ids)
        return tuple(token for token in range(self.size) if token not in special)


def read_vocabulary(model: Path) -> Vocabulary:
    """Return the vocabulary of a model as it is loaded: a GGUF file, or a folder.

    Raises:
        LockError: the vocabulary is not there, or can't be understood.
    """
    path = model / "tokenizer.json" if model.is_dir() else model
    try:
        if path.suffix == ".gguf":
            return gguf_vocabulary(read_metadata(path))
        return tokenizer_vocabulary(json.loads(path.read_bytes()))
    except OSError as error:
        raise LockError(
            f"{path.name}: the model's vocabulary can't be read: {error.strerror}", mend=_MEND
        ) from error
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path.name}: not JSON: {error}", mend=_MEND) from error


def gguf_vocabulary(metadata: dict[str, Value]) -> Vocabulary:
    """Return the vocabulary that a GGUF file's keys describe. Raises: LockError."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    types = metadata.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not tokens:
        raise LockError("the GGUF file holds no vocabulary (tokenizer.ggml.tokens)", mend=_MEND)
    if not isinstance(types, list) or len(types) != len(tokens):
        raise LockError(
            "the GGUF file does not give a type for each token (tokenizer.ggml.token_type), so "
            "that special ones can't be told apart",
            mend=_MEND,
        )
    special = (token for token, kind in enumerate(types) if kind not in _ORDINARY_TYPES)
    return Vocabulary(size=len(tokens), special_ids=tuple(special))


def tokenizer_vocabulary(tokenizer: Any) -> Vocabulary:
    """Return the vocabulary that a decoded `tokenizer.json` describes.

    Special are the added tokens that say so, the one for what can't be encoded, and ids between
    that no token has.

    Raises:
        LockError: it is not of the form that the library `tokenizers` writes.
    Source: huggingface/tokenizers, tokenizers/src/{tokenizer/serialization,models}.
    """
    try:
        model, added = tokenizer["model"], tokenizer.get("added_tokens") or []
        ids, unknown = _model_ids(model)
        special = {token["id"] for token in added if token["special"]} | unknown
        ids |= {token["id"] for token in added}
        size = max(ids) + 1
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise LockError(
            f"tokenizer.json: not of the form that the library tokenizers writes: {error!r}",
            mend=_MEND,
        ) from error
    if not all(type(token) is int and 0 <= token < _MOST_TOKENS for token in ids | special):
        raise LockError("tokenizer.json: an id is not a number from 0 up", mend=_MEND)
    return Vocabulary(size=size, special_ids=tuple(sorted(special | (set(range(size)) - ids))))


def _model_ids(model: dict[str, Any]) -> tuple[set[int], set[int]]:
    """Return the ids of the model's tokens, and that of the unknown one, if there is one."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # Unigram: (token, score) in the order of ids
        unknown = model.get("unk_id")
        return set(range(len(vocabulary))), set() if unknown is None else {unknown}
    unknown = vocabulary.get(model.get("unk_token"))
    return set(vocabulary.values()), set() if unknown is None else {unknown}
