"""Which figure of a result a claim is of, and where there is none, what there is instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from specseal.analysis.result import Metric, Result, Where
from specseal.digests import canonical
from specseal.spec.figures import BASELINE, EVERYWHERE, OUTPUTS, is_same, whole_where
from specseal.spec.model import Claim, Spec
from specseal.words import said

_PATHS = {
    "speculation": "drafter.method",
    "draft_length": "drafter.draft_length",
    "concurrency": "workload.load.concurrency",
    "rate": "workload.load.rate",
    "input": "workload.inputs",
}
"""Keys of a `where` that are not paths in a spec → those."""
_OF_DRAFTER = "drafter."
_MOST_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a result has of a claim's figure."""

    metric: Metric | None
    """None where there is none; of `outputs`, its figure of requests."""
    other_drafting: tuple[str, ...] = ()
    """Where drafts were made otherwise than claimed: `field: claimed …, measured …`."""
    missing: tuple[str, ...] = ()
    """Why there is no such figure."""


def find(claim: Claim, of: Spec, result: Result) -> Found:
    """Return the figure that a claim is of; drafted otherwise, if that is the one thing amiss.

    Args:
        claim: what its `where` leaves out is as in its spec.
        of: the claim's spec.
        result: where to look.
    """
    name = EVERYWHERE if claim.metric == OUTPUTS else claim.metric
    there = [metric for metric in result.metrics if metric.name == name]
    if not there:
        return Found(metric=None, missing=(f"metric: there is no {name} in this result",))
    where = _asked(claim, of)
    if where is None:
        return Found(metric=None, missing=("where: the claim does not say which figure it is of",))
    for metric in there:
        if _differing(where, metric.where) == ():
            return Found(metric=metric)
    drafted = _nearest(where, there)
    if drafted:
        told = tuple(_told(key, where, drafted) for key in _drafting_keys(where, drafted))
        return Found(metric=drafted[0] if len(drafted) == 1 else None, other_drafting=told)
    return Found(metric=None, missing=_missing(where, there))


def _asked(claim: Claim, of: Spec) -> Where | None:
    """Return where the claim's figure is; None where that may be several places.

    A claim on what its spec does not measure, which no spec is read with, is taken at its word.
    """
    asked = whole_where(claim, of)
    if not asked:
        found = ({**where, **claim.where} for where in whole_where(replace(claim, where={}), of))
        asked = tuple({canonical(where): where for where in found}.values())
    return asked[0] if len(asked) == 1 else None


def _differing(asked: Where, there: Where) -> tuple[str, ...]:
    """Return the keys in which two places differ."""
    keys = dict.fromkeys((*asked, *there))
    return tuple(
        key
        for key in keys
        if (key in asked) != (key in there) or not is_same(asked.get(key), there.get(key))
    )


def _nearest(asked: Where, there: Iterable[Metric]) -> list[Metric]:
    """Return the figures that differ in nothing but drafting, and in as little of it as any does.

    The baseline is near only where there is nothing else.
    """
    found: dict[tuple[bool, int], list[Metric]] = {}
    for metric in there:
        keys = _differing(asked, metric.where)
        if all(_path(key).startswith(_OF_DRAFTER) for key in keys):
            is_baseline = metric.where.get("speculation") == BASELINE
            found.setdefault((is_baseline, len(keys)), []).append(metric)
    return found[min(found)] if found else []


def _drafting_keys(asked: Where, there: Iterable[Metric]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for one in there for key in _differing(asked, one.where)))


def _missing(asked: Where, there: Sequence[Metric]) -> tuple[str, ...]:
    """Name the first key of which there is no such value; each may be there, but not together."""
    for key, value in asked.items():
        if not any(key in one.where and is_same(one.where[key], value) for one in there):
            return (_told(key, asked, there),)
    return ("where: each of it was measured, but never all together",)


def _told(key: str, asked: Where, there: Iterable[Metric]) -> str:
    values = dict.fromkeys(said(one.where[key]) for one in there if key in one.where)
    shown = [*values][:_MOST_SHOWN] + (["…"] if len(values) > _MOST_SHOWN else [])
    claimed = said(asked[key]) if key in asked else "nothing"
    return f"{_path(key)}: claimed {claimed}, measured {', '.join(shown) or 'nothing'}"


def _path(key: str) -> str:
    return _PATHS.get(key, key)
