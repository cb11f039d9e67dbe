"""The `specseal` command: gathers the commands, and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from types import FrameType

import click

import specseal
from specseal.errors import MachineLacks, RunFailed, SpecsealError
from specseal.terminal import printable_lines

_NAMES = (
    "init", "validate", "plan", "data", "lock", "build", "run", "verify", "show", "compare",
    "reproduce", "cite", "query", "index", "claims", "publish", "pull", "attest", "keys", "engines",
    "doctor", "schema",
)  # fmt: skip


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each imported when it is asked for: all of them take a second."""

    def __init__(self) -> None:
        self._known: dict[str, click.Command | None] = dict.fromkeys(_NAMES)

    def __getitem__(self, name: str) -> click.Command:
        command = self._known[name]
        if command is None:
            found: click.Command = import_module(f"specseal.cli.{name}").command
            command = self._known[name] = found
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@click.group(
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(specseal.__version__, prog_name="specseal")
def group() -> None:
    """Make speculative-decoding benchmarks that can be handed over, checked and re-run.

    Exit codes: 0 it holds, 1 the answer is not yes, 2 bad input, 3 this machine lacks something,
    4 the run failed (finished jobs are kept: run again to go on).
    """


def main() -> None:
    """Run the command line and exit."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and so it stays
            signal.signal(number, _interrupt)
    try:
        code = group.main(standalone_mode=False)
    except SpecsealError as error:
        code = _say(f"error: {error}", error.exit_code)
    except click.exceptions.Abort:
        code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    except click.ClickException as error:
        error.show()
        code = 2
    except OSError as error:
        code = _say(f"error: {_of_this_machine(error)}", MachineLacks.exit_code)
    except Exception:  # noqa: BLE001  (a fault of specseal's own: not an answer, which 1 would be)
        text = f"{traceback.format_exc()}error: specseal itself failed, see above"
        code = _say(text, RunFailed.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _of_this_machine(error: OSError) -> MachineLacks:
    """Say which file or folder this machine does not give, or which address does not answer."""
    what = error.strerror or str(error) or type(error).__name__
    return MachineLacks(
        f"{error.filename}: {what}" if error.filename else what,
        mend="free some space"
        if error.errno == errno.ENOSPC
        else "see that it is there and that this user may use it; folders can be set in "
        "specseal.toml, and `specseal doctor` says what else is missing",
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _interrupted() -> int:
    return _say(
        "error: interrupted\n  mend: run again to go on: finished jobs are kept",
        RunFailed.exit_code,
    )


def _say(text: str, code: int) -> int:
    click.echo(printable_lines(text), err=True)
    return code
