"""A sealed result against the one that the records give: what may differ, and what may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from specseal.analysis import Metric, Result
from specseal.analysis.validity import ATTESTED, IDS_WITHHELD
from specseal.bundle.recompute import compare_results


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


def test_interval_is_compared_where_both_come_of_one_version() -> None:
    other = replace(PLAIN, low=1.0, high=9.0)
    assert len(findings(result(other), result(PLAIN))) == 1
    assert findings(result(other, version=1), result(PLAIN)) == []
    wrong = replace(other, value=3.0)
    assert len(findings(result(wrong, version=1), result(PLAIN))) == 1


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
