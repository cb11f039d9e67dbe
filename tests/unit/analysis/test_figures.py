"""Figures with their parts are those of the result, and add up to it."""

from __future__ import annotations

import pytest

from specseal.analysis import RunData, analyse
from specseal.analysis.figures import Figure, figures
from specseal.digests import canonical
from unit.analysis.builders import baseline, job, phase, plain, record, run


def three_launches() -> RunData:
    def phases(made, repeat):
        rows = [
            made(f"q{number}", category="math" if number % 2 else "coding", turn=0)
            for number in range(6)
        ]
        return [phase(rows, concurrency=level, seconds=1 + repeat / 10) for level in (1, 4)]

    return run(
        *(job(*phases(record, repeat), repeat=repeat) for repeat in range(3)),
        *(baseline(*phases(plain, repeat), repeat=repeat) for repeat in range(3)),
    )


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, bytes], Figure]:
    return {(one.name, canonical(one.where)): one for one in figures(three_launches())}


def at(found: dict[tuple[str, bytes], Figure], name: str, **where: str | int) -> Figure:
    wanted = {"speculation": "ngram", "draft_length": 4, "input": "dataset", **where}
    return found[name, canonical(wanted)]


def test_there_is_a_figure_for_each_metric_with_its_value_and_its_doubts(found):
    result = analyse(three_launches())
    assert [(m.name, canonical(m.where)) for m in result.metrics if m.value is not None]
    assert found.keys() == {(m.name, canonical(m.where)) for m in result.metrics}
    for metric in result.metrics:
        figure = found[metric.name, canonical(metric.where)]
        assert (figure.value, figure.unit) == (metric.value, metric.unit)
        assert metric.valid == (not figure.reasons)


def test_parts_of_each_conversation_add_up_to_the_value(found):
    figure = at(found, "acceptance_length", category="math")
    assert figure.parts.conversations == ("q1", "q3", "q5")
    ratio = figure.parts.numerator.sum() / figure.parts.denominator.sum()
    assert ratio == pytest.approx(figure.value)


def test_percentile_has_no_parts_and_a_mean_has(found):
    assert at(found, "ttft_p50").parts is None
    assert at(found, "ttft_mean").parts is not None


def test_each_launch_has_its_own_value(found):
    assert at(found, "acceptance_length").launches == (1.5, 1.5, 1.5)
    rates = at(found, "output_tps", concurrency=1).launches
    assert rates == pytest.approx((24, 24 / 1.1, 24 / 1.2))
    assert at(found, "ttft_p50").launches == pytest.approx((0.1, 0.1, 0.1))


def test_what_rests_on_the_clock_or_on_telemetry_rests_on_time(found):
    assert at(found, "ttft_mean").rests_on_time
    assert at(found, "speedup_output_tps").rests_on_time
    assert at(found, "engine_cpu_mean").rests_on_time
    assert not at(found, "acceptance_length").rests_on_time
    assert not at(found, "identical_output_share").rests_on_time


def test_count_says_why_nothing_tells_how_sure_it_is(found):
    assert at(found, "output_tokens").why_no_spread == "exact_count"
    assert at(found, "acceptance_length").why_no_spread == ""


def test_only_figures_that_are_asked_for_are_made():
    asked = {one.name for one in figures(three_launches(), names=["ttft_p90", "requests"])}
    assert asked == {"ttft_p90", "requests"}
