import csv
import io

import pytest

from attacks.builder import make_lock, make_run
from specseal.analysis import analyse
from specseal.bundle.table import summarise
from specseal.drawing import FORMATS, Summary, render

ENVIRONMENT = {"runtime": "native", "isolation": "none", "pinned": "no"}
SUMMARY = summarise(analyse(make_run(make_lock())), ENVIRONMENT, by="load")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_runtime_isolation_and_whether_programs_were_pinned(form: str) -> None:
    text = render(SUMMARY, form)
    assert "runtime: native · isolation: none · pinned: no" in text
    assert "1.21 [1.21, 1.22]" in text


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "csv"])
def test_every_format_for_people_has_the_sentences(form: str) -> None:
    assert len(SUMMARY.sentences) == 2
    assert all(sentence in render(SUMMARY, form) for sentence in SUMMARY.sentences)


def test_plain_table_is_readable_in_120_columns() -> None:
    lines = render(SUMMARY, "simple").splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0].split()[:3] == ["concurrency", "drafting", "AL"]
    assert lines[1].split()[:2] == ["%", "p50"]


def test_long_sentence_is_wrapped_and_indented() -> None:
    words = " ".join(["word"] * 40)
    summary = Summary(setting="s", headers=("a",), rows=(("1",),), sentences=(words,), notes=())
    assert render(summary, "simple").splitlines() == [
        "a", "", "-", "1", "", "s", " ".join(["word"] * 23), "  " + " ".join(["word"] * 17),
    ]  # fmt: skip


def test_markdown_keeps_each_sentence_apart() -> None:
    summary = Summary(
        setting="s", headers=("a",), rows=(("1",),), sentences=("one", "two"), notes=("three",)
    )
    assert render(summary, "github").endswith("|\n\ns\n\n- one\n- two\n- three")


def test_csv_can_be_read_by_a_program() -> None:
    rows = list(csv.DictReader(io.StringIO(render(SUMMARY, "csv"))))
    assert [line["concurrency"] for line in rows] == ["1", "1", "2", "2"]
    assert rows[1]["speedup user"] == "1.21 [1.21, 1.22]"
    assert rows[1]["setting"] == SUMMARY.setting


def test_latex_keeps_everything_but_the_table_in_comments() -> None:
    table, after = render(SUMMARY, "latex").split("\\end{tabular}\n")
    assert table.startswith("\\begin{tabular}")
    assert all(line.startswith("% ") for line in after.splitlines())
