"""Hardware against hardware: throughput against what a user gets, and what throughput cost.

A point is one load level of one way of drafting. It is on the Pareto front of all results where no
other point has more output tokens a second and device, or more tokens a second for a user, without
having less of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specseal.analysis import Metric
from specseal.analysis.result import Where
from specseal.columns import GROUPINGS, is_of_a_row, lay_out
from specseal.compare.comparison import Comparison
from specseal.compare.efficiency import MEASURES, Derived, Given, Ran
from specseal.compare.environments import accelerators_held
from specseal.compare.names import hardware_of
from specseal.compare.side import Side
from specseal.compare.table import setting_of, words
from specseal.digests import canonical
from specseal.drawing import Cell, Fact, Number, Summary
from specseal.errors import InputError
from specseal.hardware import CPU, Accelerator
from specseal.spec.locked import Lock
from specseal.words import ABSENT, USUAL_INPUT, drafting, printable, settings

_ACROSS, _UP = "user_tps_mean", "output_tps_per_device"
_BY = GROUPINGS["load"]
_ON_THE_FRONT = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One load level of one way of drafting of one result."""

    ran: Ran
    where: Where
    figures: dict[str, Derived]
    """By the name of the measure."""
    on_front: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        figures = {
            measure.name: {
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "unit": measure.unit,
                "valid": found.valid,
                "reason": found.reason,
            }
            for measure in MEASURES
            for found in (self.figures[measure.name],)
        }
        return {
            "bundle": self.ran.side.manifest,
            "where": dict(self.where),
            "devices": self.ran.devices,
            "accelerator": self.ran.accelerator,
            "on_front": self.on_front,
            "figures": figures,
        }


def frontier(comparison: Comparison, given: Given, *, anyway: bool = False) -> tuple[Point, ...]:
    """Return every load level of every way of drafting, in the order of the results.

    Args:
        comparison: of the results.
        given: what the user tells.
        anyway: whether results that are not comparable with the first are wanted, too.

    Raises:
        InputError: a price is of nothing that is compared.
    """
    points = [point for side in comparison.sides for point in _points(side, given)]
    _refuse_unknown(given, comparison.sides, points)
    if not anyway:
        left_out = {pair.second.name for pair in comparison.pairs if not pair.is_comparable}
        points = [point for point in points if point.ran.side.name not in left_out]
    places = [_place(point) for point in points]
    front = _front(places)
    return tuple(
        replace(one, on_front=here in front) for one, here in zip(points, places, strict=True)
    )


def frontier_table(comparison: Comparison, points: Sequence[Point]) -> Summary:
    """Return the points as a table."""
    layout = lay_out([point.where for point in points], _BY, also=())
    measures = [
        measure
        for measure in MEASURES
        if any(point.figures[measure.name].value is not None for point in points)
    ]
    in_order = sorted(
        points,
        key=lambda point: (comparison.sides.index(point.ran.side), layout.order(point.where)),
    )
    return Summary(
        setting=setting_of(comparison, layout),
        headers=(
            "of",
            *layout.headers,
            "drafting",
            *(measure.header for measure in measures),
            "Pareto front",
        ),
        rows=tuple(
            (
                point.ran.side.name,
                *layout.cells(point.where),
                drafting(point.where),
                *(_cell(point.figures[one.name], one.digits) for one in measures),
                _ON_THE_FRONT if point.on_front else "",
            )
            for point in in_order
        ),
        sentences=(*_devices(comparison.sides), *_peaks(points)),
        lead=words(comparison),
        notes=tuple(_notes(points)),
        records=tuple(_records(in_order, layout.keys)),
        title=f"Throughput against user TPS: {', '.join(side.name for side in comparison.sides)}",
        label=f"specseal-front-{'-'.join(side.manifest[:12] for side in comparison.sides)}",
    )


def _points(side: Side, given: Given) -> Iterator[Point]:
    by_place: dict[bytes, dict[str, Metric]] = {}
    for metric in side.result.metrics:
        if is_of_a_row(metric.where, _BY) and metric.where["input"] == USUAL_INPUT:
            by_place.setdefault(canonical(metric.where), {})[metric.name] = metric
    for metrics in by_place.values():
        where = next(iter(metrics.values())).where
        ran = Ran(side=side, lock=_variant(side.lock, where), metrics=metrics, given=given)
        figures = {measure.name: measure.derive(ran) for measure in MEASURES}
        yield Point(ran=ran, where=where, figures=figures, on_front=False)


