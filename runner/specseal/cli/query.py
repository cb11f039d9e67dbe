"""`specseal query`: ask many bundles at once, in SQL."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from specseal.bundle import query
from specseal.cli.context import JSON, print_json
from specseal.words import printable

FORMS = {
    "simple": "simple",
    "github": "github",
    "markdown": "github",
    "latex": "latex_booktabs",
    "csv": "",
}
"""Name of a format → tabulate's."""


@click.command()
@click.argument("sql")
@click.argument(
    "places", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path)
)
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="simple")
@JSON
def command(sql: str, places: tuple[Path, ...], form: str, as_json: bool) -> None:
    """Answer one SELECT over the tables bundles, metrics, records and telemetry.

    They are made of every BUNDLE, or of those below a folder. What is read is held against the
    bundles' signatures; whether results come out of records again is for `specseal verify`, and who
    signed is the column `signer` of bundles.
    """
    answer = query(sql, places)
    if as_json:
        print_json(answer.to_dict())
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        rows = [[_shown(cell) for cell in row] for row in answer.rows]
        headers = [printable(name) for name in answer.columns]
        click.echo(tabulate(rows, headers=headers, tablefmt=FORMS[form]))


def _shown(cell: Any) -> Any:
    """Return a cell for a terminal: what is in a bundle may be anybody's."""
    return cell if isinstance(cell, bool | int | float | None) else printable(str(cell))
