import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from specseal.bundle.keys import create_key, load_signer, parse_public_key
from specseal.errors import InputError

PKCS8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def test_created_key_is_its_owners_alone_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "key.pem"
    public = create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    signer = load_signer(path)
    assert signer.public.digest == public.digest
    signature = signer.sign(b"message")
    assert public.has_signed(b"message", signature)
    assert not public.has_signed(b"massage", signature)


def test_key_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="there is a key already"):
        create_key(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_signing_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(InputError, match="others than its owner") as caught:
        load_signer(path)
    assert caught.value.mend == f"chmod 600 {path}"


def private_file(path: Path, pem: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path


def test_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    plain = serialization.NoEncryption()
    keys = {
        "p384": ec.generate_private_key(ec.SECP384R1()).private_bytes(*PKCS8, plain),
        "ed25519": ed25519.Ed25519PrivateKey.generate().private_bytes(*PKCS8, plain),
    }
    for name, pem in keys.items():
        with pytest.raises(InputError, match="not a P-256 key"):
            load_signer(private_file(tmp_path / name, pem))


def test_encrypted_signing_key_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(*PKCS8, serialization.BestAvailableEncryption(b"secret"))
    with pytest.raises(InputError, match="encrypted"):
        load_signer(private_file(tmp_path / "key.pem", pem))


def test_rubbish_and_nothing_are_no_signing_keys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a private key"):
        load_signer(private_file(tmp_path / "rubbish.pem", b"rubbish"))
    with pytest.raises(InputError, match="can't be read") as caught:
        load_signer(tmp_path / "absent.pem")
    assert "keys create" in caught.value.mend


def test_public_key_of_another_kind_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = other.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(InputError, match="not a P-256 key"):
        parse_public_key(pem, path="key.pem")
    with pytest.raises(InputError, match="not a public key"):
        parse_public_key(b"rubbish", path="key.pem")
