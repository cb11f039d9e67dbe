"""How far a figure, or the ratio of two, may be off by chance: numbers in, a `Spread` out.

A figure is a ratio of sums over conversations, R = Σn ÷ Σd, or it is measured anew in each launch.

    pseudo-value  C · log R − (C − 1) · log R without conversation c, of C conversations
    one figure    the pseudo-values' standard error, with E − 1 degrees of freedom, where
                  E = (Σd)² ÷ Σd² conversations count: a long one weighs as much as many short ones
    paired        that of the differences of two figures' pseudo-values of each conversation
    unpaired      that of two figures each, by Welch
    launches      the same of the logarithms of the launches' own values

The mean of C pseudo-values is log R but for a bias of order 1 ÷ C², and they are as good as
independent, so that Student's t holds for them where it would not for R. Everything is on a log
scale: a difference is a factor, and no interval goes below 0. What can be 0 or less has its spread
on the plain scale, and no ratio.

With C − 1 degrees of freedom, 95% intervals of 20 conversations of very unequal length miss 7.5
times in 100, and with E − 1 they miss 6 times; of hundreds, both 5. Differences of two such figures
miss 5 times where they are paired or have as many, and 5.6 times where the one has twice as many
(20,000 pairs, drawn as the tests draw them).

Source: jackknife, R. G. Miller, The jackknife: a review, Biometrika 61 (1974); E, L. Kish, Survey
Sampling (1965), 11.7; B. L. Welch, The generalization of Student's problem when several different
population variances are involved, Biometrika 34 (1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from specseal.analysis.columns import FloatArray

_ROUNDING = 1e-12
"""Values closer than this to each other differ by the order in which floats were added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A standard error, and how sure that one is."""

    error: float
    """Of the figure, or of its logarithm."""
    freedom: float
    """Degrees of freedom."""
    n: int
    """Conversations or launches; of two sides, of the one that has fewer."""
    is_log: bool = True

    def half(self, confidence: float) -> float:
        """Return half the width of the interval, on the spread's scale."""
        # Without any variation there is no interval to speak of, whatever the degrees of freedom.
        return (
            float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error if self.error else 0.0
        )

    def around(self, value: float, confidence: float) -> tuple[float, float]:
        """Return the interval of a value."""
        half = self.half(confidence)
        if self.is_log:
            return value * math.exp(-half), value * math.exp(half)
        return value - half, value + half

    def p_of_zero(self, found: float) -> float:
        """Return the two-sided p of finding so large a value where the truth is 0."""
        if self.error == 0:
            return float(abs(found) <= _ROUNDING)
        return 2 * float(stdtr(self.freedom, -abs(found) / self.error))

    def with_units(self, n: int) -> Spread:
        """Return what the spread would be of another number of conversations or launches."""
        error = self.error * math.sqrt(self.n / n)
        return replace(self, error=error, freedom=(self.freedom + 1) * n / self.n - 1, n=n)

    def beside(self, other: Spread) -> Spread:
        """Return the spread of what varies for two reasons, or of the difference of two.

        Source: Welch and Satterthwaite's degrees of freedom.
        """
        mine, theirs = self.error**2, other.error**2
        below = mine**2 / self.freedom + theirs**2 / other.freedom
        freedom = (mine + theirs) ** 2 / below if below else self.freedom + other.freedom
        return Spread(
            error=math.sqrt(mine + theirs),
            freedom=freedom,
            n=min(self.n, other.n),
            is_log=self.is_log and other.is_log,
        )


def over_conversations(numerator: FloatArray, denominator: FloatArray) -> Spread | None:
    """Return the spread of a ratio of sums if other conversations were drawn; None where untold.

    Args:
        numerator: one entry a conversation.
        denominator: likewise.
    """
    values = pseudo_values(numerator, denominator)
    return None if values is None else _of_mean(values, _effective(denominator))


def over_paired(
    first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray]
) -> Spread | None:
    """Return the spread of log(second ÷ first), each (numerator, denominator) of one conversation
    at the same place; None where a logarithm can't be told."""
    ours, theirs = pseudo_values(*first), pseudo_values(*second)
    if ours is None or theirs is None:
        return None
    return _of_mean(theirs - ours, min(_effective(first[1]), _effective(second[1])))


def over_launches(values: Sequence[float]) -> Spread | None:
    """Return the spread of the mean of what at least two launches measured; None of fewer."""
    if len(values) < 2:
        return None
    if min(values) > 0:
        return _of_mean(np.log(values))
    return replace(_of_mean(np.asarray(values, dtype=np.float64)), is_log=False)


def pseudo_values(numerator: FloatArray, denominator: FloatArray) -> FloatArray | None:
    """Return the jackknife's pseudo-values of log(Σ numerator ÷ Σ denominator).

    None for fewer than two conversations, or where all but one of them have nothing.
    """
    n = len(numerator)
    above, below = numerator.sum(), denominator.sum()
    others_above, others_below = above - numerator, below - denominator
    if n < 2 or min(others_above.min(), others_below.min()) <= 0:
        return None
    whole = math.log(above / below)
    return np.asarray(n * whole - (n - 1) * np.log(others_above / others_below), np.float64)


def _effective(denominator: FloatArray) -> float:
    """Return as how many conversations of equal length these weigh; at least 2."""
    return max(2.0, float(denominator.sum() ** 2 / (denominator**2).sum()))


def _of_mean(values: FloatArray, effective: float | None = None) -> Spread:
    n = len(values)
    deviation = float(np.std(values, ddof=1))
    is_none = deviation <= _ROUNDING * max(1.0, float(np.abs(values).max())) * n
    return Spread(
        error=0.0 if is_none else deviation / math.sqrt(n),
        freedom=(n if effective is None else effective) - 1.0,
        n=n,
    )
