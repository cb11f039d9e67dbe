"""Claim against result: does a published number hold in this bundle, and if not, why.

Plan of a verdict; what a later step finds counts only where no earlier one has decided:

1. Inputs, by the digests that the claim names, else by what the two specs ask for: with another
   model, data set, prompts or sampling it is another question, "not comparable". Another engine,
   client or drafter is said, and judged.
   Where there is no such figure at all, it is "not comparable", too.
2. With another method, draft length or drafter's setting than claimed, it is "not reproduced",
   whatever the number.
3. What depends on the machine's pace is only comparable on the accelerators, and at the load, that
   the claim's spec asks for.
4. A figure that is not valid proves nothing, and neither does one that the claim was made of:
   "inconclusive".
5. The 90% interval of what was measured is held against the tolerance; see `equivalence`. On the
   claim's own rows only launches vary. Else prompts are drawn anew; and of what depends on the
   machine's pace, launches beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from specseal.analysis.figures import Figure, Parts
from specseal.analysis.intervals import LEAST_CONVERSATIONS
from specseal.analysis.outputs import outputs_digest
from specseal.analysis.result import Metric, Where
from specseal.analysis.validity import REASONS
from specseal.compare.agreement import BY_CHANCE, agree_by_chance
from specseal.compare.alike import Inputs, are_same_rows, other_hardware
from specseal.compare.asked import (
    another_question_asked,
    other_load,
    set_up_otherwise_asked,
)
from specseal.compare.difference import Place, figures_at, place
from specseal.compare.equivalence import CONFIDENCE, equivalence
from specseal.compare.finding import Found, find
from specseal.compare.settling import LEAST_LAUNCHES, NO_PARTS, blank, not_valid, settled
from specseal.compare.side import Side
from specseal.compare.spread import Spread, over_conversations, over_launches
from specseal.compare.verdict import Verdict
from specseal.spec.figures import LEVELS, OUTPUTS
from specseal.spec.model import Claim, Spec

_OWN_PROMPTS = "the prompts are the claim's own"
_TAKEN_FOR_OWN = (
    "the prompts are taken for the claim's own (the source names no revision of the data set)"
)
_OWN = (
    "the claim is this bundle's own figure, which it can't confirm: it takes a second run, with "
    "`--fresh` where the first one's jobs lie"
)


def judge_claims(of: Spec, side: Side) -> tuple[Verdict, ...]:
    """Say of each claim of a spec, in their order, whether it holds in a result.

    Args:
        of: the spec, be it the result's own or another.
        side: the result.
    """
    names = {claim.metric for claim in of.claims if claim.metric != OUTPUTS}
    figures = figures_at(side, names) if names else {}
    inputs = side.lock.input_digests()
    told = tuple(of.assumptions.items())
    return tuple(
        replace(_judge(claim, of, side, figures, inputs), assumptions=told) for claim in of.claims
    )


def _judge(
    claim: Claim, of: Spec, side: Side, figures: Mapping[Place, Figure], inputs: Inputs
) -> Verdict:
    found = find(claim, of, side.result)
    figure = None
    if found.metric is not None:
        figure = figures.get(place(claim.metric, found.metric.where))
    if claim.metric == OUTPUTS:
        verdict = _by_outputs(claim, side, found)
    elif found.metric is None:
        verdict = blank(claim)
    else:
        same_rows = are_same_rows(claim, of, side, inputs, found.metric.where)
        evidence = _Evidence()
        if figure is not None and figure.value is not None:
            by_chance = agree_by_chance(figure, figures, side)
            whose = _OWN_PROMPTS if claim.source.inputs else _TAKEN_FOR_OWN
            evidence = _evidence(figure, whose if same_rows else "", by_chance=by_chance)
        verdict = _by_numbers(claim, found.metric, evidence)
        verdict = _beyond_the_data(verdict, side, found.metric.where)
    if claim.source.bundle == side.manifest:
        verdict = replace(blank(claim), measured=verdict.measured, reasons=(_OWN,))
    timed = figure is not None and figure.rests_on_time
    known = claim.source.inputs
    elsewhere = other_hardware(of, side)
    load = () if any(key in claim.where for key in LEVELS) else other_load(of, side.spec)
    return settled(
        verdict,
        found,
        inputs,
        decisive=(
            *another_question_asked(of, side.spec, known=known),
            *((*elsewhere, *load) if timed else ()),
        ),
        told=(
            *set_up_otherwise_asked(of, side.spec, known=known),
            *(() if timed else (*elsewhere, *load)),
        ),
    )


def _by_outputs(claim: Claim, side: Side, found: Found) -> Verdict:
    verdict = blank(claim)
    if found.metric is None:
        return verdict
    digest = outputs_digest(side.run, found.metric.where)
    if digest is None:
        why = (
            "there is no one output here to compare: launches or load levels differ in what they "
            "generated, a request failed, ids are not told, or the temperature is not 0"
        )
        return replace(verdict, reasons=(why,))
    if digest == claim.sha256:
        return replace(verdict, answer="reproduced")
    why = "other tokens were generated; how many, a digest does not tell"
    return replace(verdict, answer="not reproduced", reasons=(why,))


def _by_numbers(claim: Claim, metric: Metric, evidence: _Evidence) -> Verdict:
    """Hold what was measured against the claim."""
    verdict = replace(blank(claim), measured=metric.value, over=evidence.over)
    if metric.value is not None and evidence.spread is not None:
        low, high = evidence.spread.around(metric.value, CONFIDENCE)
        verdict = replace(verdict, low=low, high=high)
    # (4)
    if not metric.valid:
        return not_valid(verdict, metric)
    # (5)
    tolerance = verdict.tolerance
    if tolerance is None or claim.value is None:
        why = "nobody says how far off still counts as the same: give the claim a tolerance"
        return replace(verdict, reasons=(why,))
    if evidence.spread is None or metric.value is None:
        return replace(
            verdict,
            reasons=(evidence.why_none,),
            more_launches=evidence.launches_missing,
            more_requests=evidence.conversations_missing,
        )
    held = equivalence(
        measured=metric.value, claimed=claim.value, tolerance=tolerance, spread=evidence.spread
    )
    why, more = held.why_not_more, held.more
    if more is not None and evidence.why_not_more:
        why, more = evidence.why_not_more, None
    return replace(
        verdict,
        answer=held.answer,
        reasons=(why,) if why else (),
        more_launches=more if evidence.of_launches else None,
        more_requests=None if evidence.of_launches else more,
    )


def _beyond_the_data(verdict: Verdict, side: Side, where: Where) -> Verdict:
    """Say so where more conversations would be needed than the data set has."""
    lock = side.lock.variants_in_full()[0].lock
    sent = {*lock.points["conversations"]}
    unused = sum(
        row["id"] not in sent and where.get("category") in (None, row["category"])
        for row in lock.prompts["conversations"]
    )
    if verdict.more_requests is None or verdict.more_requests <= unused:
        return verdict
    why = f"the data set has {unused} more conversations of these: with it alone there is no answer"
    return replace(verdict, reasons=(*verdict.reasons, why))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What varies behind a figure, or what there is too little of."""

    spread: Spread | None = None
    over: str = ""
    of_launches: bool = False
    why_none: str = NO_PARTS
    why_not_more: str = ""
    """Why nobody can say how much more of one thing it would take."""
    launches_missing: int | None = None
    conversations_missing: int | None = None


