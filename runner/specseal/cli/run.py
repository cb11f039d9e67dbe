"""`specseal run`: from a spec to a sealed and verified bundle."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.bench import Clock, run_spec
from specseal.cli.context import JSON, RUNTIME, SPEC, print_json, settings, tell
from specseal.cli.progress import watching
from specseal.cli.show import as_document, as_table


@click.command()
@SPEC
@RUNTIME
@JSON
def command(spec: Path, runtime: str, as_json: bool) -> None:
    """Lock SPEC if needed, build, measure, seal and verify; print the table and the bundle's path.

    Run again after a failure, it goes on from the jobs that have finished.
    """
    clock = Clock.of_this_process()
    with watching() as watcher:
        done = run_spec(spec, runtime=runtime, settings=settings(), watcher=watcher, clock=clock)
    bundle = done.contents
    if as_json:
        print_json({"path": str(done.bundle), **as_document(bundle)})
        return
    click.echo(as_table(bundle))
    tell(
        "where the time went: "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in clock.spent_s.items())
    )
    click.echo(done.bundle)
