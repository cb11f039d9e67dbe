"""`specseal show`: the figures of a bundle, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specseal.bundle import FORMATS, GROUPINGS, Contents, open_bundle, render, summarise
from specseal.cli.context import JSON, print_json


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True)
@click.option(
    "--by",
    type=click.Choice(list(GROUPINGS)),
    default=next(iter(GROUPINGS)),
    show_default=True,
    help="What a row is.",
)
@click.option("--wide", is_flag=True, help="Show more columns.")
@JSON
def command(bundle: Path, form: str, by: str, wide: bool, as_json: bool) -> None:
    """Show the result in BUNDLE, once it has proven intact; who signed it is not asked."""
    contents = open_bundle(bundle)
    if as_json:
        print_json(as_document(contents))
    else:
        click.echo(as_table(contents, form=form, by=by, wide=wide))


def as_document(contents: Contents) -> dict[str, Any]:
    """Return a bundle's identity, recipe, setting and result as plain JSON types."""
    return contents.to_document()


def as_table(
    contents: Contents, *, form: str = FORMATS[0], by: str = "load", wide: bool = False
) -> str:
    """Return a bundle's summary, drawn."""
    return render(summarise(contents.result, contents.environment, by=by, wide=wide), form)
