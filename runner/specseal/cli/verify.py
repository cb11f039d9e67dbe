"""`specseal verify`: is a bundle what its signature says, and does its result come out again?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.bundle import (
    Policy,
    TrustStore,
    load_policy,
    parse_time,
    read_public_key,
    trusted_keys,
    verify,
)
from specseal.cli.context import JSON, print_json, settings
from specseal.errors import InputError


def _time(context: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    """Read a time as statements have it."""
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not of the form 2026-11-25T12:00:00Z") from error


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key (PEM) to trust for this once, beside those in the trust store.",
)
@click.option(
    "--keys",
    "folders",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A trust store to use for this once, beside your own; never one that came with a bundle.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="A file that says what must be signed by whom, instead of the three options below.",
)
@click.option(
    "--signers",
    type=click.IntRange(min=1),
    help="How many different keys must vouch for it, reproductions counted; 1 if not given.",
)
@click.option(
    "--from",
    "created_from",
    metavar="TIME",
    callback=_time,
    help="Signed at this time or later (UTC).",
)
@click.option(
    "--until",
    "created_until",
    metavar="TIME",
    callback=_time,
    help="Signed at this time or earlier.",
)
@click.option("--integrity-only", is_flag=True, help="Do not ask whether the signer is trusted.")
@JSON
def command(
    bundle: Path,
    keys: tuple[Path, ...],
    folders: tuple[Path, ...],
    policy_file: Path | None,
    signers: int | None,
    created_from: datetime | None,
    created_until: datetime | None,
    integrity_only: bool,
    as_json: bool,
) -> None:
    """Check every file, the signature and the schemas of BUNDLE, and compute its result again."""
    asks = any(demand is not None for demand in (signers, created_from, created_until))
    if integrity_only and (asks or policy_file):
        raise click.UsageError("--integrity-only asks for no signer, a policy does: give one")
    if policy_file is not None and (asks or keys):
        raise click.UsageError("--policy says it all: no --key, --signers, --from or --until")
    if policy_file is None:
        policy = Policy(
            signers=signers or 1, created_from=created_from, created_until=created_until
        )
    else:
        policy = load_policy(policy_file)
    report = verify(
        bundle, trusted=_store(bundle, keys, folders), now=datetime.now(UTC), policy=policy
    )
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report.to_text())
    report.demand(trust=not integrity_only)


def _store(bundle: Path, keys: tuple[Path, ...], folders: tuple[Path, ...]) -> TrustStore:
    """Return the keys that are believed for this once."""
    for folder in folders:
        if folder.resolve().is_relative_to(bundle.resolve()):
            raise InputError(
                f"{folder}: lies in the bundle: no bundle says whose keys are to be believed",
                mend="name a trust store that you have from elsewhere",
            )
    own = trusted_keys(settings(), *folders)
    return own.including(read_public_key(path).digest for path in keys)
