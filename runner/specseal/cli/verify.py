"""`specseal verify`: is a bundle what its signature says, and does its result come out again?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.bundle import read_public_key, trusted_keys, verify
from specseal.cli.context import JSON, print_json, settings


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key (PEM) to trust for this once, beside those in the trust store.",
)
@click.option("--integrity-only", is_flag=True, help="Do not ask whether the signer is trusted.")
@JSON
def command(bundle: Path, keys: tuple[Path, ...], integrity_only: bool, as_json: bool) -> None:
    """Check every file, the signature and the schemas of BUNDLE, and compute its result again."""
    trusted = trusted_keys(settings()) | {read_public_key(path).digest for path in keys}
    report = verify(bundle, trusted=trusted, now=datetime.now(UTC))
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report.to_text())
    report.demand(trust=not integrity_only)
