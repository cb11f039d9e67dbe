"""By how much random tokens overestimate: the same lengths, method and load, in the same launch."""

from __future__ import annotations

from specseal.analysis.definition import Definition, one
from specseal.analysis.intervals import Estimate, OverLaunches, absent
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.selection import Selection
from specseal.analysis.throughput import launch_rate, output_tokens
from specseal.analysis.validity import Needs


def _random_overestimate(selection: Selection) -> Estimate:
    ratios = []
    for phases in selection.launches().values():
        random, dataset = (_output_tps(phases, given) for given in ("random", "dataset"))
        if random and dataset:
            ratios.append(random / dataset)
    if not ratios:
        return absent("one_input_only")
    return Estimate(
        value=sum(ratios) / len(ratios) - 1,
        n=len(ratios),
        spread=OverLaunches(values=tuple(ratios), multiplies=True, offset=-1.0),
    )


def _output_tps(phases: tuple[MeasuredPhase, ...], given: str) -> float | None:
    return launch_rate((phase for phase in phases if phase.data.input == given), output_tokens)


ACROSS_INPUTS = (
    Definition(
        names=("random_overestimate",),
        unit="ratio",
        formula="output TPS on random tokens ÷ on the data set's prompts, of the same lengths and "
        "in the same launch, − 1; mean over launches",
        source="paired by launch",
        needs=Needs.SPECULATION | Needs.COMPLETE | Needs.CLOCK | Needs.PREFILL | Needs.THROUGHPUT,
        estimate=one(_random_overestimate),
    ),
)
"""Rows of selections across inputs, whose `where` has no input."""
