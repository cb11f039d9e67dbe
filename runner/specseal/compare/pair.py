"""A result that was run again, against the one that it repeats.

Each figure of the original is a claim on the second run, judged by the plan of `claims`, but for
its last step: what every prompt gave is known of both, so that prompts are paired, and the 90%
interval is of the ratio of the two. Of fewer conversations than an interval can rest on, and of
what is only told by launch, launches are compared.

Outputs are the same or not: at temperature 0 and concurrency 1, of every turn that both sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from specseal.analysis.figures import Figure
from specseal.analysis.outputs import is_greedy, outputs_of
from specseal.analysis.result import Metric, Where
from specseal.analysis.validity import REASONS
from specseal.compare.agreement import BY_CHANCE, agree_by_chance, same_on_all_prompts
from specseal.compare.alike import Inputs, accelerators, other_accelerators
from specseal.compare.asked import other_load
from specseal.compare.contrast import REASONS as OF_COMPARING
from specseal.compare.contrast import Contrast, contrast, same_prompts
from specseal.compare.difference import Place, figures_at, place
from specseal.compare.equivalence import CONFIDENCE, equivalence
from specseal.compare.finding import find
from specseal.compare.settling import (
    LEAST_LAUNCHES,
    NO_PARTS,
    blank,
    not_valid,
    settled,
    why_not_valid,
)
from specseal.compare.side import Side
from specseal.compare.verdict import Verdict
from specseal.digests import Digest
from specseal.spec.figures import EVERYWHERE, LEVELS, OUTPUTS, tolerance_of
from specseal.spec.model import Claim, ClaimSource, Tolerance

_ACCEPTANCE = "acceptance_length"
_IN_BOTH = (
    "more are needed in both runs, and so another lock: a reproduction repeats the original's"
)
_OVER = {
    "prompts paired": "prompt by prompt, over {n} conversations",
    "prompts": "over {n} conversations or more on each side, other prompts on each",
    "launches": "over {n} launches or more on each side",
}


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
        metrics: which, `outputs` among them; None: the acceptance lengths, and outputs. Each by
            category, and over all; what is not valid in the original is left out.
        tolerance: of all these metrics; None: 5% of acceptance lengths. Other metrics have none by
            themselves, and are left out where none is given.
    """
    claims = tuple(_claims(original, metrics, tolerance))
    names = {claim.metric for claim in claims}
    mine, theirs = figures_at(original, names), figures_at(again, names)
    inputs = again.lock.input_digests()
    numbers = tuple(_judge(claim, original, again, mine, theirs, inputs) for claim in claims)
    if metrics is not None and OUTPUTS not in metrics:
        return numbers
    return (*numbers, *_judged_outputs(original, again, inputs))


def not_judged(original: Side) -> tuple[str, ...]:
    """Say of which acceptance lengths a result has figures that prove nothing, and why."""
    found: dict[str, dict[str, None]] = {}
    for metric in _over_all_levels(original, None):
        if not metric.valid:
            found.setdefault(metric.name, {}).update(dict.fromkeys(why_not_valid(metric)))
    return tuple(
        f"not valid in the original, at least in part: {name}: {', '.join(codes)}"
        for name, codes in found.items()
    )


def _claims(
    original: Side, metrics: Collection[str] | None, tolerance: Tolerance | None
) -> Iterator[Claim]:
    source = _source(original)
    for metric in _over_all_levels(original, metrics):
        if not metric.valid:
            continue
        claim = Claim(
            metric=metric.name,
            where=metric.where,
            value=metric.value,
            tolerance=tolerance,
            source=source,
        )
        if tolerance_of(claim) is not None:
            yield claim


def _over_all_levels(original: Side, metrics: Collection[str] | None) -> Iterator[Metric]:
    for metric in original.result.metrics:
        asked = metric.name.startswith(_ACCEPTANCE) if metrics is None else metric.name in metrics
        if asked and not any(key in metric.where for key in LEVELS):
            yield metric


def _source(original: Side) -> ClaimSource:
    return ClaimSource(
        title=original.name,
        definition="as docs/metrics.md has it",
        bundle=original.manifest,
        inputs=original.lock.input_digests(),
    )


def _judge(
    claim: Claim,
    original: Side,
    again: Side,
    mine: Mapping[Place, Figure],
    theirs: Mapping[Place, Figure],
    inputs: Inputs,
) -> Verdict:
    found = find(claim, original.spec, again.result)
    if found.metric is None:
        return settled(blank(claim), found, inputs)
    first = mine.get(place(claim.metric, claim.where))
    second = theirs.get(place(claim.metric, found.metric.where))
    told, by_chance = None, False
    if first is not None and second is not None:
        told = contrast(
            first,
            second,
            same_prompts=same_prompts(original, again, first, second),
            least_launches=LEAST_LAUNCHES,
        )
        by_chance = (
            told.over == "launches"
            and not same_on_all_prompts(first, mine, theirs)
            and (agree_by_chance(first, mine, original) or agree_by_chance(second, theirs, again))
        )
    verdict = _by_numbers(claim, found.metric, told)
    if by_chance and verdict.answer in ("reproduced", "not reproduced"):
        verdict = replace(verdict, answer="inconclusive", low=None, high=None, reasons=(BY_CHANCE,))
    load = other_load(original.spec, again.spec)
    if first is not None and first.rests_on_time:
        decisive = (*_other_machine(original, again), *load)
        return settled(verdict, found, inputs, decisive=decisive)
    return settled(verdict, found, inputs, told=load)


