"""Which draft length is best at each load level, and up to which level speculation pays.

Candidates are the draft lengths measured with one method, input, setting and load, and the
baseline as length 0. They are compared on user TPS over the turns that all of them completed, so
that a length is never better for having had easier turns.

    d(a, b)   log of mean user TPS with a ÷ mean user TPS with b
    se(a, b)  its standard deviation over the bootstrap's resamples of conversations, which are the
              same for all candidates
    c         95% quantile over resamples of the greatest |d* − d| ÷ se of all pairs

d ± c · se then holds for all pairs together with 95% confidence, whichever of them one looks at:
also for that of the best, which is chosen by the same data. What differs from the best by less
than that is as good. Load levels are not corrected for each other.

Source: max-t, Westfall and Young, Resampling-Based Multiple Testing (1993); all pairs, because
the best is not known beforehand, Hsu, Multiple Comparisons: Theory and Methods (1996).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from specseal.analysis.clusters import Clusters
from specseal.analysis.columns import FloatArray, IntArray
from specseal.analysis.facts import Needs
from specseal.analysis.intervals import (
    CONFIDENCE,
    LEAST_CONVERSATIONS,
    TOO_FEW_CONVERSATIONS,
    resamples,
)
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.result import Candidate, Choice
from specseal.analysis.selection import Selection, Where, levels
from specseal.digests import canonical, sha256_bytes

_NEEDS = Needs.SPECULATION | Needs.COMPLETE | Needs.CLOCK | Needs.PREFILL | Needs.BASELINE
_BASELINE_LENGTH = 0
_ROUNDING = 1e-12
"""Log ratios closer than this differ by the order in which floats were added up."""

_Turn = tuple[int, str, int, int]
"""Repeat, conversation, cycle and turn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Paired:
    """User TPS of the turns that every candidate completed."""

    tps: FloatArray
    """One row a candidate, one column a turn."""
    clusters: Clusters
    """The conversations of the turns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ratios:
    """Log ratios of every candidate to every other, and half the width of their intervals."""

    log: FloatArray
    """[i, j]: of candidate i to candidate j."""
    half: FloatArray | None
    """The same shape; None where there are too few conversations to tell."""


def choices(whole: Iterable[Selection], *, seed: int) -> tuple[Choice, ...]:
    """Return the choice of each method, input, setting and load level that offers one.

    Args:
        whole: the selections of all load levels.
        seed: of the bootstrap.
    """
    compared: dict[bytes, list[Selection]] = {}
    for selection in whole:
        if not selection.is_baseline:
            compared.setdefault(canonical(_but_for_length(selection.where)), []).append(selection)
    found = []
    for lengths in compared.values():
        at_level: dict[int, list[Selection]] = {}
        for selection in lengths:
            for level in list(levels(selection))[1:]:  # the first is all of them
                at_level.setdefault(level.phases[0].level, []).append(level)
        for _, level_lengths in sorted(at_level.items()):
            candidates = _candidates(level_lengths)
            if len(candidates) > 1:
                found.append(_choice(level_lengths, candidates, seed=seed))
    return tuple(found)


def _but_for_length(where: Where) -> Where:
    return {key: value for key, value in where.items() if key != "draft_length"}


def _candidates(lengths: Sequence[Selection]) -> dict[int, tuple[MeasuredPhase, ...]]:
    """Return the phases of each draft length, the baseline's first."""
    phases = {selection.draft_length: selection.phases for selection in lengths}
    if baseline := lengths[0].baseline_phases:
        phases[_BASELINE_LENGTH] = baseline
    return dict(sorted(phases.items()))


def _choice(
    lengths: Sequence[Selection],
    candidates: dict[int, tuple[MeasuredPhase, ...]],
    *,
    seed: int,
) -> Choice:
    where = _but_for_length(lengths[0].where)
    doubts = tuple(sorted({code for one in lengths for code in one.codes(_NEEDS)}))
    paired = _paired(list(candidates.values()))
    names = tuple(candidates)
    comparisons = len(names) * (len(names) - 1) // 2
    if paired is None:
        return Choice(
            where=where,
            best=None,
            as_good=None,
            candidates=tuple(_unknown(length) for length in names),
            comparisons=comparisons,
            n=0,
            valid=False,
            reasons=(*doubts, "no_common_turns"),
        )
    means = paired.tps.mean(axis=1)
    ratios = _ratios(paired, seed=int(sha256_bytes(b"%d\n" % seed + canonical(where)), 16))
    best = int(np.argmax(means))
    return Choice(
        where=where,
        best=names[best],
        as_good=_as_good(names, best, ratios),
        candidates=tuple(
            _candidate(index, names, float(means[index]), ratios) for index in range(len(names))
        ),
        comparisons=comparisons,
        n=paired.tps.shape[1],
        valid=not doubts,
        reasons=doubts if ratios.half is not None else (*doubts, TOO_FEW_CONVERSATIONS),
    )


