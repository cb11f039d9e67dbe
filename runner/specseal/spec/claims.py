"""What a spec may claim: each claim by itself, against what the spec measures, and beside others.

Asked of a document whose form the schema has already judged; what it measures, of a spec that
nothing else is wrong with. A claim is about the whole spec, so that a sweep is asked as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specseal.digests import canonical
from specseal.spec.document import Document, Finding, Place
from specseal.spec.figures import (
    CATEGORY,
    OUTPUTS,
    POOLED,
    Figure,
    figures_of,
    is_same,
    metrics_of,
    tolerance_of,
    whole_where_among,
)
from specseal.spec.model import Claim, Spec
from specseal.spec.schema import shown, suggestion

_OF_OUTPUTS = ("sha256",)
_OF_NUMBERS = ("value", "decimals", "tolerance")
_MOST_SHOWN = 8


def claims_by_themselves(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with a claim whatever the spec measures."""
    claims = document.at("claims")
    for index, claim in enumerate(claims if isinstance(claims, list) else ()):
        if isinstance(claim, dict):
            place: Place = ("claims", index)
            yield from _value_fits_metric(document, place, claim)
            yield from _value_is_as_printed(document, place, claim)
            yield from _where_names_figures(document, place, claim)
            yield from _inputs_are_of_a_bundle(document, place, claim)


def claims_against_spec(document: Document, spec: Spec) -> Iterator[Finding]:
    """Yield which claims are of nothing that the spec measures, or are there twice."""
    metrics = metrics_of(spec)
    figures: dict[str, tuple[Figure, ...]] = {}
    seen: dict[bytes, int] = {}
    for index, claim in enumerate(spec.claims):
        place: Place = ("claims", index)
        if claim.metric != OUTPUTS and claim.metric not in metrics:
            near = suggestion(claim.metric, (*metrics, OUTPUTS)) or "; docs/metrics.md has them all"
            message = f"{shown(claim.metric)} is no metric of this spec's result{near}"
            yield document.at_value((*place, "metric"), message)
            continue
        if claim.metric != OUTPUTS and tolerance_of(claim) is None:
            message = "is missing: only acceptance lengths have one by themselves (5% of the value)"
            yield document.at_key((*place, "tolerance"), message)
        if claim.metric not in figures:
            figures[claim.metric] = figures_of(claim.metric, spec)
        if _was_drafted_otherwise(claim, figures[claim.metric]):
            continue
        wrong = list(_figure_is_measured(document, place, claim, figures[claim.metric]))
        yield from wrong
        if not wrong:
            (where,) = whole_where_among(claim, figures[claim.metric])
            figure = canonical([claim.metric, where, _of(claim)])
            first = seen.setdefault(figure, index)
            if first != index:
                message = f"is there twice: claims[{first}] is of the same figure and source"
                yield document.at_key(place, message)


def _was_drafted_otherwise(claim: Claim, figures: tuple[Figure, ...]) -> bool:
    """Say whether it is a bundle's figure, of drafts such as nothing makes here.

    That is no slip: who changes the drafting of a spec that has claims asks what becomes of them.
    They are judged, and the difference is named.
    """
    return claim.source.bundle is not None and any(
        key in claim.where
        and not any(is_same(one.where.get(key), claim.where[key]) for one in figures)
        for key in ("speculation", "draft_length")
    )


def _of(claim: Claim) -> list[str | None]:
    source = claim.source
    return [source.title, source.url, source.table, source.bundle]


def _value_fits_metric(
    document: Document, place: Place, claim: dict[str, Any]
) -> Iterator[Finding]:
    metric = claim.get("metric")
    if not isinstance(metric, str):
        return  # the schema has said so
    mine, others = (_OF_OUTPUTS, _OF_NUMBERS) if metric == OUTPUTS else (_OF_NUMBERS, _OF_OUTPUTS)
    for key in others:
        if key in claim:
            what = "outputs are equal or not" if metric == OUTPUTS else "only outputs have one"
            yield document.at_key((*place, key), f"{what}: leave it out")
    if mine[0] not in claim:
        what = "the digest of what was generated" if metric == OUTPUTS else "the published number"
        yield document.at_key((*place, mine[0]), f"is missing: give {what}")


