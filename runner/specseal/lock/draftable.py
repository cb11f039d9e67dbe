"""The target's tokens that a drafter can propose at all, read from its checkpoint.

Drafters often know a part of the target's vocabulary only, and carry the mapping as tensors: `t2d`,
a mask over the target's ids, and `d2t`, what to add to a draft id to get the target's. In a GGUF
file there is `d2t` only, and it is the target's id itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from specseal.errors import LockError
from specseal.lock.gguf import read_whole_numbers

Tensors = dict[str, NDArray[np.generic]]

_NAMES = ("t2d", "d2t")
_MOST_IDS = 1 << 24
"""No model has as many tokens (2026: up to 262,144); a bitmap of a damaged id would fill memory."""
_MEND = "name a checkpoint whose vocabulary mapping is whole"


def read_draftable(drafter: Path) -> str | None:
    """Return the ids that a drafter can draft, as `RunData.draftable` has them; None is all.

    Args:
        drafter: the folder of the drafter's files.

    Raises:
        LockError: there is no file of a known kind to look in, one can't be read, or the mapping
            contradicts itself.
    """
    if gguf := sorted(drafter.rglob("*.gguf")):
        return _of_gguf(gguf)
    files = sorted(drafter.glob("*.safetensors"))
    if not files:
        # Another format may hold a mapping; None would claim that there is none.
        raise LockError(
            f"{drafter.name}: no safetensors file, so that the drafter's vocabulary is not known",
            mend="name a checkpoint of the drafter in safetensors",
        )
    found: Tensors = {}
    for file in files:
        found |= _mapping_tensors(file)
    return draftable_bitmap(found)


def _of_gguf(files: Sequence[Path]) -> str | None:
    """Read the mapping of GGUF files.

    Source: ggml-org/llama.cpp, src/models/eagle3.cpp and dflash.cpp (build 11549): the drafter's
    logits are put into the target's by `ggml_set_rows`, whose rows `d2t` names.
    """
    ids = next(
        (ids for file in files if (ids := read_whole_numbers(file, "d2t")) is not None), None
    )
    return None if ids is None else draftable_bitmap({"d2t": ids - np.arange(ids.size)})


def _mapping_tensors(file: Path) -> Tensors:
    try:
        with safe_open(file, framework="numpy") as tensors:
            # By the last part of the name: some writers put the module's name before it.
            names = {name.rpartition(".")[2]: name for name in tensors.keys()}  # noqa: SIM118
            return {name: tensors.get_tensor(names[name]) for name in _NAMES if name in names}
    except (SafetensorError, OSError, TypeError) as error:
        raise LockError(
            f"{file.name}: can't be read as safetensors: {error}", mend=_MEND
        ) from error


def draftable_bitmap(tensors: Tensors) -> str | None:
    """Return the bitmap of draftable target ids in hexadecimal digits, or None for all of them.

    Token id i is bit i % 8, from the least, of byte i // 8; the last byte is not zero, so that one
    set has one bitmap, and what lies beyond its end can't be drafted.

    Args:
        tensors: `t2d` (bool, the target's vocabulary) and `d2t` (integers, the drafter's); either
            may be missing, and where both are there they must name the same ids.

    Raises:
        LockError: a tensor is not of its shape or type, or they contradict each other.
    Source: vllm-project/speculators, src/speculators/train/vocab_mapping.py (both tensors);
        vllm-project/vllm, vllm/model_executor/models/llama_eagle3.py (target id = draft id +
        d2t[draft id]); SafeAILab/EAGLE, eagle/model/cnets.py.
    """
    sets = {name: _READERS[name](tensors[name]) for name in _NAMES if name in tensors}
    if not sets:
        return None
    ids = next(iter(sets.values()))
    for other in sets.values():
        if not np.array_equal(ids, other):
            differing = np.setxor1d(ids, other)
            raise LockError(
                f"the drafter's t2d and d2t disagree on {len(differing)} tokens, "
                f"id {differing[0]} first",
                mend=_MEND,
            )
    mask = np.zeros(int(ids[-1]) + 1, dtype=bool)
    mask[ids] = True
    return np.packbits(mask, bitorder="little").tobytes().hex()


def _from_mask(mask: NDArray[np.generic]) -> NDArray[np.int64]:
    if mask.ndim != 1 or mask.dtype != np.bool_ or not mask.any():
        raise LockError(
            f"the drafter's t2d is no mask: {mask.dtype} of shape {mask.shape}, or nothing is set",
            mend=_MEND,
        )
    return np.flatnonzero(mask).astype(np.int64)


def _from_offsets(offsets: NDArray[np.generic]) -> NDArray[np.int64]:
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not offsets.size:
        raise LockError(
            f"the drafter's d2t is no list of offsets: {offsets.dtype} of shape {offsets.shape}",
            mend=_MEND,
        )
    ids = np.arange(offsets.size, dtype=np.int64) + offsets.astype(np.int64)
    unique = np.unique(ids)
    if unique[0] < 0 or unique[-1] >= _MOST_IDS or unique.size != ids.size:
        raise LockError(
            f"the drafter's d2t leads to ids from {unique[0]} to {unique[-1]}, "
            f"{ids.size - unique.size} of them twice",
            mend=_MEND,
        )
    return unique


_READERS = {"t2d": _from_mask, "d2t": _from_offsets}
