"""Signing keys: made, read, used.

A key is ECDSA on P-256 with SHA-256, in PEM. It is known by its SPKI digest: the SHA-256 of its
public half as DER SubjectPublicKeyInfo, in hex. Whose keys are believed is in `store`.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError

_ALGORITHM = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key."""

    key: ec.EllipticCurvePublicKey

    @property
    def pem(self) -> bytes:
        """The key's file: PEM SubjectPublicKeyInfo."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def digest(self) -> Digest:
        """The SPKI digest, by which the key is known."""
        return sha256_bytes(
            self.key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (DER) is this key's over `message`."""
        try:
            self.key.verify(signature, message, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A signing key."""

    key: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, in DER."""
        return self.key.sign(message, _ALGORITHM)


def create_key(path: Path) -> PublicKey:
    """Make a signing key and write it to `path`, readable by its owner alone.

    Folders that have to be made are closed to others too. The file appears whole or not at all.

    Raises:
        InputError: there is a file already, or it can't be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        make_private_folders(path.parent)
        try:
            partial.touch(mode=0o600, exist_ok=False)
            partial.write_bytes(pem)
            # A link, unlike a rename, fails where there is a key already, even one just made.
            path.hardlink_to(partial)
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError as error:
        raise InputError(
            f"{path}: there is a key already", mend="keep it, or move it away first"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error
    return PublicKey(key.public_key())


def load_signer(path: Path) -> Signer:
    """Read a signing key.

    Raises:
        InputError: not there, open to others, encrypted, or not a P-256 private key in PEM.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read()
    except OSError as error:
        raise InputError(
            f"{path}: the signing key can't be read: {error.strerror}",
            mend="make one with `specseal keys create`",
        ) from error
    if mode & 0o077:
        raise InputError(
            f"{path}: others than its owner may read the signing key", mend=f"chmod 600 {path}"
        )
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise InputError(f"{path}: the signing key is encrypted; none such can be used") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: not a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _is_p256(key):
        raise InputError(f"{path}: not a P-256 key, the only kind that signs bundles")
    return Signer(key)


def parse_public_key(pem: bytes, *, path: str) -> PublicKey:
    """Read a public key.

    Raises:
        InputError: not a P-256 public key in PEM.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: not a public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not _is_p256(key):
        raise InputError(f"{path}: not a P-256 key, the only kind that signs bundles")
    return PublicKey(key)


def read_public_key(path: Path) -> PublicKey:
    """Read the public key in a file. Raises: InputError."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    return parse_public_key(pem, path=str(path))


def make_private_folders(folder: Path) -> None:
    """Make a folder and those above it, where they are missing, for their owner alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def _is_p256(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, ec.SECP256R1)
