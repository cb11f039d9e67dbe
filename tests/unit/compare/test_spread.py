"""Standard errors, held against the library's tests where it has them, and against laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from specseal.compare.spread import (
    Spread,
    over_conversations,
    over_launches,
    over_paired,
    pseudo_values,
)

_counts = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=2, max_size=30)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(rows, dtype=np.float64)
    return array[:, 0], array[:, 1]


def test_launches_are_compared_as_by_welchs_test_of_their_logarithms():
    ours, theirs = (100.0, 103.0, 98.0, 101.0), (110.0, 105.0, 109.0)
    spread = over_launches(ours).beside(over_launches(theirs))
    found = np.mean(np.log(theirs)) - np.mean(np.log(ours))
    library = stats.ttest_ind(np.log(theirs), np.log(ours), equal_var=False)
    assert spread.p_of_zero(found) == pytest.approx(library.pvalue, rel=1e-12)
    ends = library.confidence_interval(0.95)
    assert (found - spread.half(0.95), found + spread.half(0.95)) == pytest.approx(tuple(ends))


def test_conversations_are_paired_as_by_the_paired_test_of_their_pseudo_values():
    generator = np.random.default_rng(1)
    steps = np.full(12, 30.0)  # equal, so that all 12 count
    first = generator.integers(40, 120, 12).astype(float), steps
    second = first[0] + generator.integers(0, 9, 12), steps
    spread = over_paired(first, second)
    ours, theirs = pseudo_values(*first), pseudo_values(*second)
    library = stats.ttest_rel(theirs, ours)
    assert spread.n == 12
    assert spread.p_of_zero(np.mean(theirs - ours)) == pytest.approx(library.pvalue, rel=1e-12)


def test_conversations_of_unequal_length_count_as_fewer():
    equal, unequal = np.full(10, 5.0), np.array([1.0] * 9 + [41.0])
    generator = np.random.default_rng(1)
    ratios = generator.uniform(2, 3, 10)
    assert over_conversations(equal * ratios, equal).freedom == pytest.approx(9)
    found = over_conversations(unequal * ratios, unequal)
    assert found.freedom == 1  # hardly more than one of them counts, and two are the least
    assert found.n == 10


@given(_counts)
def test_order_of_conversations_is_nothing_to_the_spread(rows: list[tuple[int, int]]):
    here, there = columns(rows), columns(rows[::-1])
    one, other = over_conversations(*here), over_conversations(*there)
    assert one.error == pytest.approx(other.error, rel=1e-9, abs=1e-12)


@given(_counts, st.floats(0.1, 1000))
def test_unit_of_a_metric_is_nothing_to_the_spread(rows: list[tuple[int, int]], unit: float):
    numerator, denominator = columns(rows)
    one = over_conversations(numerator, denominator)
    other = over_conversations(numerator * unit, denominator)
    assert one.error == pytest.approx(other.error, rel=1e-6, abs=1e-9)


@given(_counts)
def test_equal_results_have_no_spread_when_paired(rows: list[tuple[int, int]]):
    spread = over_paired(columns(rows), columns(rows))
    assert spread.error == 0
    assert spread.p_of_zero(0.0) == 1
    assert spread.around(2.0, 0.95) == (2.0, 2.0)


def test_launches_that_agree_in_all_digits_have_an_interval_of_no_width():
    spread = over_launches((2.5, 2.5))
    assert spread.around(2.5, 0.90) == (2.5, 2.5)


def test_values_that_only_floats_tell_apart_do_not_differ():
    ours, theirs = (2.7, 2.7, 2.7), (2.7000000000000006,) * 3
    spread = over_launches(ours).beside(over_launches(theirs))
    assert spread.p_of_zero(math.log(theirs[0] / ours[0])) == 1
    assert spread.p_of_zero(math.log(2.71 / 2.7)) == 0


def test_one_launch_has_no_spread():
    assert over_launches((2.5,)) is None
    assert over_launches(()) is None


def test_what_can_be_negative_has_its_spread_on_the_plain_scale():
    spread = over_launches((-0.1, 0.1, 0.0))
    low, high = spread.around(0.0, 0.90)
    assert low == pytest.approx(-high)
    assert not spread.is_log


def test_conversation_that_holds_everything_leaves_no_logarithm_to_take():
    assert over_conversations(np.array([5.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])) is None


def test_four_times_as_many_conversations_halve_the_standard_error():
    spread = Spread(error=0.1, freedom=19, n=20)
    assert spread.with_units(80).error == pytest.approx(0.05)
    assert spread.with_units(80).freedom == 79


def test_two_reasons_to_vary_add_up():
    spread = Spread(error=0.3, freedom=10, n=11).beside(Spread(error=0.4, freedom=4, n=5))
    assert spread.error == pytest.approx(0.5)
    assert 4 <= spread.freedom <= 14
    assert spread.n == 5
    assert math.isfinite(Spread(error=0, freedom=1, n=2).beside(spread).freedom)
