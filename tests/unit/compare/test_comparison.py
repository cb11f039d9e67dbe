"""Results against the first of them: corrected for how many figures there are, and in words."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from attacks.builder import make_run
from locks import make_lock
from specseal.analysis import Metric, Result
from specseal.columns import COLUMNS, GROUPINGS
from specseal.compare import (
    Comparison,
    Difference,
    Side,
    columns_of,
    compare,
    comparison_table,
    known_metrics,
)
from specseal.compare.comparison import Compared, corrected
from specseal.drawing import render
from specseal.errors import AnswerIsNo, InputError
from unit.compare.small import make_side, metric

USUAL = [column.metric for column in COLUMNS]


def difference(**changes: Any) -> Difference:
    fields: dict[str, Any] = {
        "metric": "acceptance_length",
        "where": {"speculation": "ngram", "draft_length": 2, "input": "dataset", "concurrency": 1},
        "unit": "tokens/step",
        "first": 2.0,
        "second": 2.2,
        "relative": 0.1,
        "low": 0.08,
        "high": 0.12,
        "p": 0.001,
        "n": 80,
        "over": "prompts paired",
        "valid": True,
        "reasons": (),
    }
    return Difference(**{**fields, **changes})


def compared(*sides: Side, **asked: Any) -> Comparison:
    return compare(sides, **{"metrics": USUAL, "group": GROUPINGS["load"], **asked})


def drawn(found: Comparison, form: str = "simple", by: str = "load") -> str:
    return render(comparison_table(found, columns_of((), wide=False), by=by), form)


SAYS: dict[str, tuple[dict[str, Any], float | None]] = {
    "differs": ({}, 0.01),
    "differs, within 5%": ({"low": 0.01, "high": 0.03}, 0.01),
    "same within 5%": ({"low": -0.01, "high": 0.03}, 0.6),
    "no difference shown": ({"low": -0.01, "high": 0.2}, 0.2),
    "can't be told": ({"low": None, "high": None, "p": None}, None),
    "not valid": ({"valid": False}, 0.01),
}


@pytest.mark.parametrize("says", SAYS)
def test_each_answer_in_words(says: str) -> None:
    changes, p = SAYS[says]
    assert Compared(difference=difference(**changes), p_corrected=p).says == says


def test_a_p_that_is_small_only_until_it_is_corrected_shows_no_difference() -> None:
    chance = difference(p=0.04, low=-0.2, high=0.2)
    many = corrected([chance, *(difference(p=p / 20) for p in range(1, 20))])
    assert many[0].p_corrected == pytest.approx(0.5)
    assert many[0].says == "no difference shown"
    assert corrected([chance])[0].says == "differs"


def test_figures_without_a_p_do_not_count_among_the_many() -> None:
    found = corrected([difference(p=0.04), difference(p=None), difference(p=None)])
    assert [one.p_corrected for one in found] == [0.04, None, None]


def test_a_result_beside_itself_is_the_same_by_prompt() -> None:
    found = compared(make_side("A"), make_side("B"))
    (pair,) = found.pairs
    lengths = [one for one in pair.figures if one.difference.metric == "user_tps_mean"]
    assert [(one.difference.relative, one.difference.over) for one in lengths] == [
        (0.0, "prompts paired")
    ] * 4  # two load levels, with and without drafting
    text = drawn(found)
    assert text.startswith("B against A: same recipe\nprompts (token ids): equal (")
    assert "A: runtime: docker · isolation: container · pinned: yes" in text


def test_figures_are_in_the_order_of_columns_and_rows_in_that_of_loads() -> None:
    rows = comparison_table(compared(make_side("A"), make_side("B")), list(COLUMNS), by="load").rows
    assert [tuple(map(str, row[:3])) for row in rows[:6]] == [
        ("AL", "1", "ngram 2"),
        ("AL", "2", "ngram 2"),
        ("accepted %", "1", "ngram 2"),
        ("accepted %", "2", "ngram 2"),
        ("TTFT p50 ms", "1", "none"),
        ("TTFT p50 ms", "1", "ngram 2"),
    ]


def test_another_drafter_stands_beside_the_first_under_both_names() -> None:
    lock = make_lock(drafter={"method": "suffix"}, points={"draft_length": 3})
    found = compared(make_side("A"), make_side("B", lock=lock, run=make_run(lock)))
    rows = comparison_table(found, list(COLUMNS), by="load").rows
    assert {str(row[2]) for row in rows} == {"none", "ngram 2 / suffix 3"}
    records = csv.DictReader(io.StringIO(drawn(found, "csv")))
    ways = {(one["first_draft_length"], one["second_speculation"]) for one in records}
    assert ways == {("", "none"), ("2", "suffix")}


def test_rows_can_be_categories() -> None:
    found = compared(make_side("A"), make_side("B"), group=GROUPINGS["category"])
    assert "coding" in drawn(found, by="category")
    assert {one.difference.where["category"] for one in found.pairs[0].figures} == {
        "coding", "math",
    }  # fmt: skip


def test_what_no_category_can_have_makes_no_row_and_a_note_says_why() -> None:
    found = compared(make_side("A"), make_side("B"), group=GROUPINGS["category"])
    summary = comparison_table(found, list(COLUMNS), by="category")
    told = {str(row[0]) for row in summary.rows}
    assert told.isdisjoint({"output tok/s", "speedup output"})
    assert {"TTFT p50 ms", "speedup user"} <= told
    assert {one["metric"] for one in summary.records} == {
        column.metric for column in COLUMNS if column.header in told
    }
    (why,) = (note for note in summary.notes if note.startswith("whole_phase_only"))
    assert why.endswith("(output tok/s, speedup output)")
    assert not any("output tok/s" in note for note in summary.notes if note != why)


def test_a_figure_that_is_absent_for_a_reason_keeps_its_row() -> None:
    absent = replace(metric("output_tps", None), reasons=("no_requests",))
    sides = [make_side(name, result=Result(analysis_version=2, metrics=(absent,))) for name in "AB"]
    (row,) = comparison_table(compared(*sides), list(COLUMNS), by="load").rows
    assert (row[0], row[-1]) == ("output tok/s", "not valid")


@pytest.mark.parametrize(("first", "second"), [(1.0, None), (None, 1.0)])
def test_a_figure_that_one_side_has_keeps_its_row(
    first: float | None, second: float | None
) -> None:
    doubtful = difference(first=first, second=second, reasons=("whole_phase_only",), valid=False)
    assert Compared(difference=doubtful, p_corrected=None).is_defined


def test_with_more_than_two_each_row_says_which_it_is_of() -> None:
    found = compared(*(make_side(name) for name in "ABC"))
    summary = comparison_table(found, list(COLUMNS), by="load")
    assert summary.headers[0] == "with"
    assert [row[0] for row in summary.rows] == sorted(str(row[0]) for row in summary.rows)
    assert {row[0] for row in summary.rows} == {"B", "C"}


def test_another_model_is_not_comparable_and_no_figure_is_shown() -> None:
    other = make_lock(model={"files": [{"path": "m.gguf", "bytes": 7, "sha256": "5" * 64}]})
    found = compared(make_side("A"), make_side("B", lock=other))
    assert found.pairs[0].figures == ()
    assert "figure" not in drawn(found)
    with pytest.raises(AnswerIsNo, match=r"^B is not comparable with A: model files that only"):
        found.demand()


def test_figures_of_another_model_are_shown_to_who_asks_and_the_answer_stays_no() -> None:
    other = make_lock(model={"files": [{"path": "m.gguf", "bytes": 7, "sha256": "5" * 64}]})
    found = compared(make_side("A"), make_side("B", lock=other), anyway=True)
    assert found.pairs[0].figures
    with pytest.raises(AnswerIsNo):
        found.demand()


def test_a_figure_that_is_not_valid_keeps_its_mark_and_its_reason() -> None:
    text = drawn(compared(make_side("A"), make_side("B")))
    row = next(line for line in text.splitlines() if line.startswith("AL "))
    assert row.split("  ")[-1] == "not valid"
    assert row.count(" !") == 2
    assert "cut_unknown: Accepted tokens dropped at a stop are unknown" in text


def test_metrics_that_are_asked_for_are_all_that_is_shown() -> None:
    asked = ("tpot_p90",)
    found = compared(make_side("A"), make_side("B"), metrics=asked)
    summary = comparison_table(found, columns_of(asked, wide=False), by="load")
    assert {row[0] for row in summary.rows} == {"tpot_p90"}


def test_a_metric_that_no_result_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="acceptance_lenght") as refused:
        known_metrics([make_side("A")], ["acceptance_lenght"], GROUPINGS["load"])
    assert refused.value.mend == "did you mean acceptance_length?"


def test_a_metric_that_has_no_rows_is_refused_rather_than_not_shown() -> None:
    across = Metric(
        name="random_overestimate", value=0.2, unit="", low=None, high=None, n=1, valid=True,
        reasons=(), where={"speculation": "ngram", "draft_length": 2, "concurrency": 1},
    )  # fmt: skip
    side = make_side("A", result=Result(analysis_version=2, metrics=(across,)))
    with pytest.raises(InputError, match="no figure of it is of one concurrency or rate"):
        known_metrics([side], ["random_overestimate"], GROUPINGS["load"])


def test_a_program_gets_every_digit_and_where_it_stands() -> None:
    found = compared(make_side("A"), make_side("B"))
    first = next(csv.DictReader(io.StringIO(drawn(found, "csv"))))
    assert (first["metric"], first["concurrency"], first["unit"]) == (
        "acceptance_length", "1", "tokens/step",
    )  # fmt: skip
    assert float(first["first"]) == 4 / 3
    assert (first["valid"], first["says"]) == ("false", "not valid")


def test_a_comparison_is_plain_json() -> None:
    document = compared(make_side("A"), make_side("B")).to_dict()
    assert [one["name"] for one in document["bundles"]] == ["A", "B"]
    (pair,) = document["pairs"]
    assert pair["setup"]["kind"] == "same recipe"
    assert pair["figures"][0]["says"] == "not valid"


def test_a_figure_that_only_one_has_has_no_row() -> None:
    def lacking(name: str, *left_out: str) -> Side:
        whole = make_side(name)
        kept = tuple(one for one in whole.result.metrics if one.name not in left_out)
        return replace(whole, result=replace(whole.result, metrics=kept))

    rows = comparison_table(
        compared(lacking("A"), lacking("B", "output_tps")), list(COLUMNS), by="load"
    ).rows
    assert "output tok/s" not in {row[0] for row in rows}


def only(name: str, *metrics: Metric) -> Side:
    return make_side(name, result=Result(analysis_version=2, metrics=metrics))


def test_a_figure_that_can_not_be_computed_is_absent() -> None:
    found = compared(only("A", metric("ttft_p50", None)), only("B", metric("ttft_p50", 0.1)))
    (row,) = comparison_table(found, list(COLUMNS), by="load").rows
    assert [str(cell) for cell in row[3:]] == ["–", "100.0", "–", "–", "not valid"]
