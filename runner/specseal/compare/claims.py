"""Claim against result: does a published number hold in this bundle, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from specseal.compare.side import Side
from specseal.compare.verdict import Verdict
from specseal.spec.model import Claim


def judge(claim: Claim, side: Side, *, assumptions: Mapping[str, str] | None = None) -> Verdict:
    """Say whether a claim holds in a result.

    Args:
        claim: of the result's own spec, or of another.
        side: the result.
        assumptions: what the claim's source leaves open, by path in the spec.
    """
    raise NotImplementedError


def judge_all(
    claims: Iterable[Claim], assumptions: Mapping[str, str], side: Side
) -> tuple[Verdict, ...]:
    """Return the verdict on each claim, in their order."""
    return tuple(judge(claim, side, assumptions=assumptions) for claim in claims)
