"""`specseal init`: write a commented spec to start from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from specseal.spec.starter import write_starter


@click.command()
@click.argument("name", default="my-benchmark")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where to write it; the working folder by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str, directory: Path, as_json: bool) -> None:
    """Write NAME.yaml, a small spec that is valid as it is, to change into your own."""
    path = str(write_starter(name, directory))
    click.echo(json.dumps({"path": path}, ensure_ascii=False) if as_json else path)
