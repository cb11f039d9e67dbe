"""`specseal show`: the figures of a bundle, for people and for programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from specseal.bundle import Contents, open_bundle, summarise
from specseal.cli.context import JSON, print_json
from specseal.cli.tables import BY, FORMAT, WIDE
from specseal.drawing import FORMATS, render


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@FORMAT
@BY
@WIDE
@JSON
def command(bundle: Path, form: str, by: str, wide: bool, as_json: bool) -> None:
    """Show the result in BUNDLE, once it has proven intact; who signed it is not asked.

    Several bundles are set side by side by `specseal compare`.
    """
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
    summary = summarise(contents.result, contents.environment, by=by, wide=wide)
    named = replace(
        summary,
        records=tuple({"bundle": contents.manifest, **one} for one in summary.records),
        title=contents.spec.title,
        label=f"specseal-{contents.spec.name}-{contents.manifest[:12]}",
    )
    return render(named, form)