def _evidence(figure: Figure, same_rows: str, *, by_chance: bool) -> _Evidence:
    """Return what varies behind a figure.

    Args:
        figure: what was measured.
        same_rows: how it is said that its prompts are the claim's; empty where they are not.
        by_chance: whether its launches may agree by chance.
    """
    if figure.why_no_spread:
        return _Evidence(why_none=REASONS[figure.why_no_spread])
    launches = over_launches(figure.launches)
    if same_rows:
        if by_chance:
            return _Evidence(why_none=BY_CHANCE)
        return _of_launches(figure, launches, f": {same_rows}, so only launches vary")
    if figure.parts is None:
        return _Evidence(
            why_none="the prompts are not known to be the claim's own, and this figure is not told "
            "by prompt: what other prompts would give, launches do not show"
        )
    if figure.rests_on_time and launches is None:
        return _of_launches(figure, launches, "")
    return _of_conversations(figure.parts, launches if figure.rests_on_time else None)


def _of_launches(figure: Figure, spread: Spread | None, why: str) -> _Evidence:
    n = len(figure.launches)
    if spread is None:
        return _Evidence(
            why_none=f"measured in {n} launch: by how much launches differ it does not tell; run "
            f"it with `repeats: {LEAST_LAUNCHES}` or more",
            launches_missing=LEAST_LAUNCHES - n,
        )
    return _Evidence(spread=spread, over=f"over {n} launches{why}", of_launches=True)


def _of_conversations(parts: Parts, launches: Spread | None) -> _Evidence:
    n = int(np.count_nonzero(parts.denominator))
    if n < LEAST_CONVERSATIONS:
        return _Evidence(
            why_none=f"over {n} conversations: the prompts are not known to be the claim's own, "
            f"and what others would give takes {LEAST_CONVERSATIONS} or more to tell",
            conversations_missing=LEAST_CONVERSATIONS - n,
        )
    spread = over_conversations(parts.numerator, parts.denominator)
    if spread is None:
        return _Evidence(why_none="too few conversations have anything of this")
    over = (
        f"over {n} conversations: the prompts are not known to be the claim's own, so others "
        "might have been drawn"
    )
    if launches is None:
        return _Evidence(spread=spread, over=over)
    return _Evidence(
        spread=spread.beside(launches),
        over=f"{over}; and over {launches.n} launches, whose pace differs",
        why_not_more="more conversations and more launches would both narrow the interval",
    )
