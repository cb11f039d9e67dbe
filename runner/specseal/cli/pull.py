"""`specseal pull`: bring a bundle here, verified."""

from __future__ import annotations

import os
from pathlib import Path

import click

from specseal.bundle import Trust
from specseal.cli.context import IDENTITY, JSON, print_json, settings, tell
from specseal.cli.whom import whom
from specseal.digests import Digest
from specseal.pull import open_site, pull


@click.command()
@click.argument("source")
@click.argument("into", required=False, type=click.Path(path_type=Path))
@whom("source")
@click.option(
    "--identity",
    "expected",
    type=IDENTITY,
    help="What the bundle's identity must be: the SHA-256 that was cited.",
)
@JSON
def command(
    source: str,
    into: Path | None,
    trust: Trust,
    expected: Digest | None,
    as_json: bool,
) -> None:
    """Bring the bundle at SOURCE into the folder INTO, which appears once it is verified.

    SOURCE is oci://HOST/NAME:TAG, oci://HOST/NAME@sha256:DIGEST (the identity, or the manifest's
    digest there), a zip file, or a folder.
    """
    with open_site(settings(), os.environ) as site:
        pulled = pull(source, into, site=site, trust=trust, say=tell, expected=expected)
    if as_json:
        print_json(pulled.to_dict())
        return
    click.echo(f"bundle sha256:{pulled.bundle}")
    click.echo(pulled.path)
