"""Throughput of whole phases: amounts a second of a launch, then the mean over launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from specseal.analysis.columns import BoolArray, Requests
from specseal.analysis.data import Objectives
from specseal.analysis.definition import PAPER, Definition, one
from specseal.analysis.intervals import Estimate, OverConversations, OverLaunches, absent
from specseal.analysis.latency import has_first_chunk, tpot_ns
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs

_OF_REQUESTS = Needs.SPECULATION | Needs.CLOCK | Needs.PREFILL
_RATE = _OF_REQUESTS | Needs.COMPLETE | Needs.THROUGHPUT


def launch_rate(
    phases: Iterable[MeasuredPhase], amount: Callable[[MeasuredPhase], float]
) -> float | None:
    """Return Σ amount ÷ Σ seconds over the phases of one launch; None where none took time."""
    whole = elapsed_ns = 0.0
    for phase in phases:
        whole += amount(phase)
        elapsed_ns += phase.elapsed_ns
    return whole / (elapsed_ns / 1e9) if elapsed_ns > 0 else None


def output_tokens(phase: MeasuredPhase) -> int:
    """Return the output tokens of a phase's completed requests."""
    return int(phase.requests.output_tokens[phase.requests.completed].sum())


def keeps_to(requests: Requests, objectives: Objectives) -> BoolArray:
    """Tell of each request whether it completed within the limits.

    A request whose tokens all came in one chunk has no TPOT that could be over its limit.
    """
    kept = has_first_chunk(requests)
    if objectives.ttft_s is not None:
        kept &= requests.first_chunk_ns <= objectives.ttft_s * 1e9
    if objectives.tpot_s is not None:
        tpot = tpot_ns(requests)
        kept &= np.isnan(tpot) | (tpot <= objectives.tpot_s * 1e9)
    return kept


def _input_tokens(phase: MeasuredPhase) -> int:
    return int(phase.requests.input_tokens[phase.requests.completed].sum())


def _total_tokens(phase: MeasuredPhase) -> int:
    return _input_tokens(phase) + output_tokens(phase)


def _completed(phase: MeasuredPhase) -> int:
    return int(phase.requests.completed.sum())


def _output_tokens_per_device(phase: MeasuredPhase) -> float:
    return output_tokens(phase) / phase.job.devices


def _over_launches(selection: Selection, amount: Callable[[MeasuredPhase], float]) -> Estimate:
    if not selection.is_whole_phase:
        return absent("whole_phase_only")
    launches = [launch_rate(phases, amount) for phases in selection.launches().values()]
    values = tuple(launch for launch in launches if launch is not None)
    if not values:
        return absent("no_requests")
    return Estimate(
        value=sum(values) / len(values),
        n=len(values),
        spread=OverLaunches(values=values, multiplies=True),
    )


def _goodput(selection: Selection) -> Estimate:
    kept = _over_launches(
        selection, lambda phase: int(keeps_to(phase.requests, selection.objectives).sum())
    )
    return replace(kept, spares=_spared(selection))


def _spared(selection: Selection) -> Needs:
    """Return what goodput does not need: without a limit on TPOT nobody asks for one."""
    return Needs.NOTHING if selection.objectives.tpot_s is not None else Needs.FIRST_CHUNK


def _goodput_share(selection: Selection) -> Estimate:
    requests, clusters = selection.requests, selection.clusters
    if len(requests) == 0:
        return absent("no_requests")
    kept = keeps_to(requests, selection.objectives)
    return Estimate(
        value=float(kept.mean()),
        n=len(requests),
        spread=OverConversations(
            numerator=clusters.sums(clusters.of_request, kept),
            denominator=clusters.count(clusters.of_request),
        ),
        spares=_spared(selection),
    )


def _has_objectives(selection: Selection) -> bool:
    return selection.objectives != Objectives()


def _rate(
    name: str,
    amount: Callable[[MeasuredPhase], float],
    *,
    unit: str,
    of: str,
    source: str = "records",
) -> Definition:
    return Definition(
        names=(name,),
        unit=unit,
        formula=f"Σ {of} ÷ Σ (end − start) over the phases of a launch; mean over launches",
        source=source,
        needs=_RATE,
        estimate=one(lambda selection: _over_launches(selection, amount)),
    )


DEFINITIONS = (
    _rate(
        "output_tps",
        output_tokens,
        unit="tokens/s",
        of="output tokens",
        source=f"Output TPS of {PAPER}",
    ),
    _rate(
        "output_tps_per_device",
        _output_tokens_per_device,
        unit="tokens/s",
        of="output tokens ÷ all devices that the job held,",
    ),
    _rate("input_tps", _input_tokens, unit="tokens/s", of="input tokens"),
    _rate("total_tps", _total_tokens, unit="tokens/s", of="input and output tokens"),
    _rate("request_rate", _completed, unit="requests/s", of="completed requests"),
    Definition(
        names=("goodput",),
        unit="requests/s",
        formula="completed requests whose TTFT and TPOT keep to `workload.slo` ÷ (end − start), "
        "over the phases of a launch; mean over launches",
        source="records",
        needs=_RATE | Needs.FIRST_CHUNK,
        estimate=one(_goodput),
        applies=_has_objectives,
    ),
    Definition(
        names=("goodput_share",),
        unit="ratio",
        formula="completed requests whose TTFT and TPOT keep to `workload.slo` ÷ requests sent",
        source="records",
        needs=_OF_REQUESTS | Needs.FIRST_CHUNK,
        estimate=one(_goodput_share),
        applies=_has_objectives,
    ),
)
