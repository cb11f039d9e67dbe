from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.analysis import Choice, Result, analyse
from unit.analysis.builders import MS, baseline, failed, job, phase, plain, record, run

CONVERSATIONS = 20
DRAFTED = {"draft_tokens": 1, "accepted_tokens": 1}
"""What a draft of any length can be."""


def paced(made, tps: float, *, noise: float = 0.0, seed: int = 0, conversations=CONVERSATIONS):
    """Return requests of 4 tokens at about so many tokens a second, easy and hard ones."""
    draw = random.Random(seed)
    return [
        made(
            f"q{i:02}",
            submit_ns=-int(4e9 / (tps * (1 + i % 3) * draw.uniform(1 - noise, 1 + noise)))
            + 160 * MS,
            **DRAFTED if made is record else {},
        )
        for i in range(conversations)
    ]


def at_lengths(speeds: dict[int, float], *, noise: float = 0.0, **of) -> list:
    """Return one launch a draft length, 0 the baseline, each at its own speed."""
    return [
        baseline(phase(paced(plain, tps, noise=noise, seed=99), **of))
        if length == 0
        else job(
            phase(paced(record, tps, noise=noise, seed=length), **of),
            draft_length=length,
            key=f"0-{length}",
        )
        for length, tps in speeds.items()
    ]


def choice(result: Result, **where) -> Choice:
    wanted = {"speculation": "ngram", "input": "dataset", "concurrency": 1, **where}
    (found,) = [one for one in result.choices if one.where == wanted]
    return found


def test_longest_draft_is_not_the_best_if_a_shorter_one_is_faster():
    found = choice(analyse(run(*at_lengths({0: 2, 1: 3, 4: 5, 8: 4}, noise=0.05))))

    assert found.best == 4
    assert found.as_good == ()
    assert [one.draft_length for one in found.candidates] == [0, 1, 4, 8]
    assert found.comparisons == 6
    assert found.n == CONVERSATIONS
    assert found.valid
    assert found.reasons == ()


def test_speedup_of_each_length_is_over_the_baseline_with_an_interval():
    found = choice(analyse(run(*at_lengths({0: 2, 4: 5}, noise=0.05))))

    none, four = found.candidates
    assert (none.speedup, none.low, none.high) == (1.0, None, None)
    assert four.speedup == pytest.approx(2.5, rel=0.05)
    assert four.low is not None
    assert four.high is not None
    assert 2.3 < four.low < four.speedup < four.high < 2.7


def test_lengths_within_each_others_noise_are_as_good():
    found = choice(analyse(run(*at_lengths({0: 2, 2: 5, 4: 5.02, 8: 4}, noise=0.1))))

    assert found.best in {2, 4}
    assert found.as_good == ((4,) if found.best == 2 else (2,))


def test_no_speculation_is_best_where_every_length_is_slower():
    found = choice(analyse(run(*at_lengths({0: 5, 2: 4, 4: 3}, noise=0.05))))

    assert found.best == 0
    assert found.candidates[1].high is not None
    assert found.candidates[1].high < 1


def test_equal_pace_everywhere_makes_all_lengths_as_good():
    found = choice(analyse(run(*at_lengths({0: 2, 2: 2, 4: 2}))))

    assert found.best == 0
    assert found.as_good == (2, 4)


def test_one_proportion_throughout_is_a_difference_however_small():
    found = choice(analyse(run(*at_lengths({1: 2, 2: 2.1}))))

    assert found.best == 2
    assert found.as_good == ()


def test_one_length_and_no_baseline_leaves_nothing_to_choose():
    assert analyse(run(*at_lengths({4: 5}))).choices == ()


def test_lengths_without_a_baseline_have_a_best_but_no_speedup():
    found = choice(analyse(run(*at_lengths({2: 4, 4: 5}, noise=0.05))))

    assert found.best == 4
    assert [one.speedup for one in found.candidates] == [None, None]


