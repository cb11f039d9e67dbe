from __future__ import annotations

import pytest

from specseal.analysis import Candidate, Choice
from specseal.analysis.crossovers import crossovers


def at(level: float, low: float | None, *, along: str = "concurrency", **changes) -> Choice:
    """Return a choice whose best speculating length is faster for certain if `low` is over 1."""
    values = {
        "where": {"speculation": "ngram", "input": "dataset", along: level},
        "best": 4,
        "as_good": (),
        "candidates": (
            Candidate(draft_length=0, user_tps=10, speedup=1, low=None, high=None),
            Candidate(draft_length=2, user_tps=9, speedup=0.9, low=0.8, high=0.95),
            Candidate(draft_length=4, user_tps=12, speedup=1.2, low=low, high=1.5),
        ),
        "comparisons": 3,
        "n": 20,
        "valid": True,
        "reasons": (),
    }
    return Choice(**{**values, **changes})


def test_crossover_lies_between_two_levels():
    (found,) = crossovers([at(1, 1.4), at(2, 1.1), at(4, 0.9), at(8, 0.5)])

    assert found.where == {"speculation": "ngram", "input": "dataset"}
    assert (found.along, found.faster_up_to, found.not_faster_from) == ("concurrency", 2, 4)
    assert (found.valid, found.reasons) == (True, ())


@pytest.mark.parametrize(
    ("lows", "up_to", "starts", "reason"),
    [
        ((1.4, 1.1), 2, None, "faster_at_every_level"),
        ((0.9, 0.8), None, 1, "faster_at_no_level"),
        ((0.9, 1.1), 2, 1, "faster_again_at_higher_level"),
    ],
)
def test_levels_that_show_no_crossover_say_so(lows, up_to, starts, reason):
    (found,) = crossovers([at(1, lows[0]), at(2, lows[1])])

    assert (found.faster_up_to, found.not_faster_from) == (up_to, starts)
    assert found.reasons == (reason,)
    assert found.valid


def test_interval_that_reaches_one_is_not_faster():
    (found,) = crossovers([at(1, 1.4), at(2, 1.0)])

    assert (found.faster_up_to, found.not_faster_from) == (1, 2)


def test_level_that_cannot_tell_takes_no_part():
    untold = at(2, None, as_good=None, reasons=("fewer_than_5_conversations",))
    (found,) = crossovers([at(1, 1.4), untold, at(4, 0.9)])

    assert (found.faster_up_to, found.not_faster_from) == (1, 4)
    assert found.reasons == ("fewer_than_5_conversations",)


@pytest.mark.parametrize("low", [1.4, 0.9])
def test_every_level_is_not_said_of_levels_that_cannot_tell(low):
    untold = at(2, None, as_good=None, reasons=("no_common_turns",))
    (found,) = crossovers([at(1, low), untold])

    assert found.reasons == ("no_common_turns",)


def test_without_a_baseline_nothing_is_faster():
    alone = (Candidate(draft_length=4, user_tps=12, speedup=None, low=None, high=None),) * 2
    (found,) = crossovers([at(1, None, candidates=alone), at(2, None, candidates=alone)])

    assert (found.faster_up_to, found.not_faster_from) == (None, None)
    assert found.reasons == ("no_baseline",)


def test_fault_of_one_level_is_inherited():
    flawed = at(2, 0.9, valid=False, reasons=("client_bottleneck",))
    (found,) = crossovers([at(1, 1.4), flawed])

    assert (found.valid, found.reasons) == (False, ("client_bottleneck",))


def test_one_level_has_no_crossover_and_rates_none_with_concurrency():
    assert crossovers([at(1, 1.4), at(2.5, 0.9, along="rate")]) == ()
