"""Which figures a spec's result will have, and which of them a claim is of.

A figure is named by its `where`. What a claim leaves out is either pooled, the load level and the
category, or there is only one of it: inputs, draft lengths and what a sweep varies are never
pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from specseal.analysis.definition import Definition, speculates
from specseal.analysis.facts import BASELINE as BASELINE
from specseal.analysis.metrics import definitions
from specseal.analysis.overestimate import ACROSS_INPUTS
from specseal.analysis.phases import LOAD_SETTINGS
from specseal.analysis.result import Where
from specseal.digests import canonical
from specseal.spec.model import Claim, Load, Spec, Tolerance
from specseal.spec.setting import shown_setting

OUTPUTS = "outputs"
"""The metric of a claim on all that was generated."""
EVERYWHERE = "requests"
"""A metric that every figure of a result has: where it is, there are outputs."""
CATEGORY = "category"
LEVELS = ("concurrency", "rate")
POOLED = (*LEVELS, CATEGORY)
"""Keys that a figure may lack: it is then over all of them."""

_DEFAULT_TOLERANCE = Tolerance(relative=0.05)
_HAVE_DEFAULT = "acceptance_length"
"""How the names of all acceptance lengths begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A place in the result at one load level, over all categories."""

    where: Where
    temperature: float

    def fits(self, asked: Where) -> bool:
        """Say whether it is of what is asked for; categories aside, which only prompts tell."""
        return all(
            key == CATEGORY or (key in self.where and is_same(self.where[key], value))
            for key, value in asked.items()
        )


def is_same(one: Any, other: Any) -> bool:
    """Say whether two values of a `where` are equal: 1 and 1.0 are, 1 and true are not."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def tolerance_of(claim: Claim) -> Tolerance | None:
    """Return how far off a claim allows: its own, or its metric's; None where neither has one."""
    has_default = claim.metric.startswith(_HAVE_DEFAULT)
    return claim.tolerance or (_DEFAULT_TOLERANCE if has_default else None)


@cache
def metrics_up_to(draft_length: int) -> dict[str, Definition]:
    """Return every metric by name, with draft positions up to `draft_length`."""
    rows = (*definitions(draft_length), *ACROSS_INPUTS)
    return {name: row for row in rows for name in row.names}


def metrics_of(spec: Spec) -> dict[str, Definition]:
    """Return every metric that the spec's result may have, by name."""
    return metrics_up_to(max(one.spec.drafter.draft_length for one in spec.variants_in_full()))


def figures_of(metric: str, spec: Spec) -> tuple[Figure, ...]:
    """Return the figures of a metric that a spec's result will have, at each load level."""
    row = metrics_of(spec).get(metric)
    figures = _figures(spec)
    if row in ACROSS_INPUTS:
        figures = tuple(_across_inputs(figures))
    # Positions have rules of their own, all of which ask for speculation.
    if row is not None and (row.applies is speculates or metric.startswith("acceptance_")):
        return tuple(one for one in figures if one.where["speculation"] != BASELINE)
    return figures


def whole_where(claim: Claim, spec: Spec) -> tuple[Where, ...]:
    """Return the `where` of a claim's figure, nothing left out, as the spec's result has it.

    One, of every claim that a spec was read with; else none, or all that it may be.
    """
    return whole_where_among(claim, figures_of(claim.metric, spec))


def whole_where_among(claim: Claim, figures: Iterable[Figure]) -> tuple[Where, ...]:
    """Return the same as `whole_where`, of these figures of the claim's metric."""
    found: dict[bytes, Where] = {}
    for figure in figures:
        if figure.fits(claim.where):
            kept = {key: value for key, value in figure.where.items() if key not in POOLED}
            asked = {key: value for key, value in claim.where.items() if key in POOLED}
            found.setdefault(canonical(kept), kept | asked)
    return tuple(found.values())


def _figures(spec: Spec) -> tuple[Figure, ...]:
    variants = spec.variants_in_full()
    loads = [variant.spec.workload.load for variant in variants]
    varying = [name for name in LOAD_SETTINGS if len({getattr(load, name) for load in loads}) > 1]
    found: dict[bytes, Figure] = {}
    for variant in variants:
        workload = variant.spec.workload
        for speculation in _speculations(variant.spec):
            shown = shown_setting(
                variant.setting,
                is_baseline=speculation["speculation"] == BASELINE,
                requests=workload.load.requests,
            )
            for given in workload.inputs:
                for level in _levels(workload.load, varying):
                    where = {**speculation, "input": given, **shown, **level}
                    figure = Figure(where=where, temperature=workload.sampling.temperature)
                    found.setdefault(canonical(where), figure)
    return tuple(found.values())


def _speculations(spec: Spec) -> Iterator[Where]:
    if spec.baseline == "autoregressive" or spec.drafter.method == BASELINE:
        yield {"speculation": BASELINE}
    if spec.drafter.method != BASELINE:
        yield {"speculation": spec.drafter.method, "draft_length": spec.drafter.draft_length}


def _levels(load: Load, varying: Iterable[str]) -> Iterator[Where]:
    offered = {f"workload.load.{name}": getattr(load, name) for name in varying}
    told = {path: value for path, value in offered.items() if value is not None}
    for concurrency in load.concurrency:
        yield {**told, "concurrency": concurrency}
    for rate in load.rate:
        yield {**told, "rate": rate}


def _across_inputs(figures: Iterable[Figure]) -> Iterator[Figure]:
    """Yield what ran on both inputs, once and without an input."""
    figures = tuple(figures)
    random = [one.where for one in figures if one.where["input"] == "random"]
    for one in figures:
        if one.where["input"] == "dataset" and {**one.where, "input": "random"} in random:
            where = {key: value for key, value in one.where.items() if key != "input"}
            yield Figure(where=where, temperature=one.temperature)
