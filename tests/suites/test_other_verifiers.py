"""What verifiers that are not ours say of a signed envelope: they and we must agree.

`@sigstore/verify` is Sigstore's own library, installed as `.ci/package-lock.json` pins it. The
recipe in a bundle's README, `sha256sum` and `openssl`, must refuse what it refuses, too.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import GoodBundle, make_signer
from conftest import REPOSITORY, lacking
from recipe import follow
from references import NAMES, REFERENCES, trusted_key
from specseal.bundle import Signer
from specseal.bundle.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.digests import canonical

SCRIPT = Path(__file__).with_name("sigstore_verify.cjs")
VERIFIED, REFUSED = 0, 1

Envelope = dict[str, Any]
Spoil = Callable[[Envelope, Signer], None]


def alter_payload(envelope: Envelope, signer: Signer) -> None:
    payload = base64.b64decode(envelope["dsseEnvelope"]["payload"])
    altered = payload.replace(b'"name":"tiny"', b'"name":"tidy"')
    assert altered != payload
    envelope["dsseEnvelope"]["payload"] = base64.b64encode(altered).decode()


def alter_signature(envelope: Envelope, signer: Signer) -> None:
    signature = bytearray(base64.b64decode(envelope["dsseEnvelope"]["signatures"][0]["sig"]))
    signature[-1] ^= 1
    envelope["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def alter_payload_type(envelope: Envelope, signer: Signer) -> None:
    envelope["dsseEnvelope"]["payloadType"] = "application/vnd.in-toto+xml"


def strip_signature(envelope: Envelope, signer: Signer) -> None:
    envelope["dsseEnvelope"]["signatures"] = []


def empty_signature(envelope: Envelope, signer: Signer) -> None:
    envelope["dsseEnvelope"]["signatures"] = [{"sig": ""}]


def sign_as_another(envelope: Envelope, signer: Signer) -> None:
    envelope["dsseEnvelope"]["signatures"] = [_signature(envelope, make_signer())]


def sign_the_bare_payload(envelope: Envelope, signer: Signer) -> None:
    payload = base64.b64decode(envelope["dsseEnvelope"]["payload"])
    signature = base64.b64encode(signer.sign(payload)).decode()
    envelope["dsseEnvelope"]["signatures"] = [{"sig": signature}]


def sign_another_payload_type(envelope: Envelope, signer: Signer) -> None:
    payload = base64.b64decode(envelope["dsseEnvelope"]["payload"])
    signed = pre_authentication_encoding("text/plain", payload)
    signature = base64.b64encode(signer.sign(signed)).decode()
    envelope["dsseEnvelope"]["signatures"] = [{"sig": signature}]


def _signature(envelope: Envelope, signer: Signer) -> dict[str, str]:
    payload = base64.b64decode(envelope["dsseEnvelope"]["payload"])
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return {"sig": base64.b64encode(signer.sign(signed)).decode()}


SPOILT = [
    alter_payload,
    alter_signature,
    alter_payload_type,
    strip_signature,
    empty_signature,
    sign_as_another,
    sign_the_bare_payload,
    sign_another_payload_type,
]


def spoil(bundle: Path, change: Spoil, signer: Signer) -> None:
    path = bundle / RESULT_ATTESTATION
    envelope = json.loads(path.read_bytes())
    change(envelope, signer)
    path.write_bytes(canonical(envelope) + b"\n")


# The recipe in the README


@pytest.mark.parametrize("change", SPOILT)
def test_the_readmes_recipe_and_we_refuse_a_spoilt_envelope(
    good: GoodBundle, bundle: Path, change: Spoil
) -> None:
    spoil(bundle, change, good.signer)
    assert follow(bundle).returncode != 0
    assert not good.verify(bundle).intact


@pytest.mark.parametrize("attestation", [RESULT_ATTESTATION, "MANIFEST.sha256"])
def test_the_readmes_recipe_and_we_refuse_a_bundle_without_its_seal(
    good: GoodBundle, bundle: Path, attestation: str
) -> None:
    (bundle / attestation).unlink()
    assert follow(bundle).returncode != 0
    assert not good.verify(bundle).intact


@pytest.mark.parametrize(
    "name", ["spec.yaml", "lock.json", "environment.json", "counts.json", "records.parquet"]
)
@pytest.mark.parametrize("act", ["alter", "remove"])
def test_the_readmes_recipe_and_we_refuse_a_file_altered_or_removed(
    good: GoodBundle, bundle: Path, name: str, act: str
) -> None:
    if act == "remove":
        (bundle / name).unlink()
    else:
        (bundle / name).write_bytes((bundle / name).read_bytes() + b"\n")
    done = follow(bundle)
    assert done.returncode != 0
    assert name in done.stdout + done.stderr
    assert not good.verify(bundle).intact


def test_the_readmes_recipe_refuses_a_bundle_signed_anew_by_another(
    good: GoodBundle, bundle: Path, tmp_path: Path
) -> None:
    (bundle / "LICENSE").write_bytes(b"all mine\n")
    good.sign_again(bundle, signer=make_signer())
    key = tmp_path / "signer.pem"
    key.write_bytes(good.signer.public.pem)
    assert follow(bundle, key=key).returncode != 0
    assert not good.verify(bundle).trusted


# Sigstore's own library


@pytest.fixture(scope="session")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], int]:
    """Ask `@sigstore/verify` about an envelope and a key; return 0 (verified) or 1 (refused)."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            lacking(f"the program {program} is not installed")
    folder = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(REPOSITORY / ".ci" / name, folder)
    install = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    subprocess.run(install, cwd=folder, check=True)

    def ask(envelope: Path, key: Path) -> int:
        command = ["node", str(SCRIPT), str(envelope), str(key)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        said = {VERIFIED: "verified\n", REFUSED: "refused: "}
        # Not an exit code alone: a script that can't even start ends with 1, too.
        assert done.returncode in said, done.stderr
        assert done.stdout.startswith(said[done.returncode]), done.stderr
        return done.returncode

    return ask


@pytest.fixture
def key(good: GoodBundle, tmp_path: Path) -> Path:
    path = tmp_path / "signer.pem"
    path.write_bytes(good.signer.public.pem)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("attestation", [RESULT_ATTESTATION, PROVENANCE_ATTESTATION])
def test_sigstores_library_verifies_what_we_signed(
    good: GoodBundle, sigstore: Callable[[Path, Path], int], key: Path, attestation: str
) -> None:
    assert sigstore(good.path / attestation, key) == VERIFIED


@pytest.mark.slow
@pytest.mark.parametrize("attestation", [RESULT_ATTESTATION, PROVENANCE_ATTESTATION])
@pytest.mark.parametrize("reference", REFERENCES, ids=NAMES)
def test_sigstores_library_verifies_a_reference_bundle(
    sigstore: Callable[[Path, Path], int], reference: Path, attestation: str
) -> None:
    assert sigstore(reference / attestation, trusted_key(reference)) == VERIFIED


@pytest.mark.slow
@pytest.mark.parametrize("change", SPOILT)
def test_sigstores_library_refuses_a_spoilt_envelope(
    good: GoodBundle,
    bundle: Path,
    sigstore: Callable[[Path, Path], int],
    key: Path,
    change: Spoil,
) -> None:
    spoil(bundle, change, good.signer)
    assert sigstore(bundle / RESULT_ATTESTATION, key) == REFUSED


@pytest.mark.slow
def test_sigstores_library_refuses_the_key_of_someone_else(
    good: GoodBundle, sigstore: Callable[[Path, Path], int], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(make_signer().public.pem)
    assert sigstore(good.path / RESULT_ATTESTATION, other) == REFUSED
