"""`specseal schema`: print the JSON Schema of a spec, or write what is generated from it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from specseal.bundle import write_schemas
from specseal.spec.reference import write_generated
from specseal.spec.schema import schema_text


@click.command()
@click.option(
    "--write",
    "root",
    metavar="ROOT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Write under ROOT, a checkout: the schemas that are published, and the reference.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(root: Path | None, as_json: bool) -> None:
    """Print the JSON Schema of a spec, for editors and other programs."""
    if root is None:
        click.echo(schema_text(), nl=False)
        return
    written = [str(path) for path in (*write_generated(root), *write_schemas(root))]
    click.echo(json.dumps({"written": written}) if as_json else "\n".join(written))
