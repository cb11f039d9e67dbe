"""`specseal lock`: resolve every input of a spec to a digest, beside the spec."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.cli.context import JSON, SPEC, print_json, settings, tell
from specseal.cli.running import RUNTIME
from specseal.engines import CAPABILITIES
from specseal.errors import AnswerIsNo
from specseal.prepare import Preparation
from specseal.programs import choose
from specseal.spec import load_spec
from specseal.spec.locked import lock_path


@click.command()
@SPEC
@RUNTIME
@click.option("--check", is_flag=True, help="Write nothing; fail where the lock is stale.")
@JSON
def command(spec: Path, runtime: str, check: bool, as_json: bool) -> None:
    """Resolve every input of SPEC to a digest, and write SPEC's lock beside it."""
    site = settings()
    loaded = load_spec(spec, capabilities=CAPABILITIES)
    name = choose(runtime, loaded, site, tell)
    preparation = Preparation(loaded, spec, runtime=name, settings=site, say=tell)
    path = lock_path(spec)
    if check:
        stale = preparation.check_lock()
        if as_json:
            print_json({"lock": str(path), "stale": list(stale)})
        if stale:
            raise AnswerIsNo(
                f"{path} is stale: {', '.join(stale)}", mend="make it again with `specseal lock`"
            )
        tell(f"{path}: every pin holds")
        return
    lock = preparation.write_lock()
    if as_json:
        print_json({"lock": str(path), "digest": lock.digest, "recipe": lock.recipe})
    else:
        click.echo(path)
