"""`specseal run`: from a spec to a sealed and verified bundle."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.bench import Clock, Done, run_spec
from specseal.bundle import demand_outcome
from specseal.cli.context import JSON, SPEC, print_json, settings, tell
from specseal.cli.progress import watching
from specseal.cli.running import HARDWARE, RUNTIME
from specseal.cli.show import as_document, as_table
from specseal.drawing import FORMATS, render
from specseal.verdicts import judged, verdict_table


@click.command()
@SPEC
@RUNTIME
@click.option("--fresh", is_flag=True, help="Measure anew whatever has been measured before.")
@HARDWARE
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 4 where a validity check fires; a figure that can't be told exactly, or at "
    "all, is no reason.",
)
@click.option(
    "--supersedes",
    metavar="BUNDLE",
    type=click.Path(path_type=Path),
    help="The bundle that this run corrects; the new one names it.",
)
@JSON
def command(
    spec: Path,
    runtime: str,
    fresh: bool,
    hardware: str,
    strict: bool,
    supersedes: Path | None,
    as_json: bool,
) -> None:
    """Lock SPEC if needed, build, measure, seal and verify; print the table and the bundle's path.

    Run again after a failure, it goes on from the jobs that have finished. A job that fails does
    not stop the others: the bundle keeps its reason, and the exit code is 4. Whether the spec's
    claims hold is said below the table; `specseal claims check` makes it the exit code.
    """
    clock = Clock.of_this_process()
    with watching() as watcher:
        done = run_spec(
            spec,
            runtime=runtime,
            settings=settings(),
            watcher=watcher,
            clock=clock,
            fresh=fresh,
            any_hardware=hardware == "any",
            supersedes=supersedes,
        )
    _print(done, clock, as_json=as_json)
    demand_outcome(done.contents.result, strict=strict)


def _print(done: Done, clock: Clock, *, as_json: bool) -> None:
    found = judged(done.contents) if done.contents.spec.claims else None
    if as_json:
        verdicts = {"claims": found.to_document()} if found else {}
        print_json({"path": str(done.bundle), **as_document(done.contents), **verdicts})
        return
    click.echo(as_table(done.contents))
    if found:
        click.echo(f"\n{render(verdict_table(found), FORMATS[0])}\n")
    tell(clock.to_text())
    click.echo(done.bundle)
