"""`specseal keys`: the key that seals bundles here, and the keys that are trusted here."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.bundle import create_trusted_key, read_public_key, trust, trusted_keys
from specseal.cli.context import JSON, print_json, settings


@click.group()
def command() -> None:
    """Make a signing key, and say whose keys are trusted."""


@command.command()
@JSON
def create(as_json: bool) -> None:
    """Make this site's signing key, readable by you alone, and trust it here."""
    site = settings()
    key = create_trusted_key(site)
    if as_json:
        print_json({"key": key.digest, "path": str(site.signing_key)})
    else:
        click.echo(f"{key.digest}  {site.signing_key}")


@command.command("list")
@JSON
def list_keys(as_json: bool) -> None:
    """List the keys that are trusted here, by SPKI digest."""
    digests = sorted(trusted_keys(settings()))
    if as_json:
        print_json({"trusted": digests})
    else:
        for digest in digests:
            click.echo(digest)


@command.command("trust")
@click.argument("pem", type=click.Path(path_type=Path))
@JSON
def trust_key(pem: Path, as_json: bool) -> None:
    """Trust the public key in the file PEM: bundles that it signed verify here from now on."""
    key = read_public_key(pem)
    path = trust(key, settings())
    if as_json:
        print_json({"key": key.digest, "path": str(path)})
    else:
        click.echo(f"{key.digest}  {path}")
