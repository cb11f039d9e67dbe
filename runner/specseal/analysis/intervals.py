"""Estimates, and the 95% intervals around them.

Two kinds of spread: over conversations, by bootstrap, for what each request tells; over launches,
by Student's t, for what only a whole phase tells. Without enough of either there is no interval
but a reason.

The bootstrap draws conversations with replacement, each with all its repeats, and takes the
percentiles of the resampled statistic. Every statistic here is a ratio of two sums over clusters,
or a monotone function of one, so all metrics of one selection are resampled by one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from specseal.analysis.clusters import Clusters
from specseal.analysis.columns import FloatArray
from specseal.analysis.validity import Needs

RESAMPLES = 1_000
CONFIDENCE = 0.95
LEAST_CONVERSATIONS = 5
LEAST_LAUNCHES = 3
TOO_FEW_CONVERSATIONS = f"fewer_than_{LEAST_CONVERSATIONS}_conversations"

_TAIL = (1 - CONFIDENCE) / 2
_BLOCK_ELEMENTS = 2_000_000
"""Weights held at once: 16 MB, whatever the number of conversations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverConversations:
    """A ratio of sums over clusters, and how its percentiles become the metric's interval."""

    numerator: FloatArray
    """One entry a cluster."""
    denominator: FloatArray
    """One entry a cluster; 0 where the cluster has nothing of the metric."""
    ends: Callable[[float, float], tuple[float, float]] = lambda low, high: (low, high)
    """From the 2.5th and 97.5th percentile of the ratio to the interval."""
    is_metric: bool = True
    """Whether the ratio is the metric, in whatever unit; of a percentile, it is only the share of
    values that are not above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLaunches:
    """The metric's value in each launch."""

    values: tuple[float, ...]
    multiplies: bool = False
    """Whether launches differ by factors (speeds and speedups do): no end is then below 0."""
    offset: float = 0.0
    """Added to the metric and to the ends of its interval, not to `values`: −1 makes an excess of
    a ratio."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """A metric's value, before its interval and its phases' validity are known."""

    value: float | None
    n: int
    """How many of what the statistic is over."""
    spread: OverConversations | OverLaunches | str
    """What the interval comes from, or the code of why there is none."""
    reasons: tuple[str, ...] = ()
    """Codes: why the value is None or, though there, not valid."""
    spares: Needs = Needs.NOTHING
    """What this estimate did not need of what its row needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Ends of a 95% interval, or None and the code of why."""

    low: float | None
    high: float | None
    reasons: tuple[str, ...] = ()


def absent(reason: str) -> Estimate:
    """Return the estimate of what can't be computed."""
    return Estimate(value=None, n=0, spread=reason, reasons=(reason,))


def intervals(estimates: Sequence[Estimate], clusters: Clusters, *, seed: int) -> list[Interval]:
    """Return the interval of each estimate.

    Args:
        estimates: of one selection, all over the same clusters.
        clusters: what is drawn.
        seed: the same seed draws the same conversations, whichever estimates are asked for.
    """
    found: dict[int, Interval] = {}
    drawn: dict[int, tuple[float, OverConversations]] = {}
    for index, estimate in enumerate(estimates):
        spread = estimate.spread
        if estimate.value is None:
            found[index] = _none()
        elif isinstance(spread, str):
            found[index] = _none(spread)
        elif isinstance(spread, OverLaunches):
            found[index] = _over_launches(estimate.value, spread)
        elif np.count_nonzero(spread.denominator) < LEAST_CONVERSATIONS:
            found[index] = _none(TOO_FEW_CONVERSATIONS)
        else:
            drawn[index] = (estimate.value, spread)
    ends = _percentiles([spread for _, spread in drawn.values()], clusters, seed) if drawn else []
    for (index, (value, spread)), percentiles in zip(drawn.items(), ends, strict=True):
        low, high = spread.ends(*percentiles)
        # Sums round differently in another order: an interval of no width must hold its point.
        found[index] = Interval(low=min(low, value), high=max(high, value))
    return [found[index] for index in range(len(estimates))]


def _none(*reasons: str) -> Interval:
    return Interval(low=None, high=None, reasons=reasons)


def _over_launches(value: float, spread: OverLaunches) -> Interval:
    """Return value ± t · s ÷ √n, or value ×÷ exp(t · s ÷ √n) with s of the logarithms.

    Source: Student's t with n − 1 degrees of freedom.
    """
    from scipy.special import stdtrit  # takes a fifth of a second to import

    launches, n = spread.values, len(spread.values)
    centre = value - spread.offset
    if n < LEAST_LAUNCHES:
        return _none(f"fewer_than_{LEAST_LAUNCHES}_launches")
    multiplies = spread.multiplies and min(launches) > 0
    scale = np.log(launches) if multiplies else np.asarray(launches)
    half = float(stdtrit(n - 1, 1 - _TAIL)) * float(np.std(scale, ddof=1)) / math.sqrt(n)
    if multiplies:
        low, high = centre / math.exp(half), centre * math.exp(half)
    else:
        low, high = centre - half, centre + half
    return Interval(low=low + spread.offset, high=high + spread.offset)


def _percentiles(
    spreads: Sequence[OverConversations], clusters: Clusters, seed: int
) -> list[tuple[float, float]]:
    """Return the ends of each ratio's bootstrap distribution.

    Source: percentile method, Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13.
    """
    numerators = [spread.numerator for spread in spreads]
    denominators = [spread.denominator for spread in spreads]
    columns = np.column_stack(numerators + denominators)
    blocks = []
    for weights in resamples(clusters, seed):
        above, below = np.hsplit(weights @ columns, 2)
        # A resample may draw nothing of a rare metric; it then says nothing about it.
        ratio = np.full(below.shape, np.nan)
        np.divide(above, below, out=ratio, where=below > 0)
        blocks.append(ratio)
    low, high = np.nanquantile(np.concatenate(blocks), [_TAIL, 1 - _TAIL], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def resamples(clusters: Clusters, seed: int) -> Iterator[FloatArray]:
    """Yield blocks of rows; a row says how often each cluster was drawn.

    The same clusters and seed give the same rows.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    n = len(clusters)
    rows = max(1, min(RESAMPLES, _BLOCK_ELEMENTS // n))
    for first in range(0, RESAMPLES, rows):
        height = min(rows, RESAMPLES - first)
        flat = generator.integers(n, size=(height, n)) + n * np.arange(height)[:, None]
        counts = np.bincount(flat.reshape(-1), minlength=height * n)
        yield counts.reshape(height, n).astype(np.float64)
