"""`specseal attest`: what others say about a bundle, added to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.bundle import add_reproduction, add_timestamp, read_public_key
from specseal.cli.context import JSON, print_json
from specseal.errors import InputError


@click.group()
def command() -> None:
    """Add to a bundle what others say about it."""


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("statement", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "pem",
    required=True,
    type=click.Path(path_type=Path),
    help="The public key (PEM) of whoever signed it.",
)
@JSON
def add(bundle: Path, statement: Path, pem: Path, as_json: bool) -> None:
    """Add the reproduction statement in the file STATEMENT to BUNDLE.

    The bundle must be intact and the statement about it; neither changes what BUNDLE is.
    """
    envelope = _read(statement)
    key = read_public_key(pem)
    path = add_reproduction(bundle, envelope, key, now=datetime.now(UTC))
    if as_json:
        print_json({"key": key.digest, "path": str(path)})
    else:
        click.echo(path)


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("response", type=click.Path(path_type=Path))
@JSON
def timestamp(bundle: Path, response: Path, as_json: bool) -> None:
    """Add the RFC 3161 response in the file RESPONSE, over the signature of BUNDLE's result."""
    path = add_timestamp(bundle, _read(response), now=datetime.now(UTC))
    if as_json:
        print_json({"path": str(path)})
    else:
        click.echo(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
