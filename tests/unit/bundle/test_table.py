from dataclasses import replace

import pytest

from attacks.builder import make_lock, make_run
from specseal.analysis import Metric, Result, analyse
from specseal.analysis.validity import REASONS
from specseal.bundle.notes import ABOUT_INTERVALS
from specseal.bundle.table import summarise
from specseal.columns import COLUMNS, WIDE
from specseal.drawing import Summary

RESULT = analyse(make_run(make_lock()))
ENVIRONMENT = {"runtime": "native", "isolation": "none", "pinned": "yes"}


def changed(name: str, **changes: object) -> Result:
    """The result with one metric, drafting at concurrency 1, changed."""
    where = {"speculation": "ngram", "draft_length": 2, "input": "dataset", "concurrency": 1}
    metrics = [
        replace(metric, **changes) if (metric.name, metric.where) == (name, where) else metric
        for metric in RESULT.metrics
    ]
    assert metrics != list(RESULT.metrics)
    return replace(RESULT, metrics=tuple(metrics))


def length(**where: str | float | bool) -> Metric:
    """An acceptance length of 2."""
    return Metric(
        name="acceptance_length",
        value=2.0,
        unit="tokens/step",
        low=None,
        high=None,
        n=1,
        valid=True,
        reasons=(),
        where={"speculation": "ngram", "draft_length": 2, "input": "dataset", **where},
    )


def table(*metrics: Metric, by: str = "load") -> Summary:
    return summarise(Result(analysis_version=2, metrics=metrics), ENVIRONMENT, by=by)


def row(result: Result, group: str, by: str = "load", drafting: str = "ngram 2") -> dict[str, str]:
    summary = summarise(result, ENVIRONMENT, by=by)
    (found,) = (cells for cells in summary.rows if cells[:2] == (group, drafting))
    return dict(zip(summary.headers, map(str, found), strict=True))


def test_every_column_shows_a_metric_that_there_is() -> None:
    # Some are only there where objectives, a reduced vocabulary or accelerators are.
    conditional = {
        "goodput",
        "goodput_share",
        "drafter_vocabulary_coverage",
        "accelerator_energy_per_output_token",
    }
    shown = {column.metric for column in (*COLUMNS, *WIDE)}
    assert shown - {metric.name for metric in RESULT.metrics} == conditional


def test_row_has_the_figures_of_its_load() -> None:
    assert row(RESULT, "1") == {
        "concurrency": "1",
        "drafting": "ngram 2",
        "AL": "1.33 !",  # short answers that a stop ended: what was cut could matter
        "accepted %": "25.0",
        "TTFT p50 ms": "50.0",
        "TPOT p50 ms": "10.00",
        "user tok/s": "53.5",
        "output tok/s": "5.9",
        "speedup user": "1.21 [1.21, 1.22]",
        "speedup output": "1.00",
        "identical %": "100.0",
    }


def test_wide_table_adds_columns_of_what_there_is() -> None:
    headers = summarise(RESULT, ENVIRONMENT, by="load", wide=True).headers
    assert headers[:11] == summarise(RESULT, ENVIRONMENT, by="load").headers
    assert {"AL drafted", "AL harness", "TTFT p99 ms", "package J/tok"} <= set(headers)
    assert "goodput /s" not in headers


def test_row_of_the_baseline_has_no_acceptance_and_comes_first() -> None:
    cells = row(RESULT, "1", drafting="none")
    assert (cells["AL"], cells["accepted %"], cells["speedup user"]) == ("–", "–", "–")
    assert cells["output tok/s"] == "5.9"
    rows = summarise(RESULT, ENVIRONMENT, by="load").rows
    assert [cells[:2] for cells in rows] == [
        ("1", "none"), ("1", "ngram 2"), ("2", "none"), ("2", "ngram 2"),
    ]  # fmt: skip


def test_rows_can_be_categories() -> None:
    assert row(RESULT, "coding", by="category")["drafting"] == "ngram 2"
    assert row(RESULT, "math", by="category")["AL"] == "1.33 !"


def test_loads_are_in_order_of_their_numbers() -> None:
    summary = table(*(length(concurrency=level) for level in (16, 2, 128, 1)))
    assert [cells[0] for cells in summary.rows] == ["1", "2", "16", "128"]


def test_open_loads_are_named_by_their_rate() -> None:
    summary = table(length(rate=10.0), length(rate=2.5))
    assert summary.headers[0] == "rate"
    assert [cells[0] for cells in summary.rows] == ["2.5", "10"]


def test_input_is_a_column_where_there_are_two() -> None:
    summary = table(length(concurrency=1), length(concurrency=1, input="random"))
    assert summary.headers[:3] == ("input", "concurrency", "drafting")
    assert [cells[0] for cells in summary.rows] == ["dataset", "random"]


def test_only_input_is_said_of_the_whole_table_where_it_is_not_the_usual_one() -> None:
    assert table(length(concurrency=1)).setting == "runtime: native · isolation: none · pinned: yes"
    assert table(length(concurrency=1, input="random")).setting.endswith(" · input: random")


