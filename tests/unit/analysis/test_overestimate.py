from __future__ import annotations

import math
import statistics

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import baseline, job, metric, phase, plain, record, run, three


def launch(made, dataset_s: float, random_s: float, *, repeat: int = 0, concurrency: int = 1, **of):
    """Return a launch that took so long for the same tokens from either input."""
    phases = (
        phase(three(made), seconds=dataset_s, concurrency=concurrency),
        phase(three(made), seconds=random_s, concurrency=concurrency, input="random"),
    )
    return (baseline if made is plain else job)(*phases, repeat=repeat, **of)


def overestimate(result, **where):
    return metric(result, "random_overestimate", **{"input": None, **where})


def test_random_tokens_that_run_faster_overestimate_by_so_much():
    result = analyse(run(launch(plain, 4, 4), launch(record, 4, 2)))

    assert overestimate(result, speculation="none").value == 0.0
    with_speculation = overestimate(result, concurrency=1)
    assert with_speculation.value == 1.0
    assert with_speculation.unit == "ratio"
    assert with_speculation.reasons == ("fewer_than_3_launches",)


def test_interval_is_over_launches_on_a_logarithmic_scale():
    ratios = (2.0, 3.0, 1.0)
    launches = [launch(record, ratio, 1, repeat=i) for i, ratio in enumerate(ratios)]
    found = overestimate(analyse(run(*launches)))

    # t(2, 97.5%) = 4.302653
    factor = math.exp(4.302653 * statistics.stdev(map(math.log, ratios)) / 3**0.5)
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((2 / factor - 1, 2 * factor - 1))
    assert found.n == 3


def test_launch_with_one_input_is_left_out():
    only_random = job(phase(three(record), input="random"), repeat=1)
    found = overestimate(analyse(run(launch(record, 2, 1), only_random)))

    assert (found.value, found.n) == (1.0, 1)


def test_inputs_of_different_launches_are_not_compared():
    result = analyse(
        run(job(phase(three(record))), job(phase(three(record), input="random"), repeat=1))
    )

    assert overestimate(result).reasons[0] == "one_input_only"


def test_run_on_one_input_has_no_overestimate():
    names = {m.name for m in analyse(run(job(phase([record()])))).metrics}

    assert "random_overestimate" not in names


def test_fault_with_random_tokens_spoils_the_overestimate():
    slow_client = phase(three(record), input="random", status={"client_cpu_share": 1.5})
    result = analyse(run(job(phase(three(record)), slow_client)))

    assert "client_bottleneck" in overestimate(result).reasons
    assert metric(result, "output_tps").valid


def test_nothing_but_the_overestimate_is_across_inputs():
    result = analyse(run(launch(plain, 4, 4), launch(record, 4, 2)))

    across = {m.name for m in result.metrics if "input" not in m.where}
    assert across == {"random_overestimate"}