def _value_is_as_printed(
    document: Document, place: Place, claim: dict[str, Any]
) -> Iterator[Finding]:
    value, decimals, tolerance = (claim.get(key) for key in _OF_NUMBERS)
    if not isinstance(value, int | float):
        return
    if isinstance(decimals, int) and round(value, decimals) != value:
        message = f"{shown(value)} has more digits after the point than {decimals}: raise it"
        yield document.at_value((*place, "decimals"), message)
    if value == 0 and isinstance(tolerance, dict) and "relative" in tolerance:
        message = "a share of 0 is 0: give an absolute one"
        yield document.at_value((*place, "tolerance", "relative"), message)


def _where_names_figures(
    document: Document, place: Place, claim: dict[str, Any]
) -> Iterator[Finding]:
    where = claim.get("where")
    for key, value in where.items() if isinstance(where, dict) else ():
        if not isinstance(value, str | int | float | bool):
            message = (
                f"{shown(value)} is not one value: write what is no number or text as JSON text"
            )
            yield document.at_value((*place, "where", key), message)


def _inputs_are_of_a_bundle(
    document: Document, place: Place, claim: dict[str, Any]
) -> Iterator[Finding]:
    source = claim.get("source")
    if isinstance(source, dict) and source.get("inputs") and "bundle" not in source:
        message = "is missing: only a bundle's inputs have digests; name it, or leave out inputs"
        yield document.at_key((*place, "source", "bundle"), message)


def _figure_is_measured(
    document: Document, place: Place, claim: Claim, figures: tuple[Figure, ...]
) -> Iterator[Finding]:
    where: Place = (*place, "where")
    if not figures:
        message = f"nothing that {claim.metric} is of is measured here: leave the claim out"
        yield document.at_value((*place, "metric"), message)
        return
    known = {key: None for figure in figures for key in figure.where}
    for key, value in claim.where.items():
        if key in known and not any(is_same(one.where.get(key), value) for one in figures):
            yield document.at_value((*where, key), _not_measured(key, value, figures))
            return
        if key not in known and key != CATEGORY:
            near = suggestion(key, known) or f"; there are {', '.join((*known, CATEGORY))}"
            message = f"no figure of {claim.metric} is named by it here{near}"
            yield document.at_key((*where, key), message)
            return
    fitting = tuple(figure for figure in figures if figure.fits(claim.where))
    if not fitting:
        yield document.at_key(where, "each of it is measured here, but never all together")
    elif len(whole_where_among(claim, fitting)) > 1:
        yield document.at_key(where, _open(claim, fitting))
    elif claim.metric == OUTPUTS and any(figure.temperature for figure in fitting):
        message = "outputs are only the same again at temperature 0: leave the claim out"
        yield document.at_value((*place, "metric"), message)


def _not_measured(key: str, value: Any, figures: tuple[Figure, ...]) -> str:
    measured = _values(key, figures)
    return f"{shown(value)} is not measured here: {' or '.join(measured)} is"


def _open(claim: Claim, fitting: tuple[Figure, ...]) -> str:
    """Say which keys a claim leaves open although there are several figures."""
    keys = dict.fromkeys(key for figure in fitting for key in figure.where if key not in POOLED)
    missing = {
        key: values
        for key in keys
        if key not in claim.where and len(values := _values(key, fitting)) > 1
    }
    named = "; ".join(f"{key}: {' or '.join(values)}" for key, values in missing.items())
    return f"does not say which of several figures: add {named}"


def _values(key: str, figures: tuple[Figure, ...]) -> list[str]:
    """Return the values of a key as people write them, each once, the first few."""
    values = (_written(figure.where[key]) for figure in figures if key in figure.where)
    unique = list(dict.fromkeys(values))
    return unique if len(unique) <= _MOST_SHOWN else [*unique[:_MOST_SHOWN], "…"]


def _written(value: Any) -> str:
    # A rate of 2 is kept as 2.0, and nobody wrote it so.
    return shown(int(value) if isinstance(value, float) and value.is_integer() else value)
