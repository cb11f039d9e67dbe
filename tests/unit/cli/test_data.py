"""`specseal data` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from specseal.cli import data
from specseal.errors import AnswerIsNo, InputError, MachineLacks, SpecError
from specseal.lock import ImportedCopy, NotCounted
from speedbench import WORDS, good_rows, write_json_lines, write_parquet

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call it with a cache and a configuration of its own; words are counted for tokens."""
    monkeypatch.setenv("SPECSEAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SPECSEAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "open_counter", lambda cache: WORDS)

    def called(*words: str | Path, stdin: str | None = None) -> Result:
        return CliRunner().invoke(data.command, [str(word) for word in words], input=stdin)

    return called


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prepared folder."""
    for config in ("qualitative", "throughput_1k"):
        write_parquet(tmp_path / "prepared", config, good_rows(config))
    return tmp_path / "prepared"


def test_where_nothing_was_imported_that_is_said_with_how_to_get_it(call: Call) -> None:
    listed = call("list")
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "no copy of SPEED-Bench is on this machine" in listed.stderr
    assert "specseal data import PATH" in listed.stderr
    assert "specseal data prepare speed-bench" in listed.stderr
    listed = call("list", "--json")
    assert json.loads(listed.stdout) == []


def test_what_comes_in_is_listed_shown_and_removed(call: Call, folder: Path) -> None:
    brought = call("import", folder)
    assert brought.exit_code == 0, brought.output
    assert call("list").stdout == brought.stdout
    lines = [line.split() for line in brought.stdout.splitlines()]
    assert [line[1:4] for line in lines] == [
        ["qualitative", "880", "rows"], ["throughput_1k", "1536", "rows"],
    ]  # fmt: skip
    shown = call("show", lines[1][0]).stdout
    assert "lengths: checked by words" in brought.stdout
    assert "low_entropy     512 rows; turns: 512 of 1; 1000 to 1000 tokens" in shown
    assert "go go" not in shown
    removed = call("remove", "throughput_1k")
    assert removed.stdout == f"{lines[1][0]}  throughput_1k  removed\n"
    assert "what locks and runs have made of it stays, with its prompts, in" in removed.stderr
    assert str(folder.parent / "cache") in removed.stderr
    assert len(call("list").stdout.splitlines()) == 1


def test_each_answer_is_one_json_document(call: Call, folder: Path) -> None:
    brought = json.loads(call("import", folder, "--json").stdout)
    assert json.loads(call("list", "--json").stdout) == brought
    shown = json.loads(call("show", "qualitative", "--json").stdout)
    assert shown == brought[0]
    assert shown["conversations"]["coding"] == {"1": 53, "2": 27}
    assert shown["revision"] is None
    assert json.loads(call("remove", "qualitative", "--json").stdout) == {
        "removed": shown["sha256"], "config": "qualitative",
    }  # fmt: skip


def test_one_configuration_may_be_asked_for(call: Call, folder: Path) -> None:
    brought = call("import", folder, "--config", "throughput_1k")
    assert [line.split()[1] for line in brought.stdout.splitlines()] == ["throughput_1k"]


def test_lengths_that_were_not_checked_are_said_to_be_so_everywhere(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = NotCounted(reason="tiktoken is not installed")
    monkeypatch.setattr(data, "open_counter", lambda cache: nobody)
    path = write_json_lines(tmp_path, "throughput_2k", good_rows("throughput_2k", words=3))
    brought = call("import", path)
    assert "lengths are NOT checked: tiktoken is not installed" in brought.stderr
    assert "pip install 'specseal[speed-bench]'" in brought.stderr
    for told in (brought, call("list"), call("show", "throughput_2k")):
        assert "not checked (tiktoken is not installed)" in told.stdout


def test_broken_folder_is_refused_by_row(call: Call, tmp_path: Path) -> None:
    rows = good_rows("qualitative")
    rows[4]["turns"] = [" "]
    write_parquet(tmp_path / "prepared", "qualitative", rows)
    result = call("import", tmp_path / "prepared")
    assert isinstance(result.exception, SpecError)
    assert "test.parquet:5:1: turns: expected a list of texts" in str(result.exception)
    assert call("list").stdout == ""


def test_copy_that_is_not_there_is_not_shown(call: Call) -> None:
    assert isinstance(call("show", "qualitative").exception, MachineLacks)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was asked to be prepared; nothing is."""
    asked: list[tuple[str, ...]] = []

    def prepare(configs: tuple[str, ...], **_: Any) -> list[ImportedCopy]:
        asked.append(configs)
        return []

    monkeypatch.setattr(data, "prepare_speed_bench", prepare)
    return asked


def test_terms_are_never_taken_as_accepted_where_nobody_can_be_asked(
    call: Call, prepared: list[tuple[str, ...]]
) -> None:
    result = call("prepare", "speed-bench")
    assert isinstance(result.exception, InputError)
    assert "--accept-licences" in result.exception.mend
    assert "NVIDIA Evaluation Dataset License Agreement" in result.stderr
    assert prepared == []


def test_terms_accepted_by_the_flag_are_listed_and_remembered(
    call: Call, prepared: list[tuple[str, ...]]
) -> None:
    first = call("prepare", "speed-bench", "--accept-licences", "--config", "qualitative")
    assert "cais/hle" in first.stderr
    second = call("prepare", "speed-bench")
    assert (second.exit_code, second.stderr) == (0, "")
    assert prepared == [("qualitative",), ()]


@pytest.mark.parametrize(("said", "accepted"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_person_at_a_terminal_is_asked(
    said: str, accepted: bool, call: Call, prepared: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(data, "_can_ask", lambda: True)
    result = call("prepare", "speed-bench", stdin=said)
    assert "Do you accept them?" in result.stderr
    assert prepared == ([()] if accepted else [])
    assert (result.exit_code == 0) == accepted
    if not accepted:
        assert isinstance(result.exception, AnswerIsNo)