@pytest.mark.parametrize(("hardware", "told"), [("any", " · hardware: any"), ("as_locked", "")])
def test_hardware_is_shown_where_other_than_the_locks_was_allowed(hardware: str, told: str) -> None:
    result = Result(analysis_version=2, metrics=(length(concurrency=1),))
    shown = summarise(result, {**ENVIRONMENT, "hardware": hardware}, by="load").setting
    assert shown == f"runtime: native · isolation: none · pinned: yes{told}"


def test_what_a_sweep_varies_is_a_column_by_the_last_part_of_its_path() -> None:
    summary = table(
        *(length(concurrency=1, **{"drafter.args.num": value}) for value in (12, 3)),
    )
    assert summary.headers[:2] == ("num", "concurrency")
    assert [cells[0] for cells in summary.rows] == ["3", "12"]


def test_paths_that_end_alike_are_columns_by_the_whole_path() -> None:
    paths = ("drafter.args.size", "engine.size", "workload.load.rate")
    summary = table(
        *(length(concurrency=1, **dict.fromkeys(paths, value)) for value in (True, False)),
    )
    assert summary.headers[:3] == paths
    assert [cells[0] for cells in summary.rows] == ["false", "true"]


def test_figure_over_all_loads_or_over_both_inputs_has_no_row() -> None:
    overall = length()
    across = {key: value for key, value in length(concurrency=1).where.items() if key != "input"}
    assert table(overall, replace(overall, where=across)).rows == ()


def test_figure_that_is_not_valid_is_marked_and_explained() -> None:
    result = changed("ttft_p50", valid=False, reasons=("client_bottleneck",))
    assert row(result, "1")["TTFT p50 ms"] == "50.0 !"
    assert row(result, "2")["TTFT p50 ms"] == "50.0"
    notes = summarise(result, ENVIRONMENT, by="load").notes
    assert any(
        note.startswith("client_bottleneck: A process of the load generator")
        and note.endswith("(TTFT p50 ms: ngram 2 at 1)")
        for note in notes
    )


def test_code_is_explained_once_with_all_that_it_is_about() -> None:
    result = replace(
        RESULT,
        metrics=tuple(
            replace(metric, valid=False, reasons=("machine_busy",))
            if metric.name in ("tpot_p50", "ttft_p50", "acceptance_length")
            and (metric.name != "acceptance_length" or metric.where.get("concurrency") == 2)
            else metric
            for metric in RESULT.metrics
        ),
    )
    notes = summarise(result, ENVIRONMENT, by="load").notes
    (note,) = [note for note in notes if note.startswith("machine_busy: ")]
    assert note.endswith(" (AL: ngram 2 at 2; TTFT p50 ms, TPOT p50 ms: all)")


def test_figure_that_is_not_there_is_explained() -> None:
    result = changed("acceptance_rate", value=None, valid=False, reasons=("no_counters",))
    assert row(result, "1")["accepted %"] == "–"
    notes = summarise(result, ENVIRONMENT, by="load").notes
    assert any(note.startswith("no_counters: ") for note in notes)


def test_column_without_a_figure_is_left_out_and_explained() -> None:
    absent = replace(length(concurrency=1), value=None, valid=False, reasons=("no_counters",))
    summary = table(absent)
    assert summary.headers == ("concurrency", "drafting")
    assert summary.notes == ("no_counters: The engine has no such counter. (AL: all)",)


def test_missing_interval_is_explained_only_where_intervals_are_shown() -> None:
    lacking = replace(length(concurrency=1), reasons=("fewer_than_3_launches",))
    assert table(lacking).notes == ()
    assert table(replace(lacking, name="speedup_output_tps")).notes


def test_codes_about_intervals_are_codes_that_there_are() -> None:
    assert REASONS.keys() >= ABOUT_INTERVALS


def test_reason_that_this_version_does_not_know_is_still_shown() -> None:
    result = changed("ttft_p50", valid=False, reasons=("from_the_future",))
    notes = summarise(result, ENVIRONMENT, by="load").notes
    assert any(note.startswith("from_the_future: ") for note in notes)


def test_run_without_speculation_shows_the_baseline_and_no_empty_columns() -> None:
    metrics = tuple(m for m in RESULT.metrics if m.where["speculation"] == "none")
    cells = row(replace(RESULT, metrics=metrics), "1", drafting="none")
    assert cells["output tok/s"] == "5.9"
    assert "AL" not in cells
    assert "speedup user" not in cells


@pytest.mark.parametrize("key", ["category", "input", "engine.\x1b[2J"])
def test_text_that_would_command_the_terminal_is_shown_escaped(key: str) -> None:
    values = ("\x1b[2J", "\x1b[3J")
    where = {"category": "math"} if key != "category" else {}
    summary = table(*(length(**{**where, key: value}) for value in values), by="category")
    assert len(summary.rows) == 2
    assert "\x1b" not in "".join(
        (*summary.headers, *(str(cell) for row in summary.rows for cell in row))
    )
