"""`specseal index`: list bundles that lie in folders, each verified."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from pathlib import Path

import click

from specseal.atomic import write_atomically
from specseal.bundle import make_index, read_store, trusted_keys
from specseal.cli.context import JSON, print_json, settings
from specseal.errors import AnswerIsNo


@click.command()
@click.argument(
    "places", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path)
)
@click.option("--write", type=click.Path(path_type=Path), help="Write the index to this file.")
@click.option(
    "--check", type=click.Path(path_type=Path), help="Say whether this file is the index."
)
@click.option(
    "--keys",
    "stores",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The trust stores that are asked, instead of your own.",
)
@JSON
def command(
    places: tuple[Path, ...],
    write: Path | None,
    check: Path | None,
    stores: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Verify every bundle below each FOLDER, and print, write or check their index."""
    if write and check:
        raise click.UsageError("--write makes the file that --check is about: give one")
    file = write or check
    index = make_index(
        places,
        trusted=reduce(or_, map(read_store, stores)) if stores else trusted_keys(settings()),
        now=datetime.now(UTC),
        relative_to=file.parent if file else Path(),
    )
    text = json.dumps(index, ensure_ascii=False, indent=1) + "\n"
    if check is not None and (not check.is_file() or check.read_text("utf-8") != text):
        raise AnswerIsNo(
            f"{check}: not the index of the bundles that lie there",
            mend=f"write it anew: specseal index {' '.join(map(str, places))} --write {check}",
        )
    if write is not None:
        write_atomically(write, text.encode())
    if as_json:
        print_json(index)
    elif file is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{file}: {len(index['bundles'])} bundles, all verified")