def test_turn_that_one_length_did_not_complete_counts_for_none():
    jobs = at_lengths({0: 2, 4: 5})
    hard = [replace(one, conversation="hard") for one in paced(plain, 0.001, conversations=1)]
    slow = jobs[0].phases[0]
    jobs[0] = replace(jobs[0], phases=(replace(slow, records=(*slow.records, *hard)),))
    fast = jobs[1].phases[0]
    jobs[1] = replace(jobs[1], phases=(replace(fast, records=(*fast.records, failed("hard"))),))
    found = choice(analyse(run(*jobs)))

    assert found.n == CONVERSATIONS
    assert found.candidates[1].speedup == pytest.approx(2.5)
    assert not found.valid
    assert "requests_failed" in found.reasons


def test_too_few_conversations_have_a_best_and_nothing_said_of_the_others():
    jobs = [
        baseline(phase(paced(plain, 2, conversations=4))),
        job(phase(paced(record, 5, conversations=4))),
    ]
    found = choice(analyse(run(*jobs)))

    assert (found.best, found.as_good) == (4, None)
    assert found.candidates[1].speedup == pytest.approx(2.5)
    assert found.candidates[1].low is None
    assert found.reasons == ("fewer_than_5_conversations",)
    assert found.valid


def test_lengths_without_a_common_turn_are_not_compared():
    jobs = [job(phase([record("q1")])), job(phase([record("q2")]), draft_length=2, key="0-2")]
    found = choice(analyse(run(*jobs)))

    assert (found.best, found.as_good, found.n, found.valid) == (None, None, 0, False)
    assert "no_common_turns" in found.reasons
    assert [one.user_tps for one in found.candidates] == [None, None]


def test_fault_at_any_length_is_inherited():
    jobs = at_lengths({0: 2, 2: 4, 4: 5}, noise=0.05)
    flawed = jobs[1].phases[0]
    status = replace(flawed.status, client_cpu_share=1.5)
    jobs[1] = replace(jobs[1], phases=(replace(flawed, status=status),))
    found = choice(analyse(run(*jobs)))

    assert (found.best, found.valid, found.reasons) == (4, False, ("client_bottleneck",))


def test_levels_inputs_and_settings_choose_for_themselves():
    jobs = [
        made
        for speeds, of in (
            ({0: 2, 4: 5}, {"concurrency": 1}),
            ({0: 5, 4: 2}, {"concurrency": 8}),
            ({0: 1, 4: 9}, {"concurrency": 8, "input": "random"}),
            ({0: 3, 4: 2}, {"concurrency": 8, "setting": {"engine.max_sequences": 8}}),
        )
        for made in at_lengths(speeds, noise=0.05, **of)
    ]
    result = analyse(run(*jobs))

    assert choice(result).best == 4
    assert choice(result, concurrency=8).best == 0
    assert choice(result, concurrency=8, input="random").best == 4
    assert choice(result, concurrency=8, **{"engine.max_sequences": 8}).best == 0
    assert len(result.choices) == 4


def test_repeats_of_a_conversation_do_not_narrow_the_interval():
    def width(repeats: int) -> float:
        jobs = [
            replace(made, repeat=repeat, key=f"{repeat}-{made.key}")
            for repeat in range(repeats)
            for made in at_lengths({0: 2, 4: 5}, noise=0.2)
        ]
        found = choice(analyse(run(*jobs))).candidates[1]
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    assert width(3) == pytest.approx(width(1))


def test_interval_is_wider_the_more_lengths_are_compared():
    def half_width(speeds: dict[int, float]) -> float:
        candidates = choice(analyse(run(*at_lengths(speeds, noise=0.2)))).candidates
        (four,) = [one for one in candidates if one.draft_length == 4]
        assert four.low is not None
        assert four.high is not None
        return four.high / four.low

    few, many = {0: 2, 4: 5}, {0: 2, 1: 3, 2: 4, 3: 4.5, 4: 5, 6: 4, 8: 3}
    assert half_width(many) > half_width(few)


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(4)))
def test_order_of_jobs_never_matters(order):
    jobs = at_lengths({0: 2, 1: 3, 4: 5, 8: 4}, noise=0.1)

    shuffled = analyse(run(*(jobs[index] for index in order)))
    assert shuffled.choices == analyse(run(*jobs)).choices
