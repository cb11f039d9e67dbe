"""`specseal claims check`: hold claims against a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.cli.context import JSON, print_json
from specseal.drawing import FORMATS, render
from specseal.verdicts import check_claims, verdict_table


@click.command("check")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--of",
    metavar="SPEC",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The spec whose claims they are. Without: the bundle's own.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True)
@JSON
def check(bundle: Path, of: Path | None, form: str, as_json: bool) -> None:
    """Say of each claim whether it holds in BUNDLE: reproduced, not reproduced, inconclusive, or
    not comparable, and why.

    BUNDLE must be intact; who signed it is not asked. The exit code is 1 unless every claim is
    reproduced.
    """
    judged = check_claims(bundle, of=of)
    if as_json:
        print_json(judged.to_document())
    else:
        click.echo(render(verdict_table(judged), form))
    judged.demand()
