from typing import Any

import pytest

from specseal.analysis import Candidate, Choice, Crossover, Failure, Metric, Result
from specseal.bundle.sentences import sentences

WHERE = {"speculation": "ngram", "input": "dataset", "concurrency": 2}


def said(*parts: Choice | Crossover | Failure | Metric) -> list[str]:
    return [sentence.text for sentence in sentences(result(*parts))]


def result(*parts: Choice | Crossover | Failure | Metric) -> Result:
    kinds = {"metrics": Metric, "choices": Choice, "crossovers": Crossover, "failures": Failure}
    found = {
        name: tuple(part for part in parts if isinstance(part, kind))
        for name, kind in kinds.items()
    }
    return Result(analysis_version=2, **found)


def candidate(draft_length: int, speedup: float | None, spread: float | None = 0.1) -> Candidate:
    known = speedup is not None and spread is not None
    return Candidate(
        draft_length=draft_length,
        user_tps=10 * (speedup or 1),
        speedup=speedup,
        low=speedup - spread if known else None,
        high=speedup + spread if known else None,
    )


def choice(**changes: Any) -> Choice:
    values: dict[str, Any] = {
        "where": WHERE,
        "best": 4,
        "as_good": (2,),
        "candidates": (candidate(0, 1.0, None), candidate(2, 1.25), candidate(4, 1.32)),
        "comparisons": 3,
        "n": 40,
        "valid": True,
        "reasons": (),
    }
    return Choice(**{**values, **changes})


START = "best draft length at concurrency 2 (ngram): "


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({}, "4, 1.32× the baseline [1.22, 1.42]; no significant difference between 4 and 2"),
        (
            {"as_good": (1, 2)},
            "4, 1.32× the baseline [1.22, 1.42]; no significant difference between 4, 1 and 2",
        ),
        (
            {"as_good": ()},
            "4, 1.32× the baseline [1.22, 1.42]; every other is significantly slower",
        ),
        (
            {"best": 0},
            "0, no speculation; no significant difference between 0 and 2",
        ),
        (
            {
                "as_good": None,
                "candidates": (candidate(2, 1.25, None), candidate(4, 1.32, None)),
                "reasons": ("fewer_than_5_conversations",),
            },
            "4, 1.32× the baseline; whether others are as good can't be told "
            "(fewer_than_5_conversations)",
        ),
        (
            {"as_good": (), "candidates": (candidate(2, None), candidate(4, None))},
            "4, 10.0 user tok/s; every other is significantly slower",
        ),
        (
            {"best": None, "as_good": None, "reasons": ("no_common_turns",)},
            "can't be told (no_common_turns)",
        ),
        (
            {"valid": False, "reasons": ("machine_busy",)},
            "4, 1.32× the baseline [1.22, 1.42]; no significant difference between 4 and 2 !",
        ),
    ],
    ids=[
        "one as good", "two as good", "none as good", "none best", "no interval", "no baseline",
        "nothing in common", "not valid",
    ],
)  # fmt: skip
def test_best_draft_length_is_named_with_those_that_are_as_good(
    changes: dict[str, Any], end: str
) -> None:
    assert said(choice(**changes)) == [START + end]


def test_doubts_of_a_choice_go_to_the_notes() -> None:
    (sentence,) = sentences(result(choice(valid=False, reasons=("machine_busy",))))
    assert sentence.reasons == ("machine_busy",)


def test_one_draft_length_alone_is_no_choice() -> None:
    assert said(choice(candidates=(candidate(0, 1.0, None), candidate(4, 1.32)))) == []


def test_choices_of_a_sweep_are_told_apart() -> None:
    where = {"speculation": "ngram", "input": "random", "drafter.args.num": 3, "rate": 2.5}
    (sentence,) = said(choice(where=where))
    assert sentence.startswith("best draft length at rate 2.5 (ngram, random, num 3): 4")


def crossover(**changes: Any) -> Crossover:
    values: dict[str, Any] = {
        "where": {"speculation": "ngram", "input": "dataset"},
        "along": "concurrency",
        "faster_up_to": 2,
        "not_faster_from": 4,
        "valid": True,
        "reasons": (),
    }
    return Crossover(**{**values, **changes})


@pytest.mark.parametrize(
    ("up_to", "beyond", "codes", "end"),
    [
        (2, 4, (), "speculation is significantly faster up to concurrency 2, not from 4 on"),
        (
            None,
            1,
            ("faster_at_no_level",),
            "speculation is significantly faster at no concurrency measured",
        ),
        (
            4,
            None,
            ("faster_at_every_level",),
            "speculation is significantly faster at every concurrency measured",
        ),
        (
            4,
            2,
            ("faster_again_at_higher_level",),
            "speculation is significantly faster at concurrency 4, but not at 2",
        ),
        (None, None, ("no_baseline",), "can't be told (no_baseline)"),
    ],
    ids=["between", "nowhere", "everywhere", "back and forth", "no baseline"],
)
def test_crossover_is_said_in_words(
    up_to: int | None, beyond: int | None, codes: tuple[str, ...], end: str
) -> None:
    one = crossover(faster_up_to=up_to, not_faster_from=beyond, reasons=codes)
    assert said(one) == [f"crossover (ngram): {end}"]


