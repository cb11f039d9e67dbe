"""What commands share: settings of the working folder, and where output goes."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from specseal.cli import context, running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SPECSEAL_CONFIG", "SPECSEAL_RUNS_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_settings_are_those_of_the_working_folder(folder: Path) -> None:
    (folder / "specseal.toml").write_text('runs_dir = "results"\n')
    assert context.settings().runs_dir == folder / "results"


def test_people_are_told_on_stderr_and_answers_go_to_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    context.tell("runtime: native")
    context.print_json({"title": "größer"})
    captured = capsys.readouterr()
    assert captured.err == "runtime: native\n"
    assert json.loads(captured.out) == {"title": "größer"}
    assert "größer" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "'nowhere.yaml' does not exist"),
        (["."], "'.' is a directory"),
        (["spec.yaml", "--runtime", "podman"], "'podman' is not one of"),
    ],
)
def test_arguments_that_no_command_can_use_are_refused(
    folder: Path, arguments: list[str], message: str
) -> None:
    (folder / "spec.yaml").write_text("")
    command = running.RUNTIME(context.SPEC(click.Command("probe", callback=lambda **_: None)))
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert message in done.stderr
