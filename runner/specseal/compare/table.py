"""A comparison as a table, one row a figure, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from specseal.analysis import Metric
from specseal.analysis.validity import REASONS
from specseal.columns import COLUMNS, GROUPINGS, WIDE, Column, Layout, cell, lay_out, trust
from specseal.compare.comparison import UNDEFINED, Compared, Comparison, Pair
from specseal.compare.contrast import REASONS as OF_COMPARING
from specseal.compare.difference import Place
from specseal.compare.difference import place as place_of
from specseal.compare.side import Side
from specseal.drawing import Cell, Fact, Number, Summary
from specseal.words import ABSENT, drafting, printable, said

_LEAST_P = 0.001


def columns_of(names: Sequence[str], *, wide: bool) -> list[Column]:
    """Return the figures to look at: those asked for, else those that `show` has.

    Args:
        names: of metrics; none: the usual ones.
        wide: whether to have more of the usual ones.
    """
    usual = {column.metric: column for column in (*COLUMNS, *WIDE)}
    if names:
        return [
            usual.get(name, Column(header=name, metric=name, digits=3))
            for name in dict.fromkeys(names)
        ]
    return [*COLUMNS, *WIDE] if wide else list(COLUMNS)


def words(comparison: Comparison) -> tuple[str, ...]:
    """Return what differs, and what does not, of every pair."""
    return tuple(line for pair in comparison.pairs for line in _words(pair))


def comparison_table(comparison: Comparison, columns: Sequence[Column], *, by: str) -> Summary:
    """Return the figures side by side.

    Args:
        comparison: of the metrics of these columns.
        columns: in the order of rows.
        by: one of `GROUPINGS`: what a row is.
    """
    wheres = [one.difference.where for pair in comparison.pairs for one in pair.figures]
    layout = lay_out(wheres, GROUPINGS[by])
    several = len(comparison.pairs) > 1
    first, *others = comparison.sides
    sides = ("reference", "compared") if several else (first.name, others[0].name)
    return Summary(
        setting=setting_of(comparison, layout),
        headers=(
            *(("with",) if several else ()),
            "figure",
            *layout.headers,
            "drafting",
            *sides,
            "difference %",
            "p corrected",
            "says",
        ),
        rows=tuple(_rows(comparison, columns, layout)),
        sentences=(),
        lead=words(comparison),
        notes=tuple(_notes(comparison, columns)),
        records=tuple(_records(comparison, layout.keys)),
        title=f"{', '.join(side.name for side in others)} against {first.name}",
        label=f"specseal-{'-'.join(side.manifest[:12] for side in comparison.sides)}",
    )


def _words(pair: Pair) -> Iterator[str]:
    kind, *groups = pair.setup.sentences()
    yield f"{pair.second.name} against {pair.first.name}: {kind}"
    yield from groups
    yield from pair.setup.equal
    yield from pair.beside.alone


def _rows(
    comparison: Comparison, columns: Sequence[Column], layout: Layout
) -> Iterator[tuple[Cell, ...]]:
    several = len(comparison.pairs) > 1
    by_name = {column.metric: column for column in columns}
    for pair in comparison.pairs:
        mine, theirs = _metrics(pair.first), _metrics(pair.second)
        for name, group in groupby(_shown(pair), key=lambda one: one.difference.metric):
            for one in sorted(group, key=lambda one: layout.order(one.difference.where)):
                where = one.difference.where
                other = pair.beside.told_as(where)
                ways = dict.fromkeys((drafting(where), drafting(other)))
                column = by_name[name]
                yield (
                    *((pair.second.name,) if several else ()),
                    column.header,
                    *layout.cells(where),
                    " / ".join(ways),
                    cell(column, mine.get(place_of(name, where))),
                    cell(column, theirs.get(place_of(name, other))),
                    _relative(one),
                    _p(one.p_corrected),
                    one.says,
                )


def _shown(pair: Pair) -> Iterator[Compared]:
    """Yield the figures that make rows; why there are no others, a note says."""
    return (one for one in pair.figures if one.is_defined)


def _metrics(side: Side) -> dict[Place, Metric]:
    return {place_of(metric.name, metric.where): metric for metric in side.result.metrics}


def _relative(one: Compared) -> Cell:
    found = one.difference
    if found.relative is None:
        return ABSENT
    low, high = (None if end is None else 100 * end for end in (found.low, found.high))
    return Number(
        value=100 * found.relative,
        digits=1,
        low=low,
        high=high,
        with_interval=True,
        is_change=True,
    )


def _p(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"<{_LEAST_P}" if value < _LEAST_P else f"{value:.3f}"


def setting_of(comparison: Comparison, layout: Layout) -> str:
    """Return how far to trust each run, what every table shows, and what all rows share."""
    return " · ".join(["; ".join(map(_trust, comparison.sides)), *layout.shared])


def _trust(side: Side) -> str:
    told = " · ".join(f"{key}: {said(value)}" for key, value in trust(side.environment).items())
    return f"{side.name}: {told}"


def _notes(comparison: Comparison, columns: Sequence[Column]) -> Iterator[str]:
    """Yield a line a code: what it means, and which figures carry it."""
    headers = {column.metric: column.header for column in columns}
    found: dict[str, dict[str, None]] = {}
    for pair in comparison.pairs:
        for one in pair.figures:
            for code in one.difference.reasons if one.is_defined else (UNDEFINED,):
                found.setdefault(code, {})[headers[one.difference.metric]] = None
    for code, names in found.items():
        sentence = REASONS.get(code) or OF_COMPARING.get(code, "A code that is not known here.")
        yield f"{printable(code)}: {sentence} ({', '.join(names)})"


def _records(comparison: Comparison, keys: Sequence[str]) -> Iterator[dict[str, Fact]]:
    for pair in comparison.pairs:
        for one in _shown(pair):
            found = one.difference
            other = pair.beside.told_as(found.where)
            yield {
                "first_bundle": pair.first.manifest,
                "second_bundle": pair.second.manifest,
                "metric": found.metric,
                "first_speculation": found.where.get("speculation"),
                "first_draft_length": found.where.get("draft_length"),
                "second_speculation": other.get("speculation"),
                "second_draft_length": other.get("draft_length"),
                **{key: found.where.get(key) for key in keys},
                "first": found.first,
                "second": found.second,
                "unit": found.unit,
                "relative": found.relative,
                "low": found.low,
                "high": found.high,
                "p": found.p,
                "p_corrected": one.p_corrected,
                "n": found.n,
                "over": found.over,
                "says": one.says,
                "valid": found.valid,
                "reasons": " ".join(found.reasons),
            }
