"""The spread of the ratio of one figure in two results: what to pair, and what varies at all.

Plan, for two figures of one metric:

1. What is not there on both sides, a count, or an extreme has no spread.
2. What depends on the machine's pace varies from launch to launch by more than its prompts do:
   where both sides have enough launches, these are compared.
3. Ratios of sums over conversations: paired, where both sides had the same prompts; else as
   independent draws.
4. Whatever else there is: launches, where there are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from specseal.analysis.figures import Figure, Parts
from specseal.analysis.intervals import (
    LEAST_CONVERSATIONS,
    LEAST_LAUNCHES,
    TOO_FEW_CONVERSATIONS,
)
from specseal.compare.side import Side
from specseal.compare.spread import Spread, over_conversations, over_launches, over_paired
from specseal.spec.locked import Lock

Over = Literal["prompts paired", "prompts", "launches"]

REASONS: Mapping[str, str] = {
    "not_positive": "A value is 0 or less: there is no ratio of the two.",
    "launches_may_differ": "The interval is over prompts, within the same launches: by how much "
    "launches differ it does not tell.",
    "prompts_differ": "The interval is over launches, and the prompts differ: by how much other "
    "prompts would, it does not tell.",
}
"""Codes that a comparison may carry beside those of the analysis, each with its sentence."""


_ROWS = (("prompts", "conversations"), ("dataset", "rows"))
"""Where a lock has the digest of each conversation: as it is sent, and of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """The spread of log(second ÷ first), or why there is none."""

    spread: Spread | None
    over: Over
    n: int
    """Prompts paired; else prompts, or launches, of the side that has fewer."""
    reasons: tuple[str, ...] = ()
    """Codes."""


def contrast(
    first: Figure, second: Figure, *, same_prompts: bool, least_launches: int = LEAST_LAUNCHES
) -> Contrast:
    """Return how far the ratio of two figures may be off by chance.

    Args:
        first: in one result.
        second: in the other.
        same_prompts: whether the conversations of both, by name, had the same prompts.
        least_launches: with how many of each side their launches may be compared.
    """
    launches = min(len(first.launches), len(second.launches))
    by_launch = launches >= least_launches
    # (1)
    why = first.why_no_spread or second.why_no_spread
    if why or first.value is None or second.value is None:
        reasons = (why,) if why else ()
        return Contrast(spread=None, over="launches", n=launches, reasons=reasons)
    of_launches = _of_launches(first, second, least_launches, same_prompts=same_prompts)
    if first.parts is None or second.parts is None:
        return of_launches
    # (2)
    timed = first.rests_on_time or second.rests_on_time
    if timed and by_launch:
        return of_launches
    # (3)
    found = _of_conversations(first.parts, second.parts, paired=same_prompts)
    if found.spread is not None:
        caution = ("launches_may_differ",) if timed else ()
        return Contrast(spread=found.spread, over=found.over, n=found.n, reasons=caution)
    # (4)
    return of_launches if by_launch else found


def same_prompts(one: Side, other: Side, first: Figure, second: Figure) -> bool:
    """Say whether two figures are over the same conversations, with the same prompts.

    The same texts will do, too: another tokenizer does not make it another conversation.
    """
    names, others = _conversations(one, first), _conversations(other, second)
    if names != others:
        return False
    if first.where.get("input", "dataset") != "dataset":
        return _random(one.lock) == _random(other.lock)
    return any(
        all(name in mine and mine[name] == theirs.get(name) for name in names)
        for at in _ROWS
        for mine, theirs in ((_digests(one.lock, *at), _digests(other.lock, *at)),)
    )


def _conversations(side: Side, figure: Figure) -> tuple[str, ...]:
    """Return the names of a figure's conversations; of a whole phase's, all that were to be sent.

    A phase that is limited by time may not have come to all of them, or sent some again.
    """
    if figure.parts is not None:
        return figure.parts.conversations
    variants = side.lock.variants_in_full()
    return tuple(sorted({name for one in variants for name in one.lock.points["conversations"]}))


def _digests(lock: Lock, section: str, key: str) -> dict[str, set[str]]:
    """Return the digests of each conversation in all variants of a sweep."""
    found: dict[str, set[str]] = {}
    for variant in lock.variants_in_full():
        for row in getattr(variant.lock, section)[key]:
            found.setdefault(row["id"], set()).add(row["sha256"])
    return found


def _random(lock: Lock) -> list[object]:
    return [variant.lock.prompts["random"] for variant in lock.variants_in_full()]


def _of_conversations(first: Parts, second: Parts, *, paired: bool) -> Contrast:
    n = int(min(np.count_nonzero(first.denominator), np.count_nonzero(second.denominator)))
    over: Over = "prompts paired" if paired else "prompts"
    if n < LEAST_CONVERSATIONS:
        return Contrast(spread=None, over=over, n=n, reasons=(TOO_FEW_CONVERSATIONS,))
    if paired:
        n = len(first.numerator)
        spread = over_paired(
            (first.numerator, first.denominator), (second.numerator, second.denominator)
        )
    else:
        spread = _beside(
            over_conversations(first.numerator, first.denominator),
            over_conversations(second.numerator, second.denominator),
        )
    reasons = () if spread is not None else ("not_positive",)
    return Contrast(spread=spread, over=over, n=n, reasons=reasons)


def _of_launches(first: Figure, second: Figure, least: int, *, same_prompts: bool) -> Contrast:
    n = min(len(first.launches), len(second.launches))
    if n < least:
        reasons: tuple[str, ...] = (f"fewer_than_{least}_launches",)
        return Contrast(spread=None, over="launches", n=n, reasons=reasons)
    spread = _beside(over_launches(first.launches), over_launches(second.launches))
    if spread is None or not spread.is_log:
        return Contrast(spread=None, over="launches", n=n, reasons=("not_positive",))
    caution = () if same_prompts else ("prompts_differ",)
    return Contrast(spread=spread, over="launches", n=n, reasons=caution)


def _beside(one: Spread | None, other: Spread | None) -> Spread | None:
    return None if one is None or other is None else one.beside(other)
