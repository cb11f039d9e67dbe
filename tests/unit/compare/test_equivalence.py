"""What makes a yes, a no, or neither of a measured value and a claimed one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.compare.equivalence import CONFIDENCE, equivalence
from specseal.compare.spread import Spread


def spread(error: float, n: int = 30, *, is_log: bool = True) -> Spread:
    return Spread(error=error, freedom=n - 1, n=n, is_log=is_log)


def held(measured: float, error: float, n: int = 30, claimed: float = 2.0, tolerance: float = 0.1):
    return equivalence(
        measured=measured, claimed=claimed, tolerance=tolerance, spread=spread(error, n)
    )


def test_interval_within_the_tolerance_is_reproduced():
    found = held(2.02, 0.005)
    assert found.answer == "reproduced"
    assert found.more is None


def test_interval_wholly_outside_is_not_reproduced_on_either_side():
    assert held(2.3, 0.005).answer == "not reproduced"
    assert held(1.7, 0.005).answer == "not reproduced"


def test_value_that_agrees_with_too_little_data_is_inconclusive():
    found = held(2.0, 0.2, n=5)
    assert found.answer == "inconclusive"
    assert found.why_not_more == ""


def test_as_many_more_as_are_named_would_do_and_one_fewer_would_not():
    start = spread(0.2, 5)
    found = held(2.0, 0.2, n=5)
    room = 1.9, 2.1

    def fits(n: int) -> bool:
        low, high = start.with_units(n).around(2.0, CONFIDENCE)
        return room[0] <= low and high <= room[1]

    assert fits(5 + found.more)
    assert not fits(5 + found.more - 1)


def test_value_at_or_past_the_tolerance_would_not_come_within_by_more_of_the_same():
    for measured in (2.1, 2.12, 1.9):
        found = held(measured, 0.1)
        assert found.answer == "inconclusive"
        assert found.more is None
        assert "more of the same" in found.why_not_more


def test_more_than_anybody_would_run_is_said_to_be_so():
    found = held(2.0999, 0.5, n=5)
    assert found.more is None
    assert "1,000,000" in found.why_not_more


def test_most_that_anybody_would_run_is_still_named():
    assert 8 * 10**5 < held(2.0, 6.0, n=20).more < 10**6


def test_value_without_variation_is_judged_by_itself_the_bound_included():
    assert held(2.1, 0.0).answer == "reproduced"
    assert held(2.1001, 0.0).answer == "not reproduced"


def test_bound_holds_whatever_way_its_decimals_round():
    # 3.35 + 0.1675 is 3.5174999999999996 in floats.
    found = equivalence(measured=3.5175, claimed=3.35, tolerance=0.05 * 3.35, spread=spread(0.0))
    assert found.answer == "reproduced"


def test_claim_of_nothing_or_less_is_held_on_the_plain_scale():
    found = equivalence(
        measured=-0.01, claimed=0.0, tolerance=0.05, spread=spread(0.005, is_log=False)
    )
    assert found.answer == "reproduced"
    wide = equivalence(measured=0.0, claimed=0.0, tolerance=0.05, spread=spread(0.1, is_log=False))
    assert wide.answer == "inconclusive"
    assert wide.more is not None


@given(
    measured=st.floats(0.5, 5),
    claimed=st.floats(0.5, 5),
    share=st.floats(0.001, 0.3),
    error=st.floats(0, 0.5),
    n=st.integers(2, 200),
)
def test_wider_tolerance_never_takes_a_yes_back(
    measured: float, claimed: float, share: float, error: float, n: int
):
    def answer(tolerance: float) -> str:
        return held(measured, error, n, claimed, tolerance * claimed).answer

    if answer(share) == "reproduced":
        assert answer(2 * share) == "reproduced"
    if answer(2 * share) == "not reproduced":
        assert answer(share) == "not reproduced"


@pytest.mark.parametrize("n", [2, 3, 5, 80])
def test_zero_tolerance_is_reached_by_equal_values_only(n: int):
    assert held(2.0, 0.0, n, tolerance=0.0).answer == "reproduced"
    assert held(2.0, 0.01, n, tolerance=0.0).answer == "inconclusive"
