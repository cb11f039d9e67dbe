"""`specseal keys`: the key that seals bundles here, and the keys that are believed here, or not."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.bundle import (
    create_trusted_key,
    read_public_key,
    read_store,
    revoke,
    trust,
    trusted_keys,
    user_store,
)
from specseal.cli.context import JSON, print_json, settings
from specseal.digests import Digest
from specseal.words import printable

STORE = click.option(
    "--keys",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The trust store to use instead of your own, such as a repository's.",
)


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
@STORE
@JSON
def list_keys(folder: Path | None, as_json: bool) -> None:
    """List the keys that are trusted, and those that are revoked, by SPKI digest."""
    store = trusted_keys(settings()) if folder is None else read_store(folder)
    trusted, revoked = sorted(store.trusted), sorted(store.revoked)
    if as_json:
        entries = [store.revoked[key].to_dict() for key in revoked]
        print_json({"trusted": trusted, "revoked": entries})
        return
    for key in trusted:
        click.echo(f"{key}  trusted")
    for key in revoked:
        found = store.revoked[key].to_dict()
        click.echo(printable(f"{key}  revoked  {found['revoked']}  {found['reason']}"))


@command.command("trust")
@click.argument("pem", type=click.Path(path_type=Path))
@click.option(
    "--reinstate", is_flag=True, help="Trust it even though it was revoked, and forget that."
)
@STORE
@JSON
def trust_key(pem: Path, reinstate: bool, folder: Path | None, as_json: bool) -> None:
    """Trust the public key in the file PEM: bundles that it signed verify here from now on."""
    key = read_public_key(pem)
    path = trust(key, folder or user_store(settings()), reinstate=reinstate)
    if as_json:
        print_json({"key": key.digest, "path": str(path)})
    else:
        click.echo(f"{key.digest}  {path}")


@command.command("revoke")
@click.argument("key")
@click.option("--reason", required=True, help="Why; whoever verifies what it signed is told.")
@STORE
@JSON
def revoke_key(key: str, reason: str, folder: Path | None, as_json: bool) -> None:
    """Believe nothing any more that KEY has signed, whenever it did. KEY is a digest or a PEM file.

    There is no "from now on": when something was signed is the signer's own word.
    """
    digest = Digest(key)
    if not re.fullmatch("[0-9a-f]{64}", key):
        digest = read_public_key(Path(key)).digest
    store = folder or user_store(settings())
    revocation = revoke(digest, store, reason=reason, now=datetime.now(UTC))
    if as_json:
        print_json(revocation.to_dict())
    else:
        click.echo(f"{digest}  revoked")
