"""Launches that agree: certainty, or chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from specseal.analysis import analyse
from specseal.compare import Side, judge_pair
from specseal.compare.agreement import BY_CHANCE, agree_by_chance
from specseal.compare.difference import figures_at, place
from specseal.compare.equivalence import equivalence
from specseal.compare.spread import over_launches
from unit.compare.sides import judge, side
from unit.compare.test_claims import LENGTH, claim, launches, value

PAIRS = 2_000


def busy(one: Side, *, concurrency: int = 4, temperature: float = 0) -> Side:
    """The same result with so many conversations in flight."""
    jobs = tuple(
        replace(
            job,
            phases=tuple(
                replace(
                    phase,
                    load=replace(phase.load, concurrency=concurrency),
                    temperature=temperature,
                )
                for phase in job.phases
            ),
        )
        for job in one.run.jobs
    )
    run = replace(one.run, jobs=jobs)
    return replace(one, run=run, result=analyse(run))


def agreeing_but_for_the_first(prompts: int) -> Side:
    """Two launches, in which the first prompt, one of coding, takes more steps the second time."""
    (decode, steps), _ = launches(1, prompts=prompts)
    return side("one", [(decode, steps), (decode, steps + (np.arange(prompts) == 0))])


def test_launches_that_agree_on_a_category_while_others_do_not_may_agree_by_chance():
    one = busy(agreeing_but_for_the_first(10))
    math = {"category": "math"}
    verdict = judge(claim(one, value=value(one, **math), where=math), one)
    assert (verdict.answer, verdict.reasons) == ("inconclusive", (BY_CHANCE,))
    assert (verdict.low, verdict.high) == (None, None)


def test_launches_agree_for_a_reason_where_one_conversation_is_in_flight_at_a_time():
    one = agreeing_but_for_the_first(10)
    math = {"category": "math"}
    verdict = judge(claim(one, value=value(one, **math), where=math), one)
    assert verdict.answer == "reproduced"


def test_drawn_tokens_may_agree_by_chance_even_alone():
    one = busy(agreeing_but_for_the_first(10), concurrency=1, temperature=1)
    math = {"category": "math"}
    verdict = judge(claim(one, value=value(one, **math), where=math), one)
    assert verdict.reasons == (BY_CHANCE,)


def test_launches_that_agree_on_all_of_enough_prompts_agree():
    one = busy(side("one", launches(1, prompts=5)))
    assert judge(claim(one), one).answer == "reproduced"
    math = {"category": "math"}
    verdict = judge(claim(one, value=value(one, **math), where=math), one)
    assert verdict.answer == "reproduced"


def test_launches_that_agree_on_all_of_a_few_prompts_may_agree_by_chance():
    one = busy(side("one", launches(1, prompts=4)))
    assert judge(claim(one), one).reasons == (BY_CHANCE,)


@pytest.mark.parametrize("is_busy", [False, True])
def test_second_run_of_a_prompt_a_category_is_only_judged_where_launches_agree_for_a_reason(
    is_busy: bool,
):
    one, again = (side(name, launches(1, prompts=2)) for name in ("one", "again"))
    if is_busy:
        one, again = busy(one), busy(again)
    lengths = [verdict for verdict in judge_pair(one, again) if verdict.claim.metric == LENGTH]
    assert len(lengths) == 3
    assert {verdict.answer for verdict in lengths} == {"inconclusive" if is_busy else "reproduced"}
    assert all((BY_CHANCE in verdict.reasons) is is_busy for verdict in lengths)


@pytest.mark.parametrize("is_same", [True, False])
def test_second_run_that_is_the_same_on_every_prompt_shows_that_a_categorys_agree(is_same: bool):
    one = busy(agreeing_but_for_the_first(6))
    again = busy(agreeing_but_for_the_first(6)) if is_same else busy(side("one", launches(1, 6)))
    verdicts = {
        verdict.claim.where.get("category"): verdict
        for verdict in judge_pair(one, again)
        if verdict.claim.metric == LENGTH
    }
    # Three prompts a category are too few to be paired.
    assert verdicts["math"].answer == ("reproduced" if is_same else "inconclusive")
    assert (BY_CHANCE in verdicts["math"].reasons) is not is_same


@pytest.mark.parametrize("count", [2, 3])
def test_prompts_with_two_likely_outputs_seldom_make_a_true_claim_not_reproduced(count: int):
    generator = np.random.default_rng(13)
    one = busy(side("one", launches(1, prompts=6)))
    figures = figures_at(one, [LENGTH])
    of_all = next(figure for figure in figures.values() if "category" not in figure.where)
    of_math = figures[place(LENGTH, {**of_all.where, "category": "math"})]

    # No two prompts are alike: what one gains, another does not lose to the digit.
    lengths = generator.uniform(1.5, 3, 6)

    def draw() -> tuple[list[float], list[float]]:
        """The figure of one prompt, and of six, in so many launches."""
        values = lengths * np.where(generator.random((count, 6)) < 0.5, 1.0, 1.3)
        return values[:, 0].tolist(), values.mean(axis=1).tolist()

    def is_wrong(*, guarded: bool) -> bool:
        (source, _), (ours, all_six) = draw(), draw()
        mine = replace(of_math, launches=tuple(ours))
        known = {place(LENGTH, of_all.where): replace(of_all, launches=tuple(all_six))}
        if guarded and agree_by_chance(mine, known, one):
            return False
        spread = over_launches(ours)
        assert spread is not None
        claimed = float(np.mean(source))
        held = equivalence(
            measured=float(np.mean(ours)), claimed=claimed, tolerance=0.05 * claimed, spread=spread
        )
        return held.answer == "not reproduced"

    assert sum(is_wrong(guarded=True) for _ in range(PAIRS)) / PAIRS <= 0.06
    assert sum(is_wrong(guarded=False) for _ in range(PAIRS)) / PAIRS > 0.2
