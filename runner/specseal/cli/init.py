"""`specseal init`: write a commented spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.atomic import write_new
from specseal.cli.context import JSON, print_json
from specseal.spec.starter import starter_text


@click.command()
@click.argument("name", default="my-benchmark")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where to write it; the working folder by default.",
)
@JSON
def command(name: str, directory: Path, as_json: bool) -> None:
    """Write NAME.yaml, a small spec that is valid as it is, to change into your own."""
    path = directory / f"{name}.yaml"
    write_new(path, starter_text(name).encode())
    if as_json:
        print_json({"path": str(path)})
    else:
        click.echo(path)