def _by_numbers(claim: Claim, metric: Metric, told: Contrast | None) -> Verdict:
    verdict = replace(blank(claim), measured=metric.value)
    if told is not None and told.spread is not None and metric.value is not None:
        low, high = told.spread.around(metric.value, CONFIDENCE)
        verdict = replace(verdict, low=low, high=high, over=_OVER[told.over].format(n=told.n))
    if not metric.valid:
        return not_valid(verdict, metric)
    claimed, tolerance = claim.value, verdict.tolerance
    if told is None or metric.value is None or claimed is None or tolerance is None:
        return replace(verdict, reasons=(NO_PARTS,))
    # An interval with a caution leaves out what varies, too.
    if told.spread is None or told.reasons:
        known = REASONS | dict(OF_COMPARING)
        said = tuple(
            f"{code}: {known[code]}" if code in known else _too_few(told) for code in told.reasons
        )
        missing = _missing_launches(told)
        return replace(verdict, reasons=said or (NO_PARTS,), more_launches=missing)
    held = equivalence(
        measured=metric.value, claimed=claimed, tolerance=tolerance, spread=told.spread
    )
    why = held.why_not_more or (_IN_BOTH if held.more else "")
    return replace(
        verdict,
        answer=held.answer,
        reasons=(why,) if why else (),
        more_launches=held.more if told.over == "launches" else None,
        more_requests=None if told.over == "launches" else held.more,
    )


def _too_few(told: Contrast) -> str:
    return f"measured in {told.n} launch: run it with `repeats: {LEAST_LAUNCHES}` or more"


def _missing_launches(told: Contrast) -> int | None:
    if "launches_may_differ" in told.reasons:
        return LEAST_LAUNCHES - 1
    return max(0, LEAST_LAUNCHES - told.n) or None if told.over == "launches" else None


def _other_machine(original: Side, again: Side) -> tuple[str, ...]:
    """Return in what the machines differ, as far as what they measured of time is concerned."""
    differs = [*other_accelerators(accelerators(original), accelerators(again))]
    first, second = (side.environment["machine"].get("cpu") for side in (original, again))
    if first != second:
        differs.append(f"environment.machine.cpu: claimed {first}, measured on {second}")
    return tuple(differs)


def _judged_outputs(original: Side, again: Side, inputs: Inputs) -> Iterator[Verdict]:
    for metric in original.result.metrics:
        where = metric.where
        if metric.name != EVERYWHERE or where.get("concurrency") != 1 or "category" in where:
            continue
        if is_greedy(original.run, where):
            claim = Claim(metric=OUTPUTS, where=where, source=_source(original))
            found = find(claim, original.spec, again.result)
            verdict = blank(claim)
            if found.metric is not None:
                verdict = _by_outputs(verdict, original, again, found.metric.where)
            yield settled(verdict, found, inputs)


def _by_outputs(verdict: Verdict, original: Side, again: Side, where: Where) -> Verdict:
    """Compare what was generated, turn by turn; `measured` is the share of turns that are equal."""
    first, second = outputs_of(original.run, verdict.claim.where), outputs_of(again.run, where)
    both = sorted(first.keys() & second.keys())
    if not both or first.keys() != second.keys():
        why = f"{len(first.keys() ^ second.keys())} turns were sent in only one of the two runs"
        return replace(verdict, reasons=(why,))
    open_turns = [turn for turn in both if _is_open(first[turn]) or _is_open(second[turn])]
    equal = sum(first[turn] == second[turn] for turn in both if turn not in open_turns)
    verdict = replace(verdict, measured=equal / len(both), over=f"over {len(both)} turns")
    if equal + len(open_turns) < len(both):
        why = f"{len(both) - len(open_turns) - equal} of {len(both)} turns have other tokens"
        return replace(verdict, answer="not reproduced", reasons=(why,))
    if open_turns:
        why = (
            f"{len(open_turns)} of {len(both)} turns have no one output: launches differ among "
            "themselves, requests failed, or ids are not told"
        )
        return replace(verdict, reasons=(why,))
    return replace(verdict, answer="reproduced")


def _is_open(outputs: set[Digest | None]) -> bool:
    return len(outputs) > 1 or None in outputs