def _variant(lock: Lock, where: Where) -> Lock:
    """Return the lock of the variant that a figure is of; a baseline may be of several.

    What a swept load sets, a `where` has by other keys than the variant.
    """
    setting = settings(where).items()
    return next(
        one.lock
        for one in lock.variants_in_full()
        if all(one.setting.get(key, value) == value for key, value in setting)
    )


def _refuse_unknown(given: Given, sides: Iterable[Side], points: Iterable[Point]) -> None:
    known = {*(side.name for side in sides), *(point.ran.accelerator for point in points)} - {""}
    for name in given.prices:
        if name not in known:
            raise InputError(
                f"--price {name}: nothing that is compared is called so",
                mend=f"name one of: {', '.join(sorted(known))}",
            )


def _place(point: Point) -> tuple[float, float] | None:
    """Return where a point is; None where it is nowhere that can be trusted."""
    across, up = point.figures[_ACROSS], point.figures[_UP]
    if across.value is None or up.value is None or not (across.valid and up.valid):
        return None
    return across.value, up.value


def _front(places: Iterable[tuple[float, float] | None]) -> set[tuple[float, float]]:
    """Return the places that no other is ahead of in one way without being behind in the other."""
    front: set[tuple[float, float]] = set()
    highest = float("-inf")
    for across, up in sorted({one for one in places if one is not None}, reverse=True):
        if up > highest:
            front.add((across, up))
            highest = up
    return front


def _cell(found: Derived, digits: int) -> Cell:
    if found.value is None:
        return ABSENT
    return Number(
        value=found.value, digits=digits, low=found.low, high=found.high, valid=found.valid
    )


def _devices(sides: Iterable[Side]) -> Iterator[str]:
    """Yield what each result was measured on, unless that is what it is called."""
    for side in sides:
        told = hardware_of(side)
        if not accelerators_held(side):
            runs_on_it = side.lock.engine["family"] == CPU
            processor = printable(str(side.environment["machine"].get("cpu") or "not told"))
            told += f" ({processor})" if runs_on_it else " (as locked: nobody could look)"
        if side.name != told:
            yield f"{side.name} ran on {told}"


def _peaks(points: Iterable[Point]) -> Iterator[str]:
    """Yield which peaks shares are of, and what they assume."""
    rows = {row.name: row for point in points if (row := point.ran.peaks) is not None}
    yield from (_peak(row) for row in rows.values())
    if any(point.figures["weight_bandwidth_share"].value is not None for point in points):
        yield (
            "bandwidth %: the target's weights, as large as their files, read once a step; the "
            "drafter's, caches and activations are left out. Of a mixture of experts, of which a "
            "step reads only some, it is more than was read"
        )
    if any(point.figures["flop_share"].value is not None for point in points):
        yield (
            "FLOP/s %: 2 × the parameters given × input and output tokens; attention, and drafts "
            "that were rejected, are left out"
        )


def _peak(row: Accelerator) -> str:
    peaks = [
        f"{row.bandwidth_bytes_per_s / 1e9:,.10g} GB/s" if row.bandwidth_bytes_per_s else "",
        *(f"{value / 1e12:,.10g} TFLOP/s in {kind}" for kind, value in row.peak_flop_per_s.items()),
    ]
    source = f" ({row.source.title}, {row.source.url})" if row.source else ""
    return f"peaks of {row.name}: {', '.join(filter(None, peaks))}{source}"


def _notes(points: Iterable[Point]) -> Iterator[str]:
    """Yield a line a measure that is not everywhere: why, and of which results."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for point in points:
        for measure in MEASURES:
            if reason := point.figures[measure.name].reason:
                found.setdefault((measure.header, reason), {})[point.ran.side.name] = None
    for (header, reason), names in found.items():
        yield f"no {header}: {reason} ({', '.join(names)})"


def _records(points: Iterable[Point], keys: Sequence[str]) -> Iterator[dict[str, Fact]]:
    for point in points:
        for measure in MEASURES:
            found = point.figures[measure.name]
            yield {
                "bundle": point.ran.side.manifest,
                "accelerator": point.ran.accelerator,
                "devices": point.ran.devices,
                "speculation": point.where.get("speculation"),
                "draft_length": point.where.get("draft_length"),
                **{key: point.where.get(key) for key in keys},
                "metric": measure.name,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "unit": measure.unit,
                "valid": found.valid,
                "on_front": point.on_front,
                "reason": found.reason,
            }
