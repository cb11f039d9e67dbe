"""A bundle's figures as claims of a second spec, which somebody else may run and hold them to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from specseal.analysis.outputs import OUTPUTS_DEFINITION, outputs_digest
from specseal.analysis.result import Where
from specseal.analysis.validity import REASONS
from specseal.bundle.recompute import Contents
from specseal.errors import InputError
from specseal.spec import Claim, ClaimSource, parse_spec
from specseal.spec.claim_text import with_claims
from specseal.spec.figures import CATEGORY, EVERYWHERE, LEVELS, OUTPUTS, metrics_of

CLAIMED = (
    "acceptance_length", "acceptance_length_drafted", "acceptance_length_harness", OUTPUTS,
)  # fmt: skip
"""What can be claimed without saying how far off is near enough."""
_ORDER = ("speculation", "draft_length", "input")
"""Keys of a `where` that people look for first."""
_NO_ONE_OUTPUT = "no one output: launches differ in it, its ids are not known, or it is sampled"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Figures that are not claimed, and why."""

    metric: str
    where: tuple[Where, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """The second spec, and what it does not claim."""

    text: str
    claims: tuple[Claim, ...]
    left_out: tuple[LeftOut, ...]
    replaced: int
    """Claims that the bundle's spec had."""


def claim_results(contents: Contents, metrics: Sequence[str] = CLAIMED) -> Claiming:
    """Return a bundle's spec, as it was written, with the bundle's figures as its claims.

    Lengths are claimed in each category and over all, pooled over load levels; outputs at
    concurrency 1, where temperature is 0 and all launches agree.

    Raises:
        InputError: there is nothing to claim, or the spec's text can't take claims.
    """
    found = [
        one
        for name in metrics
        for one in (_outputs(contents) if name == OUTPUTS else _figures(contents, name))
    ]
    claims = tuple(one for one in found if isinstance(one, Claim))
    left_out = _grouped([one for one in found if isinstance(one, LeftOut)])
    if not claims:
        why = "; ".join(f"{one.metric}: {one.reason}" for one in left_out)
        raise InputError(
            f"there is nothing to claim: {why or 'none of these figures is there'}",
            mend=f"ask for another of {', '.join(CLAIMED)}",
        )
    text = with_claims(contents.spec_text, claims)
    again = parse_spec(text.encode(), path="the spec with claims")
    if (again.claims, again.digest) != (claims, contents.spec.digest):
        raise InputError(
            "the text of the bundle's spec would mean something else with claims at its end",
            mend="write the claims by hand",
        )
    return Claiming(text=text, claims=claims, left_out=left_out, replaced=len(contents.spec.claims))


def _figures(contents: Contents, name: str) -> Iterator[Claim | LeftOut]:
    definition = metrics_of(contents.spec)[name].formula
    for metric in contents.result.metrics:
        if metric.name != name or any(level in metric.where for level in LEVELS):
            continue
        where = _short(metric.where, contents)
        if metric.valid and metric.value is not None:
            source = _source(contents, definition)
            yield Claim(metric=name, where=where, value=metric.value, source=source)
        else:
            reason = " ".join(REASONS.get(code, code) for code in metric.reasons)
            yield LeftOut(metric=name, where=(where,), reason=reason)


def _outputs(contents: Contents) -> Iterator[Claim | LeftOut]:
    for metric in contents.result.metrics:
        at_one = metric.where.get("concurrency") == 1 and CATEGORY not in metric.where
        if metric.name != EVERYWHERE or not at_one:
            continue
        where = _short(metric.where, contents)
        digest = outputs_digest(contents.run, metric.where)
        if digest is None:
            yield LeftOut(metric=OUTPUTS, where=(where,), reason=_NO_ONE_OUTPUT)
        else:
            source = _source(contents, OUTPUTS_DEFINITION)
            yield Claim(metric=OUTPUTS, where=where, sha256=digest, source=source)


def _grouped(left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """Return one entry a metric and reason."""
    groups: dict[tuple[str, str], tuple[Where, ...]] = {}
    for one in left_out:
        key = one.metric, one.reason
        groups[key] = groups.get(key, ()) + one.where
    return tuple(
        LeftOut(metric=metric, where=where, reason=reason)
        for (metric, reason), where in groups.items()
    )


def _source(contents: Contents, definition: str) -> ClaimSource:
    return ClaimSource(
        title=contents.spec.title,
        definition=definition,
        bundle=contents.manifest,
        inputs=contents.lock.input_digests(),
    )


def _short(where: Where, contents: Contents) -> Where:
    """Return a figure's `where` in the order of reading; without the input where there is one."""
    inputs = {one.where["input"] for one in contents.result.metrics if "input" in one.where}
    ordered = {key: where[key] for key in _ORDER if key in where} | where
    return {key: value for key, value in ordered.items() if key != "input" or len(inputs) > 1}
