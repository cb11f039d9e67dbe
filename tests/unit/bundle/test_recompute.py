"""A sealed result against the one that the records give: what may differ, and what may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attacks.builder import make_lock, make_run
from specseal.analysis import Metric, Result, analyse
from specseal.analysis.result import Candidate, Failure, Note
from specseal.analysis.validity import ATTESTED, IDS_WITHHELD
from specseal.bundle.recompute import _is_close, compare_results


def metric(name: str, **changes: Any) -> Metric:
    values: dict[str, Any] = {
        "value": 2.0, "unit": "s", "low": 1.5, "high": 2.5, "n": 10, "valid": True, "reasons": (),
    }  # fmt: skip
    return Metric(name=name, where={"load": 1}, **(values | changes))


def result(*metrics: Metric, version: int = 2) -> Result:
    return Result(analysis_version=version, metrics=metrics)


def findings(sealed: Result, again: Result) -> list[str]:
    found = compare_results(sealed, again)
    assert {finding.code for finding in found} <= {"recompute.metrics"}
    return [finding.message for finding in found]


PLAIN = metric("b")


def test_result_that_is_the_same_is_the_same_in_any_order() -> None:
    others = metric("a"), metric("c")
    assert findings(result(PLAIN, *others), result(*others, PLAIN)) == []


@pytest.mark.parametrize(
    ("sealed", "again", "same"),
    [
        (1.0, 1.0, True),
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1, True),
        (1e300, 1e300 * (1 + 1e-12), True),
        (None, None, True),
        (0.0, 0.0, True),
        (1.0, 1.0 + 1e-8, False),
        (1.0, -1.0, False),
        (0.0, 1e-12, False),
        (1e-12, 2e-12, False),
        (1.0, None, False),
        (None, 1.0, False),
        (None, 0, False),
    ],
)
def test_estimates_may_differ_in_their_last_digits_and_no_more(
    sealed: float | None, again: float | None, same: bool
) -> None:
    for name in ("value", "low", "high"):
        altered = replace(PLAIN, **{name: sealed}), replace(PLAIN, **{name: again})
        said = [] if same else [f'result.json: b {{"load":1}}: {name} is {sealed}, the records']
        assert [
            text[: len(said[0])] if said else text
            for text in findings(result(altered[0]), result(altered[1]))
        ] == said


def test_count_may_not_differ_at_all() -> None:
    count = metric("b", unit="count", value=1.0, low=None, high=None)
    assert findings(result(count), result(count)) == []
    assert len(findings(result(replace(count, value=1.0 + 1e-12)), result(count))) == 1


@pytest.mark.parametrize(
    "change", [{"n": 11}, {"valid": False}, {"unit": "ms"}, {"reasons": ("x",)}, {"reasons": ()}]
)
def test_what_is_said_of_an_estimate_may_not_differ(change: dict[str, Any]) -> None:
    right = metric("b", reasons=("y",))
    assert len(findings(result(replace(right, **change)), result(right))) == 1


def test_interval_is_compared_whatever_version_is_said() -> None:
    other = replace(PLAIN, low=1.0, high=9.0)
    assert len(findings(result(other), result(PLAIN))) == 1
    assert len(findings(result(other, version=1), result(PLAIN))) == 1


def test_metric_that_is_missing_added_or_there_twice_is_told() -> None:
    more = metric("c")
    assert findings(result(PLAIN), result(PLAIN, more)) == ['result.json: c {"load":1} is missing']
    assert findings(result(PLAIN, more), result(PLAIN)) == [
        'result.json: c {"load":1} does not come out of the records'
    ]
    assert findings(result(PLAIN, PLAIN), result(PLAIN)) == [
        "result.json: one of the metrics comes twice"
    ]


WITHHELD = metric("a", value=None, low=None, high=None, valid=False, reasons=(IDS_WITHHELD,))
TOLD = metric("a", reasons=(ATTESTED,))


def test_figure_that_only_withheld_ids_tell_is_left_to_the_signers_word() -> None:
    assert findings(result(TOLD, PLAIN), result(WITHHELD, PLAIN)) == []
    assert findings(result(WITHHELD, PLAIN), result(WITHHELD, PLAIN)) == []


def test_what_comes_behind_an_attested_figure_is_compared() -> None:
    wrong = replace(PLAIN, value=3.0)
    assert len(findings(result(TOLD, wrong), result(WITHHELD, PLAIN))) == 1


@pytest.mark.parametrize(
    ("sealed", "again"),
    [
        (replace(TOLD, reasons=()), WITHHELD),
        (replace(TOLD, reasons=(IDS_WITHHELD,)), WITHHELD),
        (replace(TOLD, unit="ms"), WITHHELD),
        (TOLD, metric("a")),
        (TOLD, metric("a", value=9.0)),
        (TOLD, metric("a", value=9.0, reasons=(ATTESTED,))),
    ],
    ids=["unmarked", "marked otherwise", "unit", "not withheld", "other", "other and marked"],
)
def test_figure_is_attested_only_where_ids_are_withheld_and_it_says_so(
    sealed: Metric, again: Metric
) -> None:
    assert len(findings(result(sealed), result(again))) == 1


def test_whole_number_and_fraction_are_compared_as_numbers() -> None:
    whole, fraction = replace(PLAIN, value=2), replace(PLAIN, value=2 + 1e-12)
    assert findings(result(whole), result(fraction)) == []
    assert findings(result(fraction), result(whole)) == []


# What is said of draft lengths, failures and notes


RESULT = replace(
    analyse(make_run(make_lock())),
    failures=(Failure(where={"job": "j"}, missing=({"load": 1}, {"load": 2}), reason="it died"),),
    notes=(Note(where={"speculation": "ngram"}, code="c"),),
)
PARTS = ["metrics", "choices", "crossovers", "failures", "notes"]


def told(sealed: Result, again: Result) -> list[str]:
    return [finding.code for finding in compare_results(sealed, again)]


@pytest.mark.parametrize("part", PARTS)
def test_any_part_of_a_result_that_is_left_out_added_or_doubled_is_found(part: str) -> None:
    rows = getattr(RESULT, part)
    assert rows
    assert told(RESULT, RESULT) == []
    fewer = replace(RESULT, **{part: rows[1:]})
    doubled = replace(RESULT, **{part: (*rows, rows[0])})
    for sealed, again in ((fewer, RESULT), (RESULT, fewer), (doubled, RESULT)):
        assert told(sealed, again) == [f"recompute.{part}"]


def test_rows_of_another_part_are_told_apart_by_name_or_code() -> None:
    other = replace(RESULT, notes=(replace(RESULT.notes[0], code="d"),))
    messages = sorted(finding.message for finding in compare_results(other, RESULT))
    assert messages == [
        'result.json: notes: c {"speculation":"ngram"} is missing',
        'result.json: notes: d {"speculation":"ngram"} does not come out of the records',
    ]
    unnamed = replace(RESULT, failures=())
    (finding,) = compare_results(unnamed, RESULT)
    assert finding.message == 'result.json: failures: {"job":"j"} is missing'


@pytest.mark.parametrize(
    "change",
    [{"reason": "it slept"}, {"missing": ()}, {"missing": ({"load": 1}, {"load": 3})}],
)
def test_failure_told_otherwise_is_found_whatever_the_version(change: dict[str, Any]) -> None:
    other = replace(RESULT, failures=(replace(RESULT.failures[0], **change),))
    older = replace(other, analysis_version=RESULT.analysis_version - 1)
    assert told(other, RESULT) == told(older, RESULT) == ["recompute.failures"]


def test_candidates_are_compared_number_by_number_whatever_version_is_said() -> None:
    choice = RESULT.choices[0]
    name = "speedup"
    number = getattr(choice.candidates[1], name)
    assert number is not None

    def with_candidates(*candidates: Candidate) -> Result:
        altered = replace(choice, candidates=candidates)
        return replace(RESULT, choices=(altered, *RESULT.choices[1:]))

    first, second = choice.candidates
    near, far = (replace(second, **{name: number * by}) for by in (1 + 1e-12, 1 + 1e-6))
    assert told(with_candidates(first, near), RESULT) == []
    assert told(with_candidates(first, far), RESULT) == ["recompute.choices"]
    assert told(with_candidates(first), RESULT) == ["recompute.choices"]
    older = replace(with_candidates(first, far), analysis_version=RESULT.analysis_version - 1)
    assert told(older, RESULT) == ["recompute.choices"]
    worse = replace(older, choices=(replace(choice, best=0), *RESULT.choices[1:]))
    assert told(worse, RESULT) == ["recompute.choices"]


@pytest.mark.parametrize("change", [{"n": 11}, {"valid": False}, {"reasons": ("x",)}])
def test_what_does_not_rest_on_intervals_is_compared_whatever_the_version(
    change: dict[str, Any],
) -> None:
    other = replace(PLAIN, low=1.0, high=9.0, **change)
    assert len(findings(result(other, version=1), result(PLAIN))) == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [({}, None), ({}, []), ([], None), ([], {}), ({"a": 1}, 1.0), ([1.0], "1.0"), (True, {})],
)
def test_values_of_two_kinds_are_two_and_no_crash(found: object, expected: object) -> None:
    assert not _is_close(found, expected)
    assert not _is_close(expected, found)
