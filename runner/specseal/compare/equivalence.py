"""Is a number the same as a claimed one, but for a tolerance? Only evidence makes a yes or a no.

Two one-sided tests at 5%, read off the 90% interval of what was measured: within the tolerance all
of it must lie for "reproduced", outside all of it for "not reproduced"; else there is too little
data to say.

Source: D. J. Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
J. Pharmacokinet. Biopharm. 15 (1987).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from specseal.compare.spread import Spread
from specseal.compare.verdict import Answer

CONFIDENCE = 0.90
_MOST_UNITS = 10**6
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """What the two tests say."""

    answer: Answer
    more: int | None = None
    """Of an inconclusive answer: how many conversations or launches more would do, if they go on
    as these did."""
    why_not_more: str = ""
    """Why `more` is None where the answer is inconclusive."""


def equivalence(
    *, measured: float, claimed: float, tolerance: float, spread: Spread
) -> Equivalence:
    """Hold a measured value against a claimed one.

    Args:
        measured: the value.
        claimed: what it should be.
        tolerance: how far off still counts as the same, in the value's unit; not negative.
        spread: how far the measured value may be off by chance.
    """
    slack = _ROUNDING * max(abs(claimed), abs(measured))
    least, most = claimed - tolerance - slack, claimed + tolerance + slack
    low, high = spread.around(measured, CONFIDENCE)
    if least <= low and high <= most:
        return Equivalence(answer="reproduced")
    if high < least or most < low:
        return Equivalence(answer="not reproduced")
    more, why = _more(measured, claimed, tolerance, spread)
    return Equivalence(answer="inconclusive", more=more, why_not_more=why)


def _more(
    measured: float, claimed: float, tolerance: float, spread: Spread
) -> tuple[int | None, str]:
    """Return how many units more would fit the interval between value and nearer bound, or why
    none would."""
    if abs(measured - claimed) >= tolerance * (1 - _ROUNDING):
        return None, (
            "what was measured is itself at or past the tolerance: more of the same would not "
            "bring it within"
        )
    room = _room(measured, claimed - tolerance, claimed + tolerance, is_log=spread.is_log)
    more = range(1, _MOST_UNITS - spread.n + 1)
    enough = bisect_left(
        more, True, key=lambda extra: spread.with_units(spread.n + extra).half(CONFIDENCE) <= room
    )
    if enough == len(more):
        return None, f"more than {_MOST_UNITS:,} would be needed"
    return more[enough], ""


def _room(measured: float, least: float, most: float, *, is_log: bool) -> float:
    """Return the distance to the nearer bound, on the scale of the spread."""
    if not is_log:
        return min(measured - least, most - measured)
    below = math.log(measured / least) if least > 0 else math.inf
    return min(below, math.log(most / measured))
