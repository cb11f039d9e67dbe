"""What a verdict has whatever its number came to: a tolerance, and what weighs more than numbers.

`claims` has the plan; here are its steps (1) to (4), which verdicts on a second run share.
"""

from __future__ import annotations

from dataclasses import replace

from specseal.analysis.result import Metric
from specseal.analysis.validity import REASONS
from specseal.compare.alike import Inputs, another_question, as_far_as_known, set_up_otherwise
from specseal.compare.finding import Found
from specseal.compare.verdict import Verdict
from specseal.spec.figures import tolerance_of
from specseal.spec.model import Claim

LEAST_LAUNCHES = 2
"""A single launch shows no variation, and two do, however little they say of it."""
NO_PARTS = "the parts that the figure was made of are not in the bundle"
_ABOUT_INTERVALS = ("fewer_than_", "exact_count", "extreme")
"""How codes begin that only say why a result gives no interval."""


def blank(claim: Claim) -> Verdict:
    """Return the verdict on a claim of which nothing is known yet."""
    return Verdict(
        answer="inconclusive",
        claim=claim,
        measured=None,
        low=None,
        high=None,
        tolerance=tolerance_in_units(claim),
    )


def settled(
    verdict: Verdict,
    found: Found,
    inputs: Inputs,
    *,
    decisive: tuple[str, ...] = (),
    told: tuple[str, ...] = (),
) -> Verdict:
    """Return what numbers alone said, with what weighs more than they do.

    Args:
        verdict: by the numbers.
        found: the figure that it is of.
        inputs: digests of what the result was made with.
        decisive: what else makes it another question, each as `field: …`.
        told: what else is otherwise.
    """
    claim = verdict.claim
    # (2)
    verdict = replace(
        verdict,
        differs=(*set_up_otherwise(claim, inputs), *told),
        over=as_far_as_known(claim, verdict.over),
    )
    if found.other_drafting:
        verdict = _drafted_otherwise(verdict, found)
    # (1), (3)
    decisive = (*another_question(claim, inputs), *decisive, *found.missing)
    if not decisive:
        return verdict
    return replace(
        verdict,
        answer="not comparable",
        differs=(*decisive, *verdict.differs),
        more_launches=None,
        more_requests=None,
    )


def tolerance_in_units(claim: Claim) -> float | None:
    """Return how far off still counts as the same: tolerance and half of the last digit printed.

    None where neither the claim nor its metric has a tolerance.
    """
    allowed = tolerance_of(claim)
    if claim.value is None or allowed is None:
        return None
    rounding = 0.0 if claim.decimals is None else 0.5 * 10.0**-claim.decimals
    if allowed.absolute is not None:
        return allowed.absolute + rounding
    return (allowed.relative or 0.0) * abs(claim.value) + rounding


def why_not_valid(metric: Metric) -> tuple[str, ...]:
    """Return the codes of why a figure proves nothing: not those of its interval."""
    return tuple(code for code in metric.reasons if not code.startswith(_ABOUT_INTERVALS))


def not_valid(verdict: Verdict, metric: Metric) -> Verdict:
    """Return the verdict where a figure proves nothing, with its codes in words. (4)"""
    codes = why_not_valid(metric)
    said = tuple(f"{code}: {REASONS.get(code, 'a code that nobody knows here')}" for code in codes)
    return replace(verdict, codes=codes, reasons=said)


def _drafted_otherwise(verdict: Verdict, found: Found) -> Verdict:
    """Say that the claim's own drafting was not measured, whatever another came to."""
    near = "what was claimed was not measured"
    if verdict.answer == "reproduced":
        is_same = (
            "outputs are the same" if verdict.tolerance is None else "value is within the tolerance"
        )
        near += f", although the {is_same}"
    return replace(
        verdict,
        answer="not reproduced",
        differs=(*found.other_drafting, *verdict.differs),
        reasons=(near, *verdict.reasons),
        more_launches=None,
        more_requests=None,
    )
