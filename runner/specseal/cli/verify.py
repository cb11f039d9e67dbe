"""`specseal verify`: is a bundle what its signature says, and does its result come out again?"""

from __future__ import annotations

from pathlib import Path

import click

from specseal.bundle import Trust
from specseal.cli.context import JSON, print_json
from specseal.cli.whom import whom


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@whom("bundle")
@JSON
def command(bundle: Path, trust: Trust, as_json: bool) -> None:
    """Check every file, the signature and the schemas of BUNDLE, and compute its result again."""
    report = trust.verify(bundle)
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report.to_text(trust=trust.required))
    report.demand(trust=trust.required)
