"""The `specseal` command: gathers the commands, and turns errors into messages and exit codes."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click

import specseal
from specseal.cli import (
    build,
    doctor,
    init,
    keys,
    lock,
    run,
    schema,
    show,
    validate,
    verify,
)
from specseal.errors import RunFailed, SpecsealError

_COMMANDS = {
    "init": init.command,
    "validate": validate.command,
    "lock": lock.command,
    "build": build.command,
    "run": run.command,
    "verify": verify.command,
    "show": show.command,
    "keys": keys.command,
    "doctor": doctor.command,
    "schema": schema.command,
}


@click.group(commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(specseal.__version__, prog_name="specseal")
def group() -> None:
    """Make speculative-decoding benchmarks that can be handed over, checked and re-run.

    Exit codes: 0 it holds, 1 the answer is not yes, 2 bad input, 3 this machine lacks something,
    4 the run failed (finished jobs are kept: run again to go on).
    """


def main() -> None:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
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
    sys.exit(code if isinstance(code, int) else 0)


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
