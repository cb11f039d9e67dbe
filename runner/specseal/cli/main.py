"""The `specseal` command: gathers the commands, and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from types import FrameType

import click

import specseal
from specseal.cli import (
    attest,
    build,
    doctor,
    engines,
    index,
    init,
    keys,
    lock,
    plan,
    publish,
    pull,
    query,
    run,
    schema,
    show,
    validate,
    verify,
)
from specseal.errors import MachineLacks, RunFailed, SpecsealError

_COMMANDS = {
    "init": init.command,
    "validate": validate.command,
    "plan": plan.command,
    "lock": lock.command,
    "build": build.command,
    "run": run.command,
    "verify": verify.command,
    "show": show.command,
    "query": query.command,
    "index": index.command,
    "publish": publish.command,
    "pull": pull.command,
    "attest": attest.command,
    "keys": keys.command,
    "engines": engines.command,
    "doctor": doctor.command,
    "schema": schema.command,
}


@click.group(
    commands=_COMMANDS,
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
        traceback.print_exc()
        code = _say("error: specseal itself failed, see above", RunFailed.exit_code)
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
    click.echo(text, err=True)
    return code
