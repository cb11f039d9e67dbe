import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attacks.builder import SPEC, GoodBundle, make_lock, make_run
from conftest import lacking
from specseal.analysis import analyse
from specseal.bundle import Contents
from specseal.bundle.table import summarise
from specseal.columns import GROUPINGS
from specseal.compare import (
    Given,
    columns_of,
    compare,
    comparison_table,
    frontier,
    frontier_table,
)
from specseal.drawing import FORMATS, Cell, Number, Summary, render
from specseal.spec import parse_spec
from specseal.verdicts import judged, side_of, verdict_table

CLAIMS = b"""\
claims:
  - metric: acceptance_length_harness
    value: 1.25
    tolerance: {absolute: 0.25}
    source: {title: A paper, table: table 1, definition: the harness's figure}
"""
ENVIRONMENT = {"runtime": "native", "isolation": "none", "pinned": "no"}
RESULT = analyse(make_run(make_lock()))
SUMMARY = summarise(RESULT, ENVIRONMENT, by="load")


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "csv"])
def test_every_format_for_people_shows_runtime_isolation_and_whether_programs_were_pinned(
    form: str,
) -> None:
    text = render(SUMMARY, form)
    assert "runtime: native · isolation: none · pinned: no" in text
    assert "1.21 [1.21, 1.22]" in text or r"$1.21_{\pm 0.00}$" in text


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
    assert render(summary, "markdown") == render(summary, "github")


def test_csv_has_a_line_a_figure_with_all_its_digits() -> None:
    rows = list(csv.DictReader(io.StringIO(render(SUMMARY, "csv"))))
    (speedup,) = (
        row
        for row in rows
        if (row["metric"], row["concurrency"]) == ("speedup_user_tps", "1")
        and row["speculation"] == "ngram"
    )
    (metric,) = (
        one
        for one in RESULT.metrics
        if one.name == "speedup_user_tps" and one.where.get("concurrency") == 1
        if "category" not in one.where
    )
    assert [float(speedup[end]) for end in ("value", "low", "high")] == [
        metric.value, metric.low, metric.high,
    ]  # fmt: skip
    assert (speedup["unit"], speedup["n"], speedup["valid"]) == ("ratio", str(metric.n), "true")
    assert (speedup["runtime"], speedup["pinned"]) == ("native", "no")


def test_table_without_records_has_its_cells_as_csv() -> None:
    summary = Summary(
        setting="s", headers=("a", "b"), rows=(("1", "x, y"),), sentences=(), notes=()
    )
    assert render(summary, "csv") == 'a,b,setting\n1,"x, y",s'


def test_table_with_nothing_in_it_is_drawn_in_every_format() -> None:
    summary = Summary(setting="s", headers=("a", "b"), rows=(), sentences=(), notes=())
    assert [render(summary, form).partition("\n")[0] for form in FORMATS] == [
        "a  b", "| a   | b   |", "| a   | b   |", r"\begin{tabular}{ll}", "",
    ]  # fmt: skip


def test_what_leads_stands_before_the_table() -> None:
    cells = {"setting": "s", "headers": ("a",), "sentences": (), "notes": (), "lead": ("first",)}
    summary = Summary(rows=(("1",),), **cells)
    assert render(summary, "simple").startswith("first\n\na\n")
    assert render(summary, "github").startswith("- first\n\n| a")
    assert render(Summary(rows=(), **cells), "simple") == "first\n\ns"


# LaTeX

ODD = r"50% of $x_1 & {y} ~ \z^2 # <a>"


def latex(*cells: Cell, **changes: str) -> list[str]:
    """The lines of a table with one row."""
    headers = tuple(f"column {number}" for number in range(len(cells)))
    summary = Summary(
        setting="s", headers=headers, rows=(cells,), sentences=(), notes=(), **changes
    )
    return render(summary, "latex").splitlines()


def row_of(*cells: Cell) -> str:
    return latex(*cells)[4].removesuffix(r" \\")


