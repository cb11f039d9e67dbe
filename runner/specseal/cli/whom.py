"""Whom a bundle must be signed by: options that `verify`, `publish` and `pull` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from specseal.bundle import (
    Policy,
    Trust,
    TrustStore,
    load_policy,
    parse_time,
    read_public_key,
    trusted_keys,
)
from specseal.cli.context import settings
from specseal.errors import InputError


def _time(context: click.Context, option: click.Parameter, text: str | None) -> datetime | None:
    """Read a time as statements have it."""
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not of the form 2026-11-25T12:00:00Z") from error


_OPTIONS = (
    click.option(
        "--key",
        "keys",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A public key (PEM) to trust for this once, beside those in the trust store.",
    ),
    click.option(
        "--keys",
        "folders",
        metavar="FOLDER",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A trust store to use for this once, beside your own; never one that came with a "
        "bundle.",
    ),
    click.option(
        "--policy",
        "policy_file",
        type=click.Path(path_type=Path),
        help="A file that says what must be signed by whom, instead of the three options below.",
    ),
    click.option(
        "--signers",
        type=click.IntRange(min=1),
        help="How many different keys must vouch for it, reproductions counted; 1 if not given.",
    ),
    click.option(
        "--from",
        "created_from",
        metavar="TIME",
        callback=_time,
        help="Signed at this time or later (UTC).",
    ),
    click.option(
        "--until",
        "created_until",
        metavar="TIME",
        callback=_time,
        help="Signed at this time or earlier.",
    ),
    click.option(
        "--integrity-only", is_flag=True, help="Do not ask whether the signer is trusted."
    ),
)


def whom(place: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options, and what they come to as its argument `trust`.

    Args:
        place: the command's argument that says where the bundle is. No trust store may lie there.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def assembled(
            *,
            keys: tuple[Path, ...],
            folders: tuple[Path, ...],
            policy_file: Path | None,
            signers: int | None,
            created_from: datetime | None,
            created_until: datetime | None,
            integrity_only: bool,
            **others: Any,
        ) -> None:
            asks = any(demand is not None for demand in (signers, created_from, created_until))
            if integrity_only and (asks or policy_file):
                raise click.UsageError(
                    "--integrity-only asks for no signer, a policy does: give one"
                )
            if policy_file is not None and (asks or keys):
                raise click.UsageError(
                    "--policy says it all: no --key, --signers, --from or --until"
                )
            policy = (
                Policy(signers=signers or 1, created_from=created_from, created_until=created_until)
                if policy_file is None
                else load_policy(policy_file)
            )
            trust = Trust(
                store=_store(Path(others[place]), keys, folders),
                policy=policy,
                required=not integrity_only,
                now=datetime.now(UTC),
            )
            command(trust=trust, **others)

        for option in reversed(_OPTIONS):
            assembled = option(assembled)
        return assembled

    return decorate


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
