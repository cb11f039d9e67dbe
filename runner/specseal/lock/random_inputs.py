"""Random inputs: prompts of random tokens, as long as a data set's, one for one.

`prompts.jsonl`, a vocabulary and a seed go in, `random.jsonl` comes out: the same conversations in
the same order, with a random token in the place of every token. Pure.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

from specseal.errors import LockError
from specseal.lock.vocabulary import Vocabulary

_MEND = "leave `random` out of workload.inputs"


def random_inputs(prompts: bytes, vocabulary: Vocabulary, *, seed: int) -> bytes:
    """Return `random.jsonl`: ids, categories, turns and lengths are those of `prompts`.

    A conversation's tokens depend on the seed, its id and the vocabulary only, so that a data set
    that gains or loses rows leaves those of the others as they were. They are drawn evenly, and
    none is special: one that ends a turn or opens a role would make it another kind of prompt.

    Args:
        prompts: `prompts.jsonl`, one row a conversation, as token ids.
        vocabulary: the model's.
        seed: of the workload.

    Raises:
        LockError: the prompts are texts, or every token is special.
    """
    ordinary = vocabulary.ordinary_ids()
    if not ordinary:
        raise LockError(
            f"workload.inputs: all {vocabulary.size} tokens of the model are special, so that "
            "there is nothing to draw random inputs from",
            mend=_MEND,
        )
    rows = (_randomised(json.loads(line), ordinary, seed) for line in prompts.splitlines())
    # Written as every JSON-lines file of a job is; see `records.append_jsonl`.
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _randomised(row: dict[str, Any], ordinary: tuple[int, ...], seed: int) -> dict[str, Any]:
    if "first" not in row:
        raise LockError(
            f"workload.inputs: {row['id']} is sent as text, and random inputs need the lengths "
            "of prompts in tokens",
            mend=_MEND,
        )
    draw = _draw(seed, row["id"])

    def drawn(tokens: list[int]) -> list[int]:
        return [ordinary[int(draw() * len(ordinary))] for _ in tokens]

    return {
        "id": row["id"],
        "category": row["category"],
        "first": drawn(row["first"]),
        "between": [drawn(tokens) for tokens in row["between"]],
    }


def _draw(seed: int, conversation: str) -> Callable[[], float]:
    """Return a source of numbers in [0, 1) that belongs to one conversation.

    Source: docs.python.org, `random`, "Notes on Reproducibility": of all methods only `random()`
    is promised to keep its sequence, and only for a seeding that stays, as that by an int does.
    """
    digest = hashlib.sha256(f"{seed}:{conversation}".encode()).digest()
    # Repeatable on purpose; nothing is kept secret with it.
    return random.Random(int.from_bytes(digest, "big")).random  # noqa: S311
