"""`specseal plan`: what a spec will do, without doing any of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from specseal.cli.context import JSON, SPEC, print_json
from specseal.engines import CAPABILITIES
from specseal.outline import lines, outline
from specseal.spec import load_spec


@click.command()
@SPEC
@JSON
def command(spec: Path, as_json: bool) -> None:
    """Show the jobs of SPEC in their order, how the engine is launched, and in which image.

    Nothing is downloaded, locked or run.
    """
    outlined = outline(load_spec(spec, capabilities=CAPABILITIES))
    if as_json:
        print_json(asdict(outlined))
        return
    for line in lines(outlined):
        click.echo(line)
