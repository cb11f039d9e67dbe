"""Files of SPEED-Bench's official shape, with text of the tests' own in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from specseal.lock import CONFIGS, TokenCounter

Rows = list[dict[str, Any]]


def good_rows(config: str, *, words: int | None = None) -> Rows:
    """Return as many rows as a configuration has, categories by turns as in the real one.

    Args:
        config: its name.
        words: how long each row is; by default as many as its bucket has tokens. Every word is one
            token of o200k_base.
    """
    about = CONFIGS[config]
    length = words or about.tokens or 6
    return [
        {
            "question_id": f"{config}-{category}-{number:03}",
            "category": category,
            "sub_category": None,
            "source": "made-for-tests",
            "src_id": str(number),
            "difficulty": "easy" if number % 2 else None,
            "turns": [_turn(turn, length) for turn in range(_turns(config, number))],
            "multiturn": _turns(config, number) > 1,
        }
        for number in range(about.rows_a_category)
        for category in about.categories
    ]


def _turns(config: str, number: int) -> int:
    return 1 + number % 3 % 2 if config == "qualitative" else 1


def _turn(turn: int, length: int) -> str:
    word = ("go", "come")[turn % 2]
    return " ".join([word] * length)


def write_parquet(folder: Path, config: str, rows: Rows) -> Path:
    """Write what NVIDIA/Model-Optimizer's step writes below `folder`."""
    path = folder / config / "test.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def write_json_lines(folder: Path, config: str, rows: Rows) -> Path:
    """Write what NVIDIA-NeMo/Skills' step writes in `folder`."""
    lines = []
    for row in rows:
        messages = [{"role": "user", "content": turn} for turn in row["turns"]]
        others = {name: value for name, value in row.items() if name != "turns"}
        lines.append(json.dumps({**others, "messages": messages}))
    return write_lines(folder / f"{config}.jsonl", lines)


def write_lines(path: Path, lines: list[str]) -> Path:
    """Write lines as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class _Words:
    def encode_ordinary_batch(self, texts: list[str]) -> list[list[str]]:
        return [text.split() for text in texts]


WORDS = TokenCounter(name="words", encoding=_Words())
"""Counts words, for tests that are not about tokens."""
