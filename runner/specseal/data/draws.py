"""Repeatable choices: the same key makes the same ones on every machine and every Python."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A source of choices that belongs to one key.

    Source: docs.python.org, `random`, "Notes on Reproducibility": only the sequence of `random()`
    is promised to stay, so that every choice is made from it.
    """

    def __init__(self, key: str) -> None:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
        self._random = random.Random(seed).random  # noqa: S311  (to repeat, not to keep a secret)

    def between(self, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`, both included."""
        return least + int(self._random() * (most - least + 1))

    def one(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[self.between(0, len(values) - 1)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """Return all values in another order."""
        return sorted(values, key=lambda _: self._random())
