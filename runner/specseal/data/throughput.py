"""speed-mini's throughput splits: prompts of one length in three tiers, as JSON lines.

A prompt is made from the project's own texts when it is asked for, from its name alone. How much
of it makes up the length was counted once with a named tokenizer (see `speed-mini/README.md`) and
stands in `speed-mini/throughput.json`: for each row a variant and a number of whole units.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from specseal.data import high_entropy, low_entropy, mixed
from specseal.data.draws import Draws
from specseal.data.prompt import Maker, Prompt

SPLITS = {"throughput_1k": 1000, "throughput_2k": 2000, "throughput_8k": 8000}
"""Tokens a prompt of each split has at most; at least 99% of it. As in SPEED-Bench, a k is 1000."""
TIERS: dict[str, dict[str, Maker]] = {
    "low_entropy": low_entropy.KINDS,
    "mixed": mixed.KINDS,
    "high_entropy": high_entropy.KINDS,
}
"""By category, the sub-categories that take turns in it."""
ROWS = 24
"""In each tier of each split."""

_DIFFICULTY = {"low_entropy": "easy", "mixed": "medium", "high_entropy": "hard"}

Cut = list[int]
"""Variant and units: which of its possible texts a row is, and how long."""


def throughput_lines(split: str) -> bytes:
    """Return a split as JSON lines, one row a prompt, in SPEED-Bench's columns."""
    rows = (
        _row(split, tier, number, cut)
        for tier in TIERS
        for number, cut in enumerate(_cuts()[split][tier])
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def make_prompt(split: str, tier: str, number: int, variant: int) -> Prompt:
    """Return the prompt of one row, not yet cut to length.

    Args:
        split: one of `SPLITS`.
        tier: one of `TIERS`.
        number: of the row in its tier, from 0.
        variant: another makes other choices. Units are whole, so that not every text can come
            within 1% of its length; a variant that does is looked for.
    """
    make = TIERS[tier][_kind(tier, number)]
    own_number = list(SPLITS).index(split) * ROWS + number
    return make(Draws(f"{split}/{tier}/{number}/{variant}"), own_number)


def _kind(tier: str, number: int) -> str:
    kinds = tuple(TIERS[tier])
    return kinds[number % len(kinds)]


@cache
def _cuts() -> dict[str, dict[str, list[Cut]]]:
    file = files("specseal") / "data" / "speed-mini" / "throughput.json"
    found: dict[str, dict[str, list[Cut]]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _row(split: str, tier: str, number: int, cut: Cut) -> dict[str, Any]:
    variant, units = cut
    return {
        "question_id": f"speed-mini-{split}-{tier}-{number + 1}",
        "category": tier,
        "sub_category": _kind(tier, number),
        "source": "specseal",
        "src_id": str(number + 1),
        "difficulty": _DIFFICULTY[tier],
        "turns": [make_prompt(split, tier, number, variant).text(units)],
        "multiturn": False,
    }