def test_latex_is_a_whole_tabular_with_everything_else_in_comments() -> None:
    table, after = render(SUMMARY, "latex").split("\\end{tabular}\n")
    assert table.startswith("\\begin{tabular}{llrrrrrrrrr}\n\\toprule\n")
    assert all(line.startswith("% ") for line in after.splitlines())
    for line in table.splitlines()[2:]:
        cells = line.removesuffix(r" \\").split(" & ")
        assert line in (r"\midrule", r"\bottomrule") or len(cells) == len(SUMMARY.headers)


def test_even_interval_is_one_number_below_the_line() -> None:
    assert row_of(Number(value=2.214, digits=2, low=2.173, high=2.255)) == r"$2.21_{\pm 0.04}$"


def test_uneven_interval_has_both_its_ends_below_the_line() -> None:
    assert row_of(Number(value=2.2, digits=1, low=1.9, high=2.9)) == "$2.2_{[1.9, 2.9]}$"


def test_change_has_its_sign_in_latex_too() -> None:
    number = Number(value=3.1, digits=1, low=-1.0, high=9.0, is_change=True)
    assert row_of(number) == "$+3.1_{[-1.0, +9.0]}$"


def test_figure_without_an_interval_or_not_valid_says_so() -> None:
    assert row_of(Number(value=2, digits=2), Number(value=2, digits=0, valid=False)) == (
        "$2.00$ & $2^{!}$"
    )


def test_columns_of_figures_are_to_the_right() -> None:
    assert latex("a", Number(value=1, digits=0))[0] == r"\begin{tabular}{lr}"


def test_everything_that_latex_would_obey_is_escaped() -> None:
    cell = row_of(ODD)
    assert cell == (
        r"50\% of \$x\_1 \& \{y\} \textasciitilde{} \textbackslash{}z\^{}2 \# "
        r"\ensuremath{<}a\ensuremath{>}"
    )


def test_caption_and_label_are_ready_to_be_used() -> None:
    lines = latex("1", title=f"{ODD}\nand more", label="specseal-tiny")
    (caption,) = (line for line in lines if r"\caption" in line)
    assert caption.startswith(r"% \caption{50\% of")
    assert r"\textbackslash{}nand more. Subscripts are 95\% intervals" in caption
    assert r"% \label{tab:specseal-tiny}" in lines


def test_caption_tells_how_figures_are_read() -> None:
    (caption,) = (line for line in latex("1", reading="50% & more") if r"\caption" in line)
    assert caption == r"% \caption{s. 50\% \& more.}"


def a_table_of_each_kind(contents: Contents) -> Iterator[Summary]:
    """What `show`, `show --wide`, `compare`, `compare --hardware` and `claims check` draw."""
    for wide in (False, True):
        yield summarise(contents.result, contents.environment, by="load", wide=wide)
    sides = [replace(side_of(contents), name=f"{name} {ODD}") for name in "AB"]
    columns = columns_of([], wide=True)
    metrics = [column.metric for column in columns]
    comparison = compare(sides, metrics=metrics, group=GROUPINGS["load"])
    yield comparison_table(comparison, columns, by="load")
    yield frontier_table(comparison, frontier(comparison, Given(prices={"cpu": 0.5})))
    yield verdict_table(judged(contents, parse_spec(SPEC + CLAIMS, path="spec.yaml")))


def in_a_paper(table: str) -> str:
    """Return a drawn table with caption and label as its comments say to put them around it."""
    told = [line.removeprefix("% ") for line in table.splitlines()]
    around = [line for line in told if line.startswith((r"\caption", r"\label"))]
    assert len(around) == 2
    return "\n".join([r"\begin{table}", table, *around, r"\end{table}"])


@pytest.mark.slow
def test_latex_compiles(good: GoodBundle, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        lacking("no TeX is installed")
    tables = [
        replace(
            table,
            title=ODD,
            rows=(
                *table.rows,
                tuple(ODD if isinstance(cell, str) else cell for cell in table.rows[0]),
            ),
        )
        for table in a_table_of_each_kind(good.contents)
    ]
    assert len(tables) == 5
    before = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    drawn = "\n".join(in_a_paper(render(table, "latex")) for table in tables)
    (tmp_path / "table.tex").write_text(f"{before}\n{drawn}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
