"""`specseal claims`: published numbers as a spec holds them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from specseal.atomic import write_new
from specseal.bundle import CLAIMED, claim_results, open_bundle
from specseal.cli.check_claims import check
from specseal.cli.context import JSON, print_json, tell


@click.group()
def command() -> None:
    """Work with claims: numbers, each with its source, that a spec is to reproduce."""


@command.command("from")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the spec; a file that is there stays. Without: stdout.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(CLAIMED),
    help="What to claim; may be repeated. Without: all of these.",
)
@JSON
def from_bundle(bundle: Path, output: Path | None, metrics: tuple[str, ...], as_json: bool) -> None:
    """Write the spec of BUNDLE again, with its figures as claims for others to reproduce.

    Acceptance lengths are claimed by category and over all, with the tolerance that they have by
    themselves; outputs at concurrency 1 and temperature 0. BUNDLE must be intact; who signed it is
    not asked. What is not valid is not claimed, and said.
    """
    claiming = claim_results(open_bundle(bundle), metrics or CLAIMED)
    if output is not None:
        write_new(output, claiming.text.encode())
    if claiming.replaced:
        tell(f"replaced: the claims that the bundle's spec had ({claiming.replaced})")
    for one in claiming.left_out:
        tell(f"left out: {one.metric}, {len(one.where)} figures: {one.reason}")
    tell(
        "these claims are answered by a new run: where the bundle was measured, "
        "`specseal run SPEC --fresh`, or its jobs are taken over"
    )
    if as_json:
        document = asdict(claiming)
        text = document.pop("text")
        print_json({"path": str(output)} | document if output else {"spec": text} | document)
    elif output is not None:
        click.echo(output)
    else:
        click.echo(claiming.text, nl=False)


command.add_command(check)
