"""Add to a bundle what may be added later: reproduction statements of others, and a timestamp."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from specseal.bundle.keys import PublicKey
from specseal.bundle.layout import TIMESTAMP, reproduction_path
from specseal.bundle.reproduction import Attestation, read_reproduction
from specseal.bundle.store import TrustStore
from specseal.bundle.verify import verify
from specseal.errors import InputError


def add_reproduction(bundle: Path, envelope: bytes, key: PublicKey, *, now: datetime) -> Path:
    """Add a reproduction statement to a bundle, and return its file.

    Nothing that lies in the bundle is touched, and its identity stays. Whether anybody believes the
    key is not asked: that is each reader's to say. If it can't be added whole, nothing is.

    Args:
        bundle: the folder of the bundle.
        envelope: the statement's file, as it came.
        key: that is said to have signed it.
        now: the time, with its zone.

    Raises:
        VerificationFailed: the bundle is not intact, or the statement is not one by that key about
            this bundle.
        InputError: it is there already, or can't be written.
    """
    report = verify(bundle, trusted=TrustStore(), now=now)
    contents = report.demand(trust=False)
    statement = read_reproduction(
        envelope,
        path="the statement",
        key=key,
        manifest=contents.manifest,
        recipe=contents.lock.recipe,
        sealed=report.signers[0].signature.created,
        now=now,
    )
    target = bundle / reproduction_path(key.digest, statement.reproduction)
    if target.exists():
        raise InputError(f"{target}: this key's statement about that reproduction is there already")
    attestation = Attestation(statement=statement, key=key, envelope=envelope)
    missing = {
        bundle / name: data
        for name, data in attestation.files.items()
        if not (bundle / name).exists()  # the key of somebody who has signed something here before
    }
    _write_all(missing, bundle)
    return target


def add_timestamp(bundle: Path, response: bytes, *, now: datetime) -> Path:
    """Add an authority's timestamp of the result's signature to a bundle, and return its file.

    Args:
        bundle: the folder of the bundle.
        response: the RFC 3161 response, as it came.
        now: the time, with its zone.

    Raises:
        VerificationFailed: the bundle is not intact, or not with the timestamp, which is then taken
            out again.
        InputError: there is one already, or it can't be written.
        MachineLacks: what reads timestamps is not installed.
    """
    verify(bundle, trusted=TrustStore(), now=now).demand(trust=False)
    target = bundle / TIMESTAMP
    if target.exists():
        raise InputError(f"{target}: there is a timestamp already", mend="keep the older one")
    _write_all({target: response}, bundle)
    try:
        verify(bundle, trusted=TrustStore(), now=now).demand(trust=False)
    except BaseException:
        target.unlink()
        raise
    return target


def _write_all(files: dict[Path, bytes], bundle: Path) -> None:
    """Write files that are not there yet, all or none."""
    # Beside the bundle, which must never hold a hidden file, however this ends.
    whole = bundle.resolve()
    partial = whole.with_name(f".{whole.name}.{secrets.token_hex(8)}.in-progress")
    made: list[Path] = []
    try:
        for path, data in files.items():
            partial.write_bytes(data)
            if not path.parent.exists():
                path.parent.mkdir()
                made.append(path.parent)
            path.hardlink_to(partial)  # which, unlike a rename, never replaces anything
            made.append(path)
            partial.unlink()
    except BaseException as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise InputError(
                f"{error.filename2 or error.filename}: can't be written: {error.strerror}"
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