def _as_good(names: Sequence[int], best: int, ratios: _Ratios) -> tuple[int, ...] | None:
    if ratios.half is None:
        return None
    return tuple(
        length
        for index, length in enumerate(names)
        if index != best and ratios.log[best, index] <= ratios.half[best, index]
    )


def _unknown(length: int) -> Candidate:
    return Candidate(draft_length=length, user_tps=None, speedup=None, low=None, high=None)


def _candidate(index: int, names: Sequence[int], mean: float, ratios: _Ratios) -> Candidate:
    speedup = low = high = None
    if names[0] == _BASELINE_LENGTH:
        log = float(ratios.log[index, 0])
        speedup = float(np.exp(log))
        if ratios.half is not None and index > 0:
            half = float(ratios.half[index, 0])
            low, high = float(np.exp(log - half)), float(np.exp(log + half))
    return Candidate(draft_length=names[index], user_tps=mean, speedup=speedup, low=low, high=high)


def _paired(candidates: Sequence[tuple[MeasuredPhase, ...]]) -> _Paired | None:
    """Line up the turns that every candidate completed in some time; None where there are none."""
    told = [_user_tps(phases) for phases in candidates]
    common = sorted(set.intersection(*(set(turns) for turns in told)))
    if not common:
        return None
    unique, of_turn = np.unique(
        [conversation for _, conversation, _, _ in common], return_inverse=True
    )
    return _Paired(
        tps=np.array([[turns[turn] for turn in common] for turns in told]),
        clusters=Clusters(of_request=of_turn, size=len(unique)),
    )


def _user_tps(phases: Iterable[MeasuredPhase]) -> dict[_Turn, float]:
    told: dict[_Turn, float] = {}
    for phase in phases:
        tps = phase.requests.user_tps
        known = phase.requests.completed & (tps > 0)
        for key, value, is_known in zip(
            phase.records.turn_keys(), tps.tolist(), known.tolist(), strict=True
        ):
            if is_known:
                told[(phase.repeat, *key)] = value
    return told


def _ratios(paired: _Paired, *, seed: int) -> _Ratios:
    clusters = paired.clusters
    sums = np.column_stack([clusters.sums(clusters.of_request, row) for row in paired.tps])
    log = np.log(sums.sum(axis=0))
    between = log[:, None] - log[None, :]
    if len(clusters) < LEAST_CONVERSATIONS:
        return _Ratios(log=between, half=None)
    # Turns drawn are the same for all candidates, so a ratio of sums is a ratio of means.
    drawn = np.concatenate([np.log(weights @ sums) for weights in resamples(clusters, seed)])
    pairs = np.array(list(combinations(range(len(log)), 2)))
    return _Ratios(log=between, half=_half_widths(drawn, between, pairs))


def _half_widths(drawn: FloatArray, between: FloatArray, pairs: IntArray) -> FloatArray:
    """Return c · se of every pair, in the shape of `between`.

    Args:
        drawn: log of each candidate's sum, one row a resample.
        between: log ratios, candidates × candidates.
        pairs: places of two candidates, one row a pair.
    """
    first, second = pairs.T
    deviations = drawn[:, first] - drawn[:, second] - between[first, second]
    errors = deviations.std(axis=0)
    # A pair in one proportion throughout has no error but rounding's, and takes no part.
    varies = errors > _ROUNDING
    greatest = (np.abs(deviations[:, varies]) / errors[varies]).max(axis=1, initial=0.0)
    half = np.zeros_like(between)
    critical = float(np.quantile(greatest, CONFIDENCE))
    half[first, second] = half[second, first] = errors * critical + _ROUNDING
    return half
