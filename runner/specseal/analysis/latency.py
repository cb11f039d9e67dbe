"""Latency of single requests, and throughput of whole phases."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from specseal.analysis.columns import BoolArray
from specseal.analysis.definition import PAPER, Definition, one
from specseal.analysis.intervals import Estimate, OverLaunches, absent
from specseal.analysis.samples import Sample, statistics
from specseal.analysis.selection import MeasuredPhase, Selection
from specseal.analysis.validity import Needs

_SECONDS = 1e-9  # records hold nanoseconds
_ALL = ("mean", "p50", "p90", "p99")
_PACE = Needs.SPECULATION | Needs.COMPLETE | Needs.CLOCK
_WITH_PREFILL = _PACE | Needs.PREFILL


def _ttft(selection: Selection) -> Sample:
    requests = selection.requests
    chosen = requests.completed & (requests.chunks > 0)
    return Sample(
        values=requests.first_chunk_ns[chosen],
        cluster=selection.clusters.of_request[chosen],
        unit=_SECONDS,
    )


def _tpot(selection: Selection) -> Sample:
    requests = selection.requests
    # All tokens in one chunk leave no time between the first and the last to divide.
    chosen = requests.completed & (requests.output_tokens >= 2) & (requests.chunks >= 2)
    return Sample(
        values=requests.decode_ns[chosen] / (requests.output_tokens[chosen] - 1),
        cluster=selection.clusters.of_request[chosen],
        unit=_SECONDS,
    )


def _inter_chunk_time(selection: Selection) -> Sample:
    requests = selection.requests
    chosen = requests.completed[requests.gap_row]
    return Sample(
        values=requests.gap_ns[chosen],
        cluster=selection.clusters.of_request[requests.gap_row[chosen]],
        unit=_SECONDS,
    )


def _latency(selection: Selection) -> Sample:
    chosen = selection.requests.completed
    return Sample(
        values=selection.requests.latency_ns[chosen],
        cluster=selection.clusters.of_request[chosen],
        unit=_SECONDS,
    )


def _user_tps(selection: Selection) -> Sample:
    values = selection.requests.user_tps
    chosen: BoolArray = selection.requests.completed & ~np.isnan(values)
    return Sample(values=values[chosen], cluster=selection.clusters.of_request[chosen])


def launch_tps(phases: Iterable[MeasuredPhase]) -> float | None:
    """Return output tokens a second over the phases of one launch; None where none took time."""
    tokens = elapsed_ns = 0
    for phase in phases:
        tokens += phase.output_tokens
        elapsed_ns += phase.status.end_ns - phase.status.start_ns
    return tokens / (elapsed_ns / 1e9) if elapsed_ns > 0 else None


def _output_tps(selection: Selection) -> Estimate:
    if not selection.is_whole_phase:
        return absent("whole_phase_only")
    launches = [launch_tps(phases) for phases in selection.launches().values()]
    values = tuple(launch for launch in launches if launch is not None)
    if not values:
        return absent("no_requests")
    return Estimate(
        value=sum(values) / len(values),
        n=len(values),
        spread=OverLaunches(values=values, multiplies=True),
    )


def _statistics_of(
    name: str,
    sample: Callable[[Selection], Sample],
    *,
    unit: str,
    formula: str,
    needs: Needs,
    source: str = "records",
    names: tuple[str, ...] = _ALL,
) -> Definition:
    return Definition(
        names=tuple(f"{name}_{statistic}" for statistic in names),
        unit=unit,
        formula=formula,
        source=source,
        needs=needs,
        estimate=lambda selection: statistics(sample(selection), selection.clusters, names),
    )


DEFINITIONS = (
    _statistics_of("ttft", _ttft, unit="s", formula="first chunk − submit", needs=_WITH_PREFILL),
    _statistics_of(
        "tpot",
        _tpot,
        unit="s",
        formula="(last chunk − first chunk) ÷ (output tokens − 1), "
        "of requests with at least 2 tokens in at least 2 chunks",
        needs=_PACE,
    ),
    _statistics_of(
        "inter_chunk_time",
        _inter_chunk_time,
        unit="s",
        formula="time between successive chunks of a request, all gaps pooled",
        needs=_PACE,
    ),
    _statistics_of(
        "latency", _latency, unit="s", formula="end of response − submit", needs=_WITH_PREFILL
    ),
    _statistics_of(
        "user_tps",
        _user_tps,
        unit="tokens/s",
        formula="output tokens ÷ (end of response − submit), of one request",
        source=f"User TPS of {PAPER}",
        needs=_WITH_PREFILL,
        names=("mean", "p50"),
    ),
    Definition(
        names=("output_tps",),
        unit="tokens/s",
        formula="Σ output tokens ÷ Σ (end − start) over the phases of a launch; mean over launches",
        source=f"Output TPS of {PAPER}",
        needs=_WITH_PREFILL,
        estimate=one(_output_tps),
    ),
)
