"""What is paired with what, and what a difference says where there is too little to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from specseal.compare import REASONS, Difference, Side, differences
from unit.compare.sides import draw_prompts, draw_sample, side

LENGTH = "acceptance_length"


def drawn(seed: int, prompts: int, launches: int = 1, factor: float = 1.0):
    generator = np.random.default_rng(seed)
    pace = draw_prompts(np.random.default_rng(0), (launches, prompts))
    pace[:] = pace[0]  # every launch has the same prompts
    sample = draw_sample(generator, pace, factor=factor)
    return [sample[row] for row in range(launches)]


def one_of(first: Side, second: Side, metric: str, **where: object) -> Difference:
    (found,) = (
        one
        for one in differences(first, second, metrics=[metric])
        if where.items() <= one.where.items()
        and ("concurrency" in one.where) == ("concurrency" in where)
        and ("category" in one.where) == ("category" in where)
        and one.where["speculation"] != "none"
    )
    return found


def test_second_that_is_the_first_differs_in_nothing():
    one = side("one", drawn(1, 20))
    for found in differences(one, replace(one, name="other")):
        assert found.relative in (0, None)
        assert found.p in (1, None)
        assert found.low in (0, None)


def test_every_metric_at_the_same_place_is_compared_and_no_other():
    one, other = side("one", drawn(1, 20)), side("other", drawn(2, 20), draft_length=5)
    found = differences(one, other)
    assert {difference.where["speculation"] for difference in found} == {"none"}
    assert [difference.metric for difference in differences(one, other, metrics=["requests"])] == [
        "requests"
    ] * 6


def test_prompts_that_are_the_same_are_paired_and_others_are_not():
    one, again = side("one", drawn(1, 20)), side("again", drawn(2, 20))
    others = side("others", drawn(2, 20), others=True)
    assert one_of(one, again, LENGTH).over == "prompts paired"
    assert one_of(one, others, LENGTH).over == "prompts"
    paired, unpaired = one_of(one, again, LENGTH), one_of(one, others, LENGTH)
    assert paired.relative == unpaired.relative
    assert paired.high - paired.low < unpaired.high - unpaired.low


def test_same_texts_in_other_tokens_are_the_same_prompts():
    one, again = side("one", drawn(1, 20)), side("again", drawn(2, 20))
    conversations = [{**row, "sha256": "5" * 64} for row in again.lock.prompts["conversations"]]
    prompts = {**again.lock.prompts, "conversations": conversations}
    again = replace(again, lock=replace(again.lock, prompts=prompts))
    assert one_of(one, again, LENGTH).over == "prompts paired"


def test_fewer_prompts_on_one_side_are_a_sample_of_their_own():
    found = one_of(side("one", drawn(1, 20)), side("fewer", drawn(2, 12)), LENGTH)
    assert (found.over, found.n) == ("prompts", 12)


def test_too_few_prompts_and_launches_have_no_interval_and_say_so():
    found = one_of(side("one", drawn(1, 4)), side("other", drawn(2, 4)), LENGTH)
    assert found.relative is not None
    assert (found.low, found.high, found.p) == (None, None, None)
    assert found.reasons == ("fewer_than_5_conversations",)
    assert found.valid


def test_too_few_prompts_are_compared_by_their_launches_where_there_are_enough():
    one, other = side("one", drawn(1, 4, launches=3)), side("other", drawn(2, 4, launches=4))
    found = one_of(one, other, LENGTH)
    assert (found.over, found.n) == ("launches", 3)
    assert found.low < found.relative < found.high


def test_pace_is_compared_by_launches_and_told_by_prompts_only_with_a_caution():
    one, other = side("one", drawn(1, 20)), side("other", drawn(2, 20))
    found = one_of(one, other, "latency_mean")
    assert (found.over, found.reasons) == ("prompts paired", ("launches_may_differ",))
    one, other = side("one", drawn(1, 20, launches=3)), side("other", drawn(2, 20, launches=3))
    found = one_of(one, other, "latency_mean")
    assert (found.over, found.reasons) == ("launches", ())


def test_throughput_of_three_launches_each_has_an_interval():
    one = side("one", drawn(1, 20) * 3, seconds=[1.0, 1.01, 0.99])
    other = side("other", drawn(1, 20) * 3, seconds=[1.25, 1.24, 1.26])
    found = one_of(one, other, "output_tps")
    assert found.relative == pytest.approx(-0.2, abs=0.01)
    assert found.low < -0.2 < found.high < -0.15
    assert found.p < 0.001


def test_throughput_on_other_prompts_says_that_prompts_differ():
    one = side("one", drawn(1, 20, launches=3), seconds=[1.0, 1.01, 0.99])
    other = side("other", drawn(1, 20, launches=3), seconds=[1.0, 1.01, 0.99], others=True)
    assert one_of(one, other, "output_tps").reasons == ("prompts_differ",)


def test_percentile_is_no_ratio_of_sums_and_goes_by_launches():
    found = one_of(side("one", drawn(1, 20)), side("other", drawn(2, 20)), "ttft_p50")
    assert (found.over, found.reasons) == ("launches", ("fewer_than_3_launches",))


def test_count_has_no_interval():
    found = one_of(side("one", drawn(1, 20)), side("other", drawn(2, 20)), "output_tokens")
    assert found.relative is not None
    assert found.reasons == ("exact_count",)


def test_figure_that_is_not_valid_on_either_side_is_compared_and_marked():
    one = side("one", drawn(1, 20))
    other = side("other", drawn(2, 20), engine_version_found="0.9")
    found = one_of(one, other, LENGTH)
    assert not found.valid
    assert found.reasons == ("engine_not_as_locked",)
    assert found.low is not None


def test_figure_that_is_not_there_on_one_side_has_no_difference():
    one, other = side("one", drawn(1, 20)), side("other", drawn(2, 20))
    result = replace(
        other.result,
        metrics=tuple(
            replace(metric, value=None, valid=False, reasons=("no_counters",))
            for metric in other.result.metrics
        ),
    )
    found = one_of(one, replace(other, result=result), LENGTH)
    assert (found.second, found.relative, found.p, found.valid) == (None, None, None, False)


def test_share_of_what_is_0_or_less_is_no_difference():
    one = side("one", drawn(1, 20))
    metrics = tuple(replace(metric, value=-0.5) for metric in one.result.metrics)
    below = replace(one, result=replace(one.result, metrics=metrics))
    assert one_of(below, one, LENGTH).relative is None
    assert one_of(one, below, LENGTH).relative < -1


def test_difference_is_plain_json():
    (first, *_) = differences(side("one", drawn(1, 6)), side("other", drawn(2, 6)))
    assert first.to_dict()["reasons"] == list(first.reasons)
    assert set(first.to_dict()) == set(Difference.__slots__)


def test_codes_of_comparing_have_sentences_and_are_none_of_the_analysis():
    from specseal.analysis.validity import REASONS as OF_ANALYSIS

    assert not set(REASONS) & set(OF_ANALYSIS)
    assert all(sentence.endswith(".") for sentence in REASONS.values())
