"""A job that broke at a load level: what it had measured holds, and nothing is pooled unequally."""

from __future__ import annotations

from specseal.analysis import MissingPhase, analyse
from specseal.analysis.validity import REASONS
from specseal.records import Load
from unit.analysis.builders import baseline, job, metric, phase, plain, record, run, three

CODE = "load_levels_missing"


def level(made, concurrency: int, seconds: float = 1.0):
    return phase(three(made), concurrency=concurrency, seconds=seconds)


def broken(*phases):
    """Return a job that broke at concurrency 2."""
    load = Load(mode="closed", concurrency=2)
    missing = (MissingPhase(load=load, input="dataset"),)
    return job(*phases, failure="it is gone", missing=missing)


def test_levels_before_the_one_that_broke_have_their_figures():
    result = analyse(run(baseline(level(plain, 1), level(plain, 2)), broken(level(record, 1))))

    for name in ("latency_mean", "speedup_user_tps", "speedup_output_tps"):
        found = metric(result, name, concurrency=1)
        assert found.valid, found
    assert not [m for m in result.metrics if CODE in m.reasons and "concurrency" in m.where]
    assert result.failures[0].where["concurrency"] == 2


def test_what_pools_levels_that_the_baseline_alone_has_is_not_valid():
    fast, slow = level(plain, 1), level(plain, 2, seconds=10.0)
    result = analyse(run(baseline(fast, slow), broken(level(record, 1))))

    speedup = metric(result, "speedup_output_tps")
    assert speedup.value != 1.0  # of other loads than the baseline's
    assert (speedup.valid, speedup.reasons[0]) == (False, CODE)
    assert metric(result, "output_tps").valid  # of its own one level
    assert metric(result, "output_tps", speculation="none").valid
    assert CODE in REASONS


def test_what_pools_launches_of_unequal_levels_is_not_valid():
    whole = job(level(record, 1), level(record, 2), repeat=1)
    result = analyse(run(broken(level(record, 1)), whole))

    assert CODE in metric(result, "output_tps").reasons
    assert metric(result, "output_tps", concurrency=2).valid
    assert metric(result, "requests").valid
