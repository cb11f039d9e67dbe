"""`specseal publish`: bring a bundle to a place from which it can be pulled."""

from __future__ import annotations

import os
from pathlib import Path

import click

from specseal.bundle import Trust
from specseal.cli.context import JSON, print_json, settings, tell
from specseal.cli.whom import whom
from specseal.publish import publish
from specseal.pull import open_site


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("target")
@whom("bundle")
@JSON
def command(bundle: Path, target: str, trust: Trust, as_json: bool) -> None:
    """Verify BUNDLE and bring it to TARGET.

    TARGET is oci://HOST/NAME[:TAG], a file that ends in .zip, or a folder.
    """
    with open_site(settings(), os.environ) as site:
        published = publish(bundle, target, site=site, trust=trust, say=tell)
    if as_json:
        print_json(published.to_dict())
        return
    click.echo(f"bundle sha256:{published.bundle}")
    click.echo(published.where)
    for path in published.beside:
        click.echo(path)
