"""SPEED-Bench: what its configurations hold, and its two official forms. Bytes in, troubles out.

NVIDIA/Model-Optimizer's prepare step writes Parquet with a column `turns`; NVIDIA-NeMo/Skills'
writes JSON lines with `messages` in its place, one of role `user` a turn. Other columns are the
same. Only these prepare steps fetch what the hub's copy has placeholders for, and they can fail in
silence: a source that they don't know leaves its rows as they were. So everything that is known of
a configuration is asked of its rows.

Source: arXiv:2604.09557; the data set card nvidia/SPEED-Bench; NVIDIA/Model-Optimizer,
`examples/specdec_bench/specdec_bench/datasets/speed.py`; NVIDIA-NeMo/Skills,
`nemo_skills/dataset/speed-bench/prepare.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specseal.digests import canonical
from specseal.lock.rows import (
    Columns,
    Found,
    Trouble,
    is_text,
    kept_columns,
    read_json_lines,
    read_parquet,
)

SPEED_BENCH = "speed-bench"
"""The source in a spec."""
PARQUET, JSON_LINES = "parquet", "json-lines"
MOST_OFF = 8
"""Tokens that a row may have more or fewer than its bucket. Prompts are cut or padded to just the
bucket's tokens, or for one source to one more, and then decoded; counted again of the text, the
pieces at a seam may be others. In 8,000 texts put together so (November 2026, several scripts and
program sources, seams inside words) the count was 4 off at most: twice that is allowed. A row that
was neither cut nor padded is further off.
Source: NVIDIA/Model-Optimizer, `SPEEDBench._pad_or_truncate_prompt` and `_generate_hle_prompt`."""
_MESSAGE = "a list of {role: user, content: a text that is not empty}, nothing else in them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One configuration."""

    categories: tuple[str, ...]
    rows_a_category: int
    most_turns: int | None = None
    """None: nowhere said."""
    tokens: int | None = None
    """Of a row's input, where rows are all of one length."""


def _throughput(tokens: int) -> Config:
    return Config(
        categories=("low_entropy", "mixed", "high_entropy"), rows_a_category=512, tokens=tokens
    )


CONFIGS: dict[str, Config] = {
    "qualitative": Config(
        categories=(
            "coding", "humanities", "math", "multilingual", "qa", "rag", "reasoning", "roleplay",
            "stem", "summarization", "writing",
        ),
        rows_a_category=80,
        most_turns=5,
    ),
    "throughput_1k": _throughput(1000),
    "throughput_2k": _throughput(2000),
    "throughput_8k": _throughput(8000),
    "throughput_16k": _throughput(16000),
    "throughput_32k": _throughput(32000),
}  # fmt: skip


def read_official(name: str, data: bytes, form: str) -> Found:
    """Decode a file of one of the official forms; its rows have `turns` after that."""
    return _FORMS[form](name, data)


def troubles_of_config(found: Found, config: str) -> list[Trouble]:
    """Return what a configuration's rows lack, beside what is wrong with a row by itself."""
    about = CONFIGS[config]
    troubles: list[Trouble] = []
    counted: Counter[str] = Counter()
    for number, columns in found.rows:
        category, turns = columns.get("category"), columns.get("turns")
        if isinstance(category, str):
            counted[category] += 1
            if message := _wrong_category(category, counted[category], config):
                troubles.append(Trouble(row=number, column="category", message=message))
        if about.most_turns and isinstance(turns, list) and len(turns) > about.most_turns:
            message = f"{len(turns)} turns; {config} has {about.most_turns} at most"
            troubles.append(Trouble(row=number, column="turns", message=message))
    if found.troubles:  # rows that could not be read are missing in every count
        return troubles
    last = max((number for number, _ in found.rows), default=1)
    return troubles + [
        Trouble(row=last, column="category", message=message)
        for message in _missing(counted, config)
    ]


def troubles_of_lengths(found: Found, config: str, counts: Sequence[int]) -> list[Trouble]:
    """Return the rows that are not as long as a configuration's are.

    Args:
        found: rows.
        config: its name.
        counts: tokens of each row's input.
    """
    tokens = CONFIGS[config].tokens
    if tokens is None:
        return []
    least, most = bucket(tokens)
    return [
        Trouble(
            row=number,
            column="turns",
            message=f"{count} tokens; expected {least} to {most}, as {config}'s rows have",
        )
        for (number, _), count in zip(found.rows, counts, strict=True)
        if not least <= count <= most
    ]


def bucket(tokens: int) -> tuple[int, int]:
    """Return how few and how many tokens a row of a bucket may have."""
    return tokens - MOST_OFF, tokens + MOST_OFF


def to_canonical(found: Found) -> bytes:
    """Return good rows in the one form that is kept of either official one: canonical JSON lines.

    Order is the file's; columns that are SPEED-Bench's, and no others.
    """
    return b"".join(canonical(kept_columns(columns)) + b"\n" for _, columns in found.rows)


def _wrong_category(category: str, which: int, config: str) -> str:
    """Return what is wrong with a row for its category, if anything."""
    about = CONFIGS[config]
    if category not in about.categories:
        return f"{category!r} is not one of {', '.join(about.categories)}, which {config} has"
    if which > about.rows_a_category:
        return f"row {which} of {category}; {config} has {about.rows_a_category} of each category"
    return ""


def _missing(counted: Counter[str], config: str) -> Iterator[str]:
    about = CONFIGS[config]
    for category in about.categories:
        if counted[category] < about.rows_a_category:
            yield (
                f"{counted[category]} rows of {category} in all; "
                f"{config} has {about.rows_a_category}"
            )


def _read_messages(name: str, data: bytes) -> Found:
    """Decode JSON lines whose `messages` are the turns."""
    found = read_json_lines(name, data)
    rows: list[tuple[int, Columns]] = []
    troubles = list(found.troubles)
    for number, columns in found.rows:
        turns = _turns_in(columns.get("messages"))
        if "turns" in columns or turns is None:
            message = f"expected {_MESSAGE}, in place of turns"
            troubles.append(Trouble(row=number, column="messages", message=message))
        else:
            others = {name: value for name, value in columns.items() if name != "messages"}
            rows.append((number, {**others, "turns": turns}))
    return replace(found, rows=rows, troubles=tuple(troubles))


def _turns_in(messages: Any) -> list[str] | None:
    if not isinstance(messages, list) or not messages:
        return None
    for message in messages:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            return None
        if message["role"] != "user" or not is_text(message["content"]):
            return None
    return [message["content"] for message in messages]


_FORMS: dict[str, Callable[[str, bytes], Found]] = {
    PARQUET: read_parquet,
    JSON_LINES: _read_messages,
}
