"""`specseal show`: the figures of a bundle, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specseal.bundle import FORMATS, GROUPINGS, Contents, beside, open_bundle, render, summarise
from specseal.cli.context import JSON, print_json


@click.command()
@click.argument(
    "bundles", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path)
)
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
def command(bundles: tuple[Path, ...], form: str, by: str, wide: bool, as_json: bool) -> None:
    """Show the result in BUNDLE, once it has proven intact; who signed it is not asked.

    Several stand side by side in one table, which says of prompts, model files and the rest whether
    they are equal.
    """
    opened = [open_bundle(bundle) for bundle in bundles]
    if as_json:
        documents = [as_document(contents) for contents in opened]
        print_json(documents[0] if len(documents) == 1 else {"bundles": documents})
    elif len(opened) == 1:
        click.echo(as_table(opened[0], form=form, by=by, wide=wide))
    else:
        click.echo(render(beside(opened, by=by, wide=wide), form))


def as_document(contents: Contents) -> dict[str, Any]:
    """Return a bundle's identity, recipe, setting and result as plain JSON types."""
    return contents.to_document()


def as_table(
    contents: Contents, *, form: str = FORMATS[0], by: str = "load", wide: bool = False
) -> str:
    """Return a bundle's summary, drawn."""
    return render(summarise(contents.result, contents.environment, by=by, wide=wide), form)
