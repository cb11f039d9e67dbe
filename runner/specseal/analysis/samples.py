"""Statistics of many values (one a request, or one a gap): mean and percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specseal.analysis.clusters import Clusters
from specseal.analysis.columns import FloatArray, IntArray, NumberArray
from specseal.analysis.intervals import (
    LEAST_CONVERSATIONS,
    TOO_FEW_CONVERSATIONS,
    Estimate,
    OverConversations,
    absent,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Values by request and the cluster of each request. `unit` is applied at the end, so that
    whole numbers stay exact."""

    values: NumberArray
    cluster: IntArray
    """One entry a request."""
    lengths: IntArray | None = None
    """How many of `values`, which are then one request's after another's, each request has. None:
    one each."""
    unit: float = 1.0
    """What 1 is in the metric's unit: 1e-9 for nanoseconds in a metric in seconds."""


def statistics(
    sample: Sample, clusters: Clusters, names: Sequence[str], *, if_empty: str = "no_requests"
) -> tuple[Estimate, ...]:
    """Estimate `mean` or a percentile (`p50`) for each of `names`; `if_empty` is the reason."""
    if len(sample.values) == 0:
        return tuple(absent(if_empty) for _ in names)
    lengths = np.ones(len(sample.values)) if sample.lengths is None else sample.lengths
    counts = clusters.sums(sample.cluster, lengths)
    ordered = np.sort(sample.values)
    return tuple(
        _mean(sample, clusters, counts)
        if name == "mean"
        else _percentile(sample, clusters, counts, ordered, int(name.removeprefix("p")))
        for name in names
    )


def _mean(sample: Sample, clusters: Clusters, counts: FloatArray) -> Estimate:
    sums = _by_cluster(sample, clusters, sample.values)
    return Estimate(
        value=float(sums.sum() / counts.sum()) * sample.unit,
        n=len(sample.values),
        spread=OverConversations(
            numerator=sums,
            denominator=counts,
            ends=lambda low, high: (low * sample.unit, high * sample.unit),
        ),
    )


def _percentile(
    sample: Sample,
    clusters: Clusters,
    counts: FloatArray,
    ordered: NumberArray,
    percent: int,
) -> Estimate:
    """Return the nearest-rank percentile: the least value that `percent` of all do not exceed.

    To sort each resample anew would cost 1,000 sorts of every gap. Instead the share of values
    not above the percentile is resampled, and each resample's percentile is read off the pooled
    values at the rank that this share implies: the percentile's first-order expansion. Where
    hardly a conversation has a value above the percentile there is no interval: p99 of 50 requests
    is their largest, and resamples can't tell how much larger one could be.

    Source: R. R. Bahadur, A note on quantiles in large samples, Ann. Math. Stat. 37 (1966).
    """
    n = len(ordered)
    value = ordered[_rank(percent / 100, n)]
    not_above = _by_cluster(sample, clusters, sample.values <= value)
    share = float(not_above.sum()) / n

    def ends(low: float, high: float) -> tuple[float, float]:
        # A resample with a larger share at or below the value has a smaller percentile.
        first, last = (_rank(percent / 100 + share - drawn, n) for drawn in (high, low))
        return float(ordered[first]) * sample.unit, float(ordered[last]) * sample.unit

    spread: OverConversations | str = TOO_FEW_CONVERSATIONS
    if np.count_nonzero(counts - not_above) >= LEAST_CONVERSATIONS:
        spread = OverConversations(
            numerator=not_above, denominator=counts, ends=ends, is_metric=False
        )
    return Estimate(value=float(value) * sample.unit, n=n, spread=spread)


def _by_cluster(sample: Sample, clusters: Clusters, values: npt.NDArray[Any]) -> FloatArray:
    """Return the sum of `values`, which are laid out as the sample's, over each cluster."""
    if sample.lengths is None:
        return clusters.sums(sample.cluster, values)
    has_some = sample.lengths > 0
    starts = np.cumsum(sample.lengths[has_some]) - sample.lengths[has_some]
    of_request = np.add.reduceat(values, starts, dtype=np.result_type(values, np.int64))
    return clusters.sums(sample.cluster[has_some], of_request)


def _rank(level: float, n: int) -> int:
    # The subtraction keeps 0.99 × 100 = 99.00000000000001 from counting as 100.
    return min(max(math.ceil(level * n - 1e-9) - 1, 0), n - 1)
