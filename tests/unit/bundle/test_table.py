import csv
import io
from dataclasses import replace

import pytest

from attacks.builder import make_lock, make_run
from specseal.analysis import Metric, Result, analyse
from specseal.bundle.table import COLUMNS, FORMATS, render, summarise

RESULT = analyse(make_run(make_lock()))
ENVIRONMENT = {"runtime": "native", "isolation": "none"}


def changed(name: str, **changes: object) -> Result:
    """The result with one metric, drafting at concurrency 1, changed."""
    where = {"speculation": "ngram", "draft_length": 2, "concurrency": 1}
    metrics = [
        replace(metric, **changes) if (metric.name, metric.where) == (name, where) else metric
        for metric in RESULT.metrics
    ]
    assert metrics != list(RESULT.metrics)
    return replace(RESULT, metrics=tuple(metrics))


def row(
    result: Result, group: str, by: str = "concurrency", drafting: str = "ngram 2"
) -> dict[str, str]:
    summary = summarise(result, ENVIRONMENT, by=by)
    (found,) = (cells for cells in summary.rows if cells[:2] == (group, drafting))
    return dict(zip(summary.headers, found, strict=True))


def test_every_column_shows_a_metric_that_there_is() -> None:
    assert {column.metric for column in COLUMNS} <= {metric.name for metric in RESULT.metrics}


def test_row_has_the_figures_of_its_load() -> None:
    assert row(RESULT, "1") == {
        "concurrency": "1",
        "drafting": "ngram 2",
        "AL": "1.33",
        "AL drafted": "1.50",
        "AL harness": "1.25",
        "accepted %": "25.0",
        "TTFT p50 ms": "50.0",
        "TPOT p50 ms": "10.00",
        "user tok/s": "53.5",
        "output tok/s": "5.9",
        "speedup user": "1.21 [1.21, 1.22]",
        "speedup output": "1.00",
        "identical %": "100.0",
    }


def test_row_of_the_baseline_has_no_acceptance_and_comes_first() -> None:
    cells = row(RESULT, "1", drafting="none")
    assert (cells["AL"], cells["accepted %"], cells["speedup user"]) == ("–", "–", "–")
    assert cells["output tok/s"] == "5.9"
    rows = summarise(RESULT, ENVIRONMENT, by="concurrency").rows
    assert [cells[:2] for cells in rows] == [
        ("1", "none"), ("1", "ngram 2"), ("2", "none"), ("2", "ngram 2"),
    ]  # fmt: skip


def test_rows_can_be_categories() -> None:
    assert row(RESULT, "coding", by="category")["drafting"] == "ngram 2"
    assert row(RESULT, "math", by="category")["AL"] == "1.33"


def test_loads_are_in_order_of_their_numbers() -> None:
    metrics = [
        Metric(
            name="acceptance_length", value=2.0, unit="tokens", low=None, high=None, n=1,
            valid=True, reasons=(),
            where={"speculation": "ngram", "draft_length": 2, "concurrency": level},
        )
        for level in (16, 2, 128, 1)
    ]  # fmt: skip
    summary = summarise(replace(RESULT, metrics=tuple(metrics)), ENVIRONMENT, by="concurrency")
    assert [cells[0] for cells in summary.rows] == ["1", "2", "16", "128"]


def test_figure_that_is_not_valid_is_marked_and_explained() -> None:
    result = changed("ttft_p50", valid=False, reasons=("client_bottleneck",))
    assert row(result, "1")["TTFT p50 ms"] == "50.0 !"
    assert row(result, "2")["TTFT p50 ms"] == "50.0"
    notes = summarise(result, ENVIRONMENT, by="concurrency").notes
    assert any(
        note.startswith("client_bottleneck: The load generator")
        and "(TTFT p50 ms: ngram 2 at 1)" in note
        for note in notes
    )


def test_figure_that_is_not_there_is_explained() -> None:
    result = changed("acceptance_rate", value=None, valid=False, reasons=("no_counters",))
    assert row(result, "1")["accepted %"] == "–"
    notes = summarise(result, ENVIRONMENT, by="concurrency").notes
    assert any(note.startswith("no_counters: ") for note in notes)


def test_reason_that_this_version_does_not_know_is_still_shown() -> None:
    result = changed("ttft_p50", valid=False, reasons=("from_the_future",))
    notes = summarise(result, ENVIRONMENT, by="concurrency").notes
    assert any(note.startswith("from_the_future: ") for note in notes)


def test_run_without_speculation_shows_the_baseline() -> None:
    metrics = tuple(m for m in RESULT.metrics if m.where["speculation"] == "none")
    cells = row(replace(RESULT, metrics=metrics), "1", drafting="none")
    assert cells["output tok/s"] == "5.9"
    assert cells["speedup user"] == "–"


def test_category_that_would_command_the_terminal_is_shown_escaped() -> None:
    metrics = [
        replace(metric, where={**metric.where, "category": "\x1b[2J"})
        for metric in RESULT.metrics
        if metric.where.get("category") == "math"
    ]
    summary = summarise(replace(RESULT, metrics=tuple(metrics)), ENVIRONMENT, by="category")
    assert {cells[0] for cells in summary.rows} == {"\\x1b[2J"}
    assert "\x1b" not in render(summary, "simple")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_runtime_and_isolation(form: str) -> None:
    text = render(summarise(RESULT, ENVIRONMENT, by="concurrency"), form)
    assert "runtime: native · isolation: none" in text
    assert "1.21 [1.21, 1.22]" in text


def test_csv_can_be_read_by_a_program() -> None:
    text = render(summarise(RESULT, ENVIRONMENT, by="concurrency"), "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [line["concurrency"] for line in rows] == ["1", "1", "2", "2"]
    assert rows[1]["speedup user"] == "1.21 [1.21, 1.22]"


def test_latex_keeps_everything_but_the_table_in_comments() -> None:
    text = render(summarise(RESULT, ENVIRONMENT, by="concurrency"), "latex")
    table, after = text.split("\\end{tabular}\n")
    assert table.startswith("\\begin{tabular}")
    assert all(line.startswith("% ") for line in after.splitlines())
