"""`specseal engines`: which engine honours which drafting method, where, and how that is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from tabulate import tabulate

from specseal.cli.context import JSON, print_json
from specseal.engines import CAPABILITIES
from specseal.engines.reference import COLUMNS, REFERENCE_FILE, WIDE, cells, render_engines


@click.command()
@click.option(
    "--write",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help=f"Write {REFERENCE_FILE} into this checkout instead of printing.",
)
@click.option("--wide", is_flag=True, help="Show flags and sources, too.")
@JSON
def command(write: Path | None, wide: bool, as_json: bool) -> None:
    """Show what engines can do: method by accelerator, with the evidence for each row."""
    rows = CAPABILITIES.rows()
    if write is not None:
        (write / REFERENCE_FILE).write_text(render_engines(rows), encoding="utf-8")
        click.echo(REFERENCE_FILE)
    elif as_json:
        print_json({"capabilities": [asdict(row) for row in rows]})
    else:
        headers = WIDE if wide else COLUMNS
        shown = [cells(row)[: len(headers)] for row in rows]
        click.echo(tabulate(shown, headers=headers, tablefmt="simple"))
