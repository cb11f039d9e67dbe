"""A result that was run again, against the one that it repeats."""

from __future__ import annotations

from collections.abc import Collection

from specseal.compare.side import Side
from specseal.compare.verdict import Verdict
from specseal.spec.model import Tolerance


def judge_pair(
    original: Side,
    again: Side,
    *,
    metrics: Collection[str] | None = None,
    tolerance: Tolerance | None = None,
) -> tuple[Verdict, ...]:
    """Say of each figure of a result whether a second run of the same reproduces it.

    Args:
        original: the result that is repeated.
        again: the second run.
        metrics: which; None: the acceptance lengths, by category and over all.
        tolerance: of all these metrics; None: 5% of acceptance lengths, and other metrics, which
            only the tolerance given can judge, are left out.
    """
    raise NotImplementedError
