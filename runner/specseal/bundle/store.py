"""Trust stores: whose keys are believed, and whose not any more.

A store is a folder: one `<spki-sha256>.pem` a key that is believed, and one
`revoked/<spki-sha256>.json` a key that is not to be believed again, with when and why. The user's
is `trusted/` in the configuration folder; a repository may hold one, which is used only where
somebody names it. A revocation in any store that is used counts more than trust in any other, and
it is of everything that the key ever signed: when that was is the signer's own word.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from specseal.atomic import write_atomically
from specseal.bundle.findings import BundleBroken
from specseal.bundle.keys import PublicKey, create_key, make_private_folders, read_public_key
from specseal.bundle.strict import parse_file
from specseal.bundle.times import parse_time, render_time
from specseal.digests import Digest, canonical
from specseal.errors import InputError
from specseal.settings import Settings
from specseal.words import printable

SCHEMA = "specseal/revocation/1"
REVOKED = "revoked"
"""The folder of revocations in a store."""
_REVOCATION = re.compile(r"([0-9a-f]{64})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A key that is not believed any more."""

    key: Digest
    revoked: datetime
    """When it was revoked here: UTC, whole seconds."""
    reason: str

    def __str__(self) -> str:
        """Return when and why, for people: the reason may be anybody's."""
        return f"{render_time(self.revoked)}: {printable(self.reason)}"

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON types."""
        return {"key": self.key, "revoked": render_time(self.revoked), "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """The keys of one or more stores. None that is revoked is among those that are trusted."""

    trusted: frozenset[Digest] = frozenset()
    revoked: Mapping[Digest, Revocation] = field(default_factory=dict)

    def __or__(self, other: TrustStore) -> TrustStore:
        """Return both as one: what either has revoked is revoked, and the first record of it."""
        revoked = {**other.revoked, **self.revoked}
        return TrustStore(trusted=(self.trusted | other.trusted) - set(revoked), revoked=revoked)

    def including(self, keys: Iterable[Digest]) -> TrustStore:
        """Return the store with more keys, of which those that it has revoked stay so."""
        return self | TrustStore(trusted=frozenset(keys))

    def demand_unrevoked(self, key: Digest) -> None:
        """Refuse to sign with a key that is revoked. Raises: InputError."""
        if found := self.revoked.get(key):
            raise InputError(
                f"the signing key {key} was revoked on {found}",
                mend="move it away and make another with `specseal keys create`",
            )


def user_store(settings: Settings) -> Path:
    """Return the folder of the user's own store."""
    return settings.config_dir / "trusted"


def trusted_keys(settings: Settings, *folders: Path) -> TrustStore:
    """Return the keys of the user's own store, and of the stores in `folders`.

    Raises:
        InputError: a folder is not there, or a file in it is not what its name says.
    """
    own = user_store(settings)
    # A link that leads nowhere is there: what it had revoked must not be believed again.
    store = read_store(own) if os.path.lexists(own) else TrustStore()
    for folder in folders:
        store |= read_store(folder)
    return store


def read_store(folder: Path) -> TrustStore:
    """Return the keys of the store in `folder`.

    Raises:
        InputError: it is not there, or a file in it is not a public key or a revocation, or not
            the one that it is named after.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: a trust store is a folder, and there is none")
    trusted = set()
    for path in sorted(folder.glob("*.pem")):
        digest = read_public_key(path).digest
        if path.name != f"{digest}.pem":
            raise InputError(
                f"{path}: holds another key than its name says ({digest})",
                mend=f"remove it, then `specseal keys trust` the key you meant: {path.name}",
            )
        trusted.add(digest)
    revoked = {found.key: found for found in map(_read_revocation, _revocations(folder))}
    return TrustStore(trusted=frozenset(trusted)) | TrustStore(revoked=revoked)


def _revocations(store: Path) -> list[Path]:
    """Return every file of revocations: one that is misnamed must not let a key be believed again.

    Raises: InputError where what lies there is no folder: only a store without any has none.
    """
    folder = store / REVOKED
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise InputError(
                f"{folder}: not a folder, so that nobody can tell which keys are revoked",
                mend="put the folder of revocations in its place",
            )
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder}: can't be read: {error.strerror}") from error


def trust(key: PublicKey, folder: Path, *, reinstate: bool = False) -> Path:
    """Put a public key into the store in `folder`, which is made, and return its file.

    Args:
        key: the key.
        folder: the store.
        reinstate: believe it even though it was revoked there, and forget that it was.

    Raises:
        InputError: it was revoked there, or the store can't be written.
    """
    revocation = folder / REVOKED / f"{key.digest}.json"
    if os.path.lexists(revocation) and not reinstate:
        raise InputError(
            f"the key {key.digest} was revoked on {_read_revocation(revocation)}",
            mend="if that was a mistake, `specseal keys trust --reinstate` takes it back",
        )
    path = folder / f"{key.digest}.pem"
    _write(path, key.pem)
    revocation.unlink(missing_ok=True)
    return path


def revoke(key: Digest, folder: Path, *, reason: str, now: datetime) -> Revocation:
    """Revoke a key in the store in `folder`, whether it was trusted there or not.

    Args:
        key: its SPKI digest.
        folder: the store.
        reason: why, for whoever meets a bundle that it signed.
        now: the time, with its zone.

    Raises:
        InputError: it is revoked there already, no reason is given, or the store can't be written.
    """
    if not reason.strip():
        raise InputError(f"the key {key}: revoked for no reason", mend="say why, with --reason")
    path = folder / REVOKED / f"{key}.json"
    if os.path.lexists(path):
        raise InputError(f"the key {key} is revoked already, since {_read_revocation(path)}")
    revocation = Revocation(key=key, revoked=now.replace(microsecond=0), reason=reason)
    # The record first: whatever dies between the two, the key is not believed.
    _write(path, canonical({"schema": SCHEMA, **revocation.to_dict()}) + b"\n")
    (folder / f"{key}.pem").unlink(missing_ok=True)
    return revocation


def create_trusted_key(settings: Settings) -> PublicKey:
    """Make this site's signing key, and trust it here. Raises: InputError."""
    key = create_key(settings.signing_key)
    trust(key, user_store(settings))
    return key


def _read_revocation(path: Path) -> Revocation:
    named = _REVOCATION.fullmatch(path.name)
    if not named:
        raise InputError(
            f"{path}: not the name of a revocation, which is <spki-sha256>.json",
            mend="move it away, or `specseal keys revoke` the key that was meant",
        )
    try:
        value = parse_file(
            path.read_bytes(), path=str(path), code="revocation", schema="revocation"
        )
        revoked = parse_time(value["revoked"])
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except BundleBroken as error:
        raise InputError(error.message) from error
    except ValueError as error:
        raise InputError(f"{path}: revoked: {error}") from error
    if value["key"] != named[1]:
        raise InputError(f"{path}: revokes another key than its name says ({value['key']})")
    return Revocation(key=value["key"], revoked=revoked, reason=value["reason"])


def _write(path: Path, data: bytes) -> None:
    """Write a file of a store, whole or not at all."""
    folder = path.parent.parent if path.parent.name == REVOKED else path.parent
    # Not among the revocations, every one of which is read: a kill may leave it behind.
    try:
        make_private_folders(path.parent)
        write_atomically(path, data, partial_in=folder)
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error
