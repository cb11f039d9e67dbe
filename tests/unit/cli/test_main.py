"""`main`: whatever a command ends with becomes one message and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import requests

from specseal.cli import context
from specseal.cli.main import group, main
from specseal.errors import MachineLacks

COMMAND = [sys.executable, "-c", "from specseal.cli import main; main()"]


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """`main` sets handlers for the whole process, which is this one."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


EndsWith = Callable[[Callable[[], object]], tuple[int, str]]


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> EndsWith:
    """Run `specseal probe`, a command that does what it is told; return exit code and stderr."""

    def call(action: Callable[[], object]) -> tuple[int, str]:
        command = click.Command("probe", callback=action)
        monkeypatch.setitem(group.commands, "probe", command)
        monkeypatch.setattr(sys, "argv", ["specseal", "probe"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return call


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


def test_a_command_that_returns_ends_with_0(ends_with: EndsWith) -> None:
    assert ends_with(lambda: None) == (0, "")


def test_an_error_of_specseal_is_told_with_its_mend_and_its_exit_code(ends_with: EndsWith) -> None:
    error = MachineLacks("no engine answers", mend="start one")
    assert ends_with(raising(error)) == (3, "error: no engine answers\n  mend: start one\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_told_as_an_interruption(number: signal.Signals, ends_with: EndsWith) -> None:
    code, said = ends_with(lambda: signal.raise_signal(number))
    assert code == 4
    assert said.strip().startswith("error: interrupted\n  mend: ")


def test_a_hangup_that_was_ignored_before_stays_ignored(ends_with: EndsWith) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert ends_with(lambda: signal.raise_signal(signal.SIGHUP)) == (0, "")


def test_a_file_that_may_not_be_used_is_named(ends_with: EndsWith) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/somewhere/wheels")
    code, said = ends_with(raising(error))
    assert code == 3
    assert said.startswith("error: /somewhere/wheels: Permission denied\n  mend: see that")


def test_a_full_disk_says_to_free_space(ends_with: EndsWith) -> None:
    code, said = ends_with(raising(OSError(errno.ENOSPC, "No space left on device", "/cache/x")))
    assert (code, said) == (
        3,
        "error: /cache/x: No space left on device\n  mend: free some space\n",
    )


def test_an_address_that_does_not_answer_is_told(ends_with: EndsWith) -> None:
    code, said = ends_with(raising(requests.ConnectionError("registry.test refused")))
    assert code == 3
    assert said.startswith("error: registry.test refused\n")


def test_what_no_command_understands_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["specseal", "benchmark"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "No such command 'benchmark'" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback_and_is_no_answer(ends_with: EndsWith) -> None:
    code, said = ends_with(lambda: 1 / 0)
    assert code == 4
    assert "ZeroDivisionError" in said
    assert said.rstrip().endswith("error: specseal itself failed, see above")


def test_a_reader_that_stops_reading_gets_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COMMAND, "schema"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert done.stderr == ""
    assert done.returncode != 0


def test_a_cache_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    spec = Path(__file__).parents[3] / "specs" / "quickstart.yaml"
    (tmp_path / "quickstart.yaml").write_bytes(spec.read_bytes())
    done = subprocess.run(
        [*COMMAND, "lock", "quickstart.yaml", "--runtime", "native"],
        cwd=tmp_path,
        env={**os.environ, "SPECSEAL_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert f"error: {tmp_path / 'cache'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_server_wrote_commands_no_terminal(ends_with: EndsWith) -> None:
    for kind, code in ((MachineLacks, 3), (KeyError, 4)):

        def fail(kind: type[Exception] = kind) -> None:
            context.tell("said: \x1b[2J")
            raise kind("sent \x1b]0;name\x07 and\nmore")

        found, text = ends_with(fail)
        assert found == code
        assert "\\x1b[2J" in text
        assert "\\x1b]0;name" in text
        assert "\x1b" not in text
