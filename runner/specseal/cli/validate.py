"""`specseal validate`: check specs without running anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from specseal.engines import CAPABILITIES
from specseal.errors import SpecError
from specseal.spec import problems_in


@click.command()
@click.argument(
    "specs", nargs=-1, required=True, metavar="SPEC...", type=click.Path(path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(specs: tuple[Path, ...], as_json: bool) -> None:
    """Check specs and show every problem with its line and column."""
    checked = [(str(path), problems_in(path, capabilities=CAPABILITIES)) for path in specs]
    if as_json:
        rows = [
            {"path": path, "valid": not problems, "problems": [asdict(one) for one in problems]}
            for path, problems in checked
        ]
        click.echo(json.dumps({"specs": rows}, ensure_ascii=False))
    else:
        for path, problems in checked:
            if not problems:
                click.echo(f"{path}: ok")
    if found := [problem for _, problems in checked for problem in problems]:
        raise SpecError(found)
