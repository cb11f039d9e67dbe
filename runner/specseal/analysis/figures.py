"""The figures of a run with what they were made of, for whoever compares them with another run's.

The Result says what a run measured; two results can only be held against each other prompt by
prompt, or launch by launch, with the parts of each figure. These are the estimates behind the
Result, and nothing is computed in another way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from specseal.analysis import energy, resources
from specseal.analysis.columns import FloatArray
from specseal.analysis.data import RunData
from specseal.analysis.definition import Definition, Estimated, estimates
from specseal.analysis.facts import Needs
from specseal.analysis.intervals import OverConversations, OverLaunches
from specseal.analysis.metrics import selected
from specseal.analysis.result import Where
from specseal.analysis.selection import Selection, whole_selections

_WITHOUT_SPREAD = ("exact_count", "extreme")
_OF_TELEMETRY = frozenset(
    name for row in (*energy.DEFINITIONS, *resources.DEFINITIONS) for name in row.names
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """A metric as a ratio of two sums over conversations."""

    conversations: tuple[str, ...]
    """Names, sorted."""
    numerator: FloatArray
    """One entry a conversation, over all its launches and load levels."""
    denominator: FloatArray
    """Likewise; 0 where a conversation has nothing of the metric."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """One metric of one selection of a run."""

    name: str
    unit: str
    where: Where
    value: float | None
    reasons: tuple[str, ...]
    """Codes: why there is no value, or why it is not valid; none where it is."""
    parts: Parts | None
    """None where the metric is no ratio of sums over conversations."""
    launches: tuple[float, ...]
    """The metric in each launch that tells it."""
    why_no_spread: str
    """Why nothing tells how sure the value is: the code of a count or an extreme; else empty."""
    rests_on_time: bool
    """Whether it depends on how fast the machine is."""


def figures(run: RunData, *, names: Collection[str] | None = None) -> Iterator[Figure]:
    """Yield the figures of a run, selection by selection.

    Args:
        run: whose.
        names: of metrics; None: all.
    """
    for selection, rows in selected(run, whole_selections(run)):
        asked = tuple(row for row in rows if names is None or not {*names}.isdisjoint(row.names))
        by_launch = _by_launch(selection, asked)
        for one in estimates(selection, asked):
            if names is None or one.name in names:
                yield _figure(selection, one, by_launch)


def _by_launch(
    selection: Selection, rows: tuple[Definition, ...]
) -> tuple[dict[str, Estimated], ...]:
    """Return the estimates of each launch by name; of a single launch they are the whole's."""
    repeats = list(selection.launches())
    if len(repeats) < 2:
        return ()
    return tuple(
        {one.name: one for one in estimates(selection.of_launch(repeat), rows)}
        for repeat in repeats
    )


def _figure(
    selection: Selection, one: Estimated, by_launch: tuple[dict[str, Estimated], ...]
) -> Figure:
    estimate, spread = one.estimate, one.estimate.spread
    parts, launches = None, tuple[float, ...]()
    if isinstance(spread, OverConversations) and spread.is_metric:
        parts = Parts(
            conversations=selection.clustered(),
            numerator=spread.numerator,
            denominator=spread.denominator,
        )
    if estimate.value is not None:
        if isinstance(spread, OverLaunches):
            launches = tuple(value + spread.offset for value in spread.values)
        elif by_launch:
            of_each = (
                launch[one.name].estimate.value for launch in by_launch if one.name in launch
            )
            launches = tuple(value for value in of_each if value is not None)
        else:
            launches = (estimate.value,)
    return Figure(
        name=one.name,
        unit=one.row.unit,
        where=dict(selection.where),
        value=estimate.value,
        reasons=one.doubts,
        parts=parts,
        launches=launches,
        why_no_spread=spread if spread in _WITHOUT_SPREAD else "",
        rests_on_time=Needs.CLOCK in one.row.needs or one.name in _OF_TELEMETRY,
    )