def test_what_a_crossovers_words_say_needs_no_note() -> None:
    codes = ("machine_busy", "faster_at_no_level")
    one = crossover(faster_up_to=None, not_faster_from=1, valid=False, reasons=codes)
    (sentence,) = sentences(result(one))
    assert sentence.reasons == ("machine_busy",)
    assert sentence.text.endswith(" !")


def metric(name: str, value: float | None, **changes: Any) -> Metric:
    values: dict[str, Any] = {
        "unit": "ratio", "low": None, "high": None, "n": 3, "valid": True, "reasons": (),
    }  # fmt: skip
    return Metric(name=name, value=value, **{**values, **changes})


def test_random_tokens_overestimate_without_drafting_and_with_it() -> None:
    baseline = {"speculation": "none", "concurrency": 2}
    drafting = {"speculation": "ngram", "draft_length": 4, "concurrency": 2}
    found = said(
        metric("random_overestimate", -0.004, low=-0.01, high=0.002, where=baseline),
        metric("random_overestimate", 0.301, low=0.25, high=0.35, where=drafting),
        metric("acceptance_length", 1.92, where={**drafting, "input": "random"}),
        metric("acceptance_length", 1.38, where={**drafting, "input": "dataset"}),
    )
    assert found == [
        "random tokens at concurrency 2 overestimate output tok/s: "
        "without drafting -0.4% [-1.0, +0.2]; "
        "with ngram 4 +30.1% [+25.0, +35.0] (AL 1.92 against 1.38)"
    ]


def test_random_overestimate_over_all_loads_is_left_to_the_json() -> None:
    assert said(metric("random_overestimate", 0.1, where={"speculation": "none"})) == []


def test_random_overestimate_without_an_interval_or_a_value_says_why() -> None:
    where = {"speculation": "none", "concurrency": 1, "engine.version": "2"}
    found = sentences(
        result(
            metric("random_overestimate", 0.1, reasons=("fewer_than_3_launches",), where=where),
            metric(
                "random_overestimate",
                None,
                valid=False,
                reasons=("one_input_only",),
                where={**where, "concurrency": 2},
            ),
        )
    )
    assert [sentence.reasons for sentence in found] == [
        ("fewer_than_3_launches",),
        ("one_input_only",),
    ]
    assert found[0].text == (
        "random tokens at concurrency 1, version 2 overestimate output tok/s: "
        "without drafting +10.0%"
    )
    assert found[1].text.endswith("without drafting: can't be told (one_input_only)")


def test_failure_names_what_is_missing() -> None:
    shared = {"input": "random", "drafter.args.num": 3}
    where = {"speculation": "ngram", "draft_length": 4, **shared, "repeat": 1, "job": "key"}
    missing = ({**shared, "concurrency": 4}, {**shared, "concurrency": 8})
    (found,) = said(Failure(where=where, missing=missing, reason="it died"))
    assert found == (
        "failed: ngram 4, random, num 3, concurrency 4, concurrency 8, repeat 2: it died"
    )


def test_failure_is_the_first_that_is_said_and_commands_no_terminal() -> None:
    where = {"speculation": "ngram", "draft_length": 4, "repeat": 0, "job": "key"}
    found = said(crossover(), Failure(where=where, missing=(), reason="it died\x1b[2J"))
    assert found[0] == "failed: ngram 4, repeat 1: it died\\x1b[2J"


def unwatched(name: str, *reasons: str) -> Metric:
    return Metric(
        name=name, value=None, unit="ratio", low=None, high=None, n=0, valid=False,
        reasons=reasons, where=WHERE,
    )  # fmt: skip


def test_what_no_check_could_watch_is_said_once_with_its_code() -> None:
    metrics = [unwatched(name, "not_watched") for name in 2 * ["other_cpu_share"]]
    (sentence,) = sentences(result(*metrics))
    assert sentence.text == "not watched in every phase: whether others used its CPUs"
    assert sentence.reasons == ("not_watched",)
    both = unwatched("accelerator_throttled_share", "not_watched")
    (text,) = said(*metrics, both)
    assert text.endswith("its CPUs; whether accelerators throttled their clocks")


def test_what_was_watched_or_is_not_there_is_not_said() -> None:
    assert said(unwatched("accelerator_throttled_share", "no_telemetry")) == []
    assert said(unwatched("accelerator_clock_mean", "not_watched")) == []
