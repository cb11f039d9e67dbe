"""How often verdicts are wrong, where the truth is known: 2,000 simulated pairs each, seeded.

Through the functions that verdicts and comparisons use. A nominal 5% of 2,000 has a standard error
of 0.5%, so that 6% is two of them away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from specseal.compare import differences, judge_pair
from specseal.compare.difference import relative
from specseal.compare.equivalence import equivalence
from specseal.compare.spread import Spread, over_conversations, over_launches, over_paired
from specseal.spec.model import Claim, ClaimSource
from unit.compare.sides import Sample, draw_prompts, draw_sample, judge, side

PAIRS = 2_000
MOST_WRONG = 0.06
LEAST_FOUND = 0.90
TOLERANCE = 0.05
SMALL_AND_USUAL = pytest.mark.parametrize("prompts", [20, 80])
Decide = Callable[[int], bool]


def share(decide: Decide) -> float:
    return sum(map(decide, range(PAIRS))) / PAIRS


def length(sample: Sample, row: int) -> float:
    decode, steps = sample[row]
    return float(decode.sum() / steps.sum())


def differs(first: float, second: float, spread: Spread | None) -> bool:
    assert spread is not None
    found = relative(first, second, spread)
    excluded = found.low > 0 or found.high < 0
    assert excluded == (found.p < 0.05)
    return excluded


def reproduces(measured: float, claimed: float, spread: Spread | None) -> bool:
    assert spread is not None
    tolerance = TOLERANCE * claimed
    held = equivalence(measured=measured, claimed=claimed, tolerance=tolerance, spread=spread)
    return held.answer == "reproduced"


def unpaired(first: Sample, second: Sample, row: int) -> Spread:
    one, other = over_conversations(*first[row]), over_conversations(*second[row])
    assert one is not None
    assert other is not None
    return one.beside(other)


@pytest.fixture(scope="module")
def true_length() -> float:
    """The acceptance length of all prompts that could be drawn."""
    generator = np.random.default_rng(99)
    everything = draw_sample(generator, draw_prompts(generator, (1, 1_000_000)))
    return length(everything, 0)


@SMALL_AND_USUAL
def test_same_prompts_run_twice_are_seldom_said_to_differ(prompts: int):
    generator = np.random.default_rng(1)
    pace = draw_prompts(generator, (PAIRS, prompts))
    first, second = draw_sample(generator, pace), draw_sample(generator, pace)

    def decide(row: int) -> bool:
        spread = over_paired(first[row], second[row])
        return differs(length(first, row), length(second, row), spread)

    assert share(decide) <= MOST_WRONG


@SMALL_AND_USUAL
def test_other_prompts_of_the_same_kind_are_seldom_said_to_differ(prompts: int):
    generator = np.random.default_rng(2)
    first, second = (
        draw_sample(generator, draw_prompts(generator, (PAIRS, prompts))) for _ in range(2)
    )

    def decide(row: int) -> bool:
        spread = unpaired(first, second, row)
        return differs(length(first, row), length(second, row), spread)

    assert share(decide) <= MOST_WRONG


@pytest.mark.parametrize("launches", [3, 5])
def test_launches_of_one_pace_are_seldom_said_to_differ(launches: int):
    generator = np.random.default_rng(3)
    # The second varies twice as much: a busier machine.
    first = np.exp(generator.normal(4.6, 0.01, (PAIRS, launches)))
    second = np.exp(generator.normal(4.6, 0.02, (PAIRS, launches)))

    def decide(row: int) -> bool:
        one, other = over_launches(tuple(first[row])), over_launches(tuple(second[row]))
        assert one is not None
        assert other is not None
        return differs(first[row].mean(), second[row].mean(), one.beside(other))

    assert share(decide) <= MOST_WRONG


@SMALL_AND_USUAL
@pytest.mark.parametrize("factor", [1 + 2 * TOLERANCE, 1 - 2 * TOLERANCE])
def test_second_run_off_by_twice_the_tolerance_is_seldom_said_to_reproduce(
    prompts: int, factor: float
):
    generator = np.random.default_rng(4)
    pace = draw_prompts(generator, (PAIRS, prompts))
    first, second = draw_sample(generator, pace), draw_sample(generator, pace, factor=factor)

    def decide(row: int) -> bool:
        spread = over_paired(first[row], second[row])
        return reproduces(length(second, row), length(first, row), spread)

    assert share(decide) <= MOST_WRONG


@pytest.mark.parametrize("prompts", [20, 80, 880])
@pytest.mark.parametrize("off_by", [1 + 2 * TOLERANCE, 1 - 2 * TOLERANCE])
def test_claim_off_by_twice_the_tolerance_is_seldom_said_to_be_reproduced(
    prompts: int, off_by: float, true_length: float
):
    generator = np.random.default_rng(5)
    sample = draw_sample(generator, draw_prompts(generator, (PAIRS, prompts)))
    claimed = true_length / off_by

    def decide(row: int) -> bool:
        return reproduces(length(sample, row), claimed, over_conversations(*sample[row]))

    assert share(decide) <= MOST_WRONG


@pytest.mark.parametrize("side_of_claim", [1 + TOLERANCE, 1 - TOLERANCE])
def test_claim_off_by_just_the_tolerance_is_seldom_said_to_be_reproduced_either(
    side_of_claim: float, true_length: float
):
    generator = np.random.default_rng(6)
    sample = draw_sample(generator, draw_prompts(generator, (PAIRS, 880)))
    claimed = true_length / side_of_claim

    def decide(row: int) -> bool:
        return reproduces(length(sample, row), claimed, over_conversations(*sample[row]))

    assert share(decide) <= MOST_WRONG


@pytest.mark.parametrize("launches", [2, 3, 5])
def test_launches_off_by_twice_the_tolerance_are_seldom_said_to_reproduce(launches: int):
    generator = np.random.default_rng(7)
    values = 2.5 * (1 + 2 * TOLERANCE) * np.exp(generator.normal(0, 0.01, (PAIRS, launches)))

    def decide(row: int) -> bool:
        return reproduces(values[row].mean(), 2.5, over_launches(tuple(values[row])))

    assert share(decide) <= MOST_WRONG


def test_true_claim_is_reproduced_with_enough_prompts(true_length: float):
    generator = np.random.default_rng(8)
    sample = draw_sample(generator, draw_prompts(generator, (PAIRS, 880)))

    def decide(row: int) -> bool:
        return reproduces(length(sample, row), true_length, over_conversations(*sample[row]))

    assert share(decide) >= LEAST_FOUND


def test_true_claim_is_reproduced_with_enough_launches():
    generator = np.random.default_rng(9)
    values = 2.5 * np.exp(generator.normal(0, 0.01, (PAIRS, 3)))

    def decide(row: int) -> bool:
        return reproduces(values[row].mean(), 2.5, over_launches(tuple(values[row])))

    assert share(decide) >= LEAST_FOUND


def test_second_run_of_the_same_prompts_reproduces_the_first_with_enough_of_them():
    generator = np.random.default_rng(10)
    pace = draw_prompts(generator, (PAIRS, 880))
    first, second = draw_sample(generator, pace), draw_sample(generator, pace)

    def decide(row: int) -> bool:
        spread = over_paired(first[row], second[row])
        return reproduces(length(second, row), length(first, row), spread)

    assert share(decide) >= LEAST_FOUND


def test_whole_results_are_compared_by_the_very_numbers_that_are_simulated():
    generator = np.random.default_rng(11)
    pace = draw_prompts(generator, (1, 80))
    first, second = draw_sample(generator, pace), draw_sample(generator, pace, factor=1.2)
    # Prompts stand in the order of their names in a result, and in that of drawing here.
    spread = over_paired(first[0], second[0])
    assert spread is not None
    expected = relative(length(first, 0), length(second, 0), spread)

    one, other = side("one", [first[0]]), side("other", [second[0]])
    (found,) = (
        difference
        for difference in differences(one, other, metrics=["acceptance_length"])
        if difference.where.keys() == {"speculation", "draft_length", "input"}
    )
    assert (found.relative, found.low, found.high, found.p) == pytest.approx(
        (expected.value, expected.low, expected.high, expected.p), rel=1e-9
    )
    assert (found.n, found.over, found.valid, found.reasons) == (80, "prompts paired", True, ())


def test_whole_results_of_many_prompts_get_the_answers_that_are_true(true_length: float):
    generator = np.random.default_rng(12)
    pace = draw_prompts(generator, (1, 880))
    first, same, faster = (
        draw_sample(generator, pace, factor=factor)[0] for factor in (1.0, 1.0, 1.12)
    )
    one, again, off = (
        side(name, [sample]) for name, sample in (("one", first), ("again", same), ("off", faster))
    )
    lengths = ["acceptance_length", "acceptance_length_harness"]
    answers = {verdict.answer for verdict in judge_pair(one, again, metrics=lengths)}
    assert answers == {"reproduced"}
    answers = {verdict.answer for verdict in judge_pair(one, off, metrics=lengths)}
    assert answers == {"not reproduced"}

    source = ClaimSource(title="A paper", definition="D ÷ S")
    claim = Claim(metric="acceptance_length", value=true_length, source=source)
    assert judge(claim, one).answer == "reproduced"
    assert judge(claim, off).answer == "not reproduced"
