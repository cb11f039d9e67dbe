"""The recipe in a bundle's README must work as it stands, without specseal."""

from pathlib import Path

from attacks.builder import GoodBundle, make_signer
from recipe import follow
from specseal.bundle.layout import RESULT_ATTESTATION


def test_good_bundle_passes(good: GoodBundle) -> None:
    done = follow(good.path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{good.signer.public.digest}  -",
        "Verified OK",
        "this bundle is what the key has signed",
    ]


def test_signers_own_key_from_elsewhere_passes(good: GoodBundle, tmp_path: Path) -> None:
    key = tmp_path / "signer.pem"
    key.write_bytes(good.signer.public.pem)
    assert follow(good.path, key=key).returncode == 0


def test_key_of_someone_else_fails(good: GoodBundle, tmp_path: Path) -> None:
    key = tmp_path / "other.pem"
    key.write_bytes(make_signer().public.pem)
    assert follow(good.path, key=key).returncode != 0


def test_altered_file_fails(bundle: Path) -> None:
    with (bundle / "result.json").open("ab") as file:
        file.write(b" ")
    done = follow(bundle)
    assert done.returncode != 0
    assert "result.json" in done.stdout + done.stderr


def test_altered_manifest_fails(bundle: Path) -> None:
    lines = (bundle / "MANIFEST.sha256").read_bytes().splitlines(keepends=True)
    (bundle / "MANIFEST.sha256").write_bytes(b"".join(lines[1:]))
    assert follow(bundle).returncode != 0


def test_altered_payload_fails(bundle: Path) -> None:
    path = bundle / RESULT_ATTESTATION
    data = path.read_bytes()
    place = data.index(b'"payload":"') + 40
    flipped = b"A" if data[place : place + 1] != b"A" else b"B"
    path.write_bytes(data[:place] + flipped + data[place + 1 :])
    assert follow(bundle).returncode != 0


def test_signature_of_the_provenance_in_its_place_fails(bundle: Path) -> None:
    other = (bundle / "attestations" / "provenance.sigstore.json").read_bytes()
    (bundle / RESULT_ATTESTATION).write_bytes(other)
    assert follow(bundle).returncode != 0
