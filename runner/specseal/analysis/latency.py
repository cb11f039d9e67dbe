"""Latency and pace of single requests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specseal.analysis.columns import UNKNOWN, BoolArray, FloatArray, NumberArray, Requests
from specseal.analysis.definition import PAPER, Definition
from specseal.analysis.samples import Sample, statistics
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs

_SECONDS = 1e-9  # records hold nanoseconds
_ALL = ("mean", "p50", "p90", "p99")
_PACE = Needs.SPECULATION | Needs.COMPLETE | Needs.CLOCK
_WITH_PREFILL = _PACE | Needs.PREFILL
_BY_TOKEN = _PACE | Needs.FIRST_CHUNK


def tpot_ns(requests: Requests) -> FloatArray:
    """Return the time of each output token after the first chunk; NaN where there is none.

    Under speculation the first chunk may hold several tokens, which took no time after it. All
    tokens in one chunk leave no time to divide. Where a first chunk's tokens are not told, one is
    assumed; what rests on that needs `Needs.FIRST_CHUNK`.
    """
    first = np.where(requests.first_chunk_tokens == UNKNOWN, 1, requests.first_chunk_tokens)
    after_first = requests.output_tokens - first
    tpot = np.full(len(requests), np.nan)
    has_some = (after_first > 0) & (requests.chunks >= 2)
    np.divide(requests.decode_ns, after_first, out=tpot, where=has_some)
    return tpot


def has_first_chunk(requests: Requests) -> BoolArray:
    """Tell of each request whether it completed and has a TTFT."""
    return requests.completed & (requests.chunks > 0)


def _ttft(selection: Selection) -> Sample:
    requests = selection.requests
    return _sample(selection, requests.first_chunk_ns, has_first_chunk(requests), unit=_SECONDS)


def _tpot(selection: Selection) -> Sample:
    values = tpot_ns(selection.requests)
    return _sample(selection, values, ~np.isnan(values), unit=_SECONDS)


def _inter_chunk_time(selection: Selection) -> Sample:
    requests = selection.requests.take(selection.requests.completed)
    return Sample(
        values=requests.gap_ns,
        cluster=selection.clusters.of_request[selection.requests.completed],
        lengths=requests.gaps,
        unit=_SECONDS,
    )


def _latency(selection: Selection) -> Sample:
    requests = selection.requests
    return _sample(selection, requests.latency_ns, requests.completed, unit=_SECONDS)


def _user_tps(selection: Selection) -> Sample:
    values = selection.requests.user_tps
    return _sample(selection, values, ~np.isnan(values))


def _user_tps_decode(selection: Selection) -> Sample:
    tpot = tpot_ns(selection.requests) * _SECONDS
    paced = tpot > 0
    values = np.divide(1.0, tpot, out=np.full_like(tpot, np.nan), where=paced)
    return _sample(selection, values, paced)


def _sample(
    selection: Selection, values: NumberArray, chosen: BoolArray, *, unit: float = 1.0
) -> Sample:
    chosen = chosen & selection.requests.completed
    return Sample(values=values[chosen], cluster=selection.clusters.of_request[chosen], unit=unit)


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
        formula="(last chunk − first chunk) ÷ (output tokens − tokens of the first chunk, or 1 "
        "where they are not told), of requests with tokens after the first chunk",
        needs=_BY_TOKEN,
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
    _statistics_of(
        "user_tps_decode",
        _user_tps_decode,
        unit="tokens/s",
        formula="1 ÷ TPOT, of one request: its pace once it decodes",
        needs=_BY_TOKEN,
        names=("mean", "p50"),
    ),
)
