"""Signatures and keys swapped, stripped, doubled, or of another kind."""

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from attacks.builder import GoodBundle, codes, make_signer, trusting
from attacks.spoiling import (
    CHANGES,
    ORDER,
    change_envelope,
    name_in_hint,
    payload_of,
    put_payload,
    put_signature,
    read,
    signature_of,
    spell_url_safe,
    twin_key,
)
from specseal.bundle import Policy, Report, Signer, TrustStore
from specseal.bundle.envelope import PAYLOAD_TYPE, pre_authentication_encoding, unwrap
from specseal.bundle.findings import BundleBroken
from specseal.bundle.keys import parse_public_key
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.digests import canonical, sha256_bytes

ATTESTATIONS = [RESULT_ATTESTATION, PROVENANCE_ATTESTATION]


def first_finding(report: Report, code: str) -> str:
    return next(check.message for check in report.checks if check.code == code)


# Envelopes


@pytest.mark.parametrize("attestation", ATTESTATIONS)
@pytest.mark.parametrize(("change", "finding"), CHANGES)
def test_envelope_that_is_not_one_plain_signature_is_refused(
    good: GoodBundle,
    bundle: Path,
    attestation: str,
    change: Callable[[dict[str, Any]], None],
    finding: str,
) -> None:
    change_envelope(bundle / attestation, change)
    report = good.verify(bundle)
    assert codes(report) == {f"signature.{finding}"}
    assert attestation in first_finding(report, f"signature.{finding}")


@pytest.mark.parametrize("attestation", ATTESTATIONS)
def test_url_safe_base64_is_accepted(good: GoodBundle, bundle: Path, attestation: str) -> None:
    change_envelope(bundle / attestation, spell_url_safe)
    assert good.verify(bundle).intact


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b'"mediaType":', b'"mediaType":"x","mediaType":'),
        lambda data: data.replace(b"{", b"{ ", 1),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\n"),
        lambda data: data + b"\n",
        lambda data: data.replace(b'"sig":', b'"sig":NaN,"x":'),
        lambda data: b"[" * 100_000,
        lambda data: b"",
    ],
)
def test_envelope_that_is_not_strict_json_is_refused(
    good: GoodBundle, bundle: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path = bundle / RESULT_ATTESTATION
    path.write_bytes(spoil(path.read_bytes()))
    assert codes(good.verify(bundle)) == {"signature.form"}


# Keys


def test_bundle_signed_again_by_another_key_is_intact_and_not_trusted(
    good: GoodBundle, bundle: Path
) -> None:
    other = make_signer()
    good.sign_again(bundle, signer=other)
    report = good.verify(bundle)
    assert report.intact
    assert not report.trusted
    assert report.signer == other.public.digest
    assert codes(report) == {"trust.unknown"}


def test_nothing_is_trusted_where_no_key_is(good: GoodBundle) -> None:
    assert not good.verify(good.path, trusted=TrustStore()).trusted


def test_key_swapped_for_another_is_found(good: GoodBundle, bundle: Path) -> None:
    other = make_signer()
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.unlink()
    path.with_name(f"{other.public.digest}.pem").write_bytes(other.public.pem)
    report = good.verify(bundle, trusted=trusting(good.signer, other))
    assert codes(report) == {"signature.wrong"}
    assert not report.trusted


def test_key_under_the_name_of_the_trusted_one_is_found(good: GoodBundle, bundle: Path) -> None:
    other = make_signer()
    good.sign_again(bundle, signer=other)
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.rename(path.with_name(f"{good.signer.public.digest}.pem"))
    assert codes(good.verify(bundle)) == {"signature.key"}


def pem_of(key: Any) -> bytes:
    data: bytes = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data


@pytest.mark.parametrize(
    "pem",
    [
        b"rubbish",
        pem_of(ec.generate_private_key(ec.SECP384R1()).public_key()),
        pem_of(ec.generate_private_key(ec.SECP256K1()).public_key()),
        pem_of(ed25519.Ed25519PrivateKey.generate().public_key()),
        pem_of(rsa.generate_private_key(65537, 2048).public_key()),
        make_signer().key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    ],
)
def test_key_of_another_kind_is_found(good: GoodBundle, bundle: Path, pem: bytes) -> None:
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.write_bytes(pem)
    assert codes(good.verify(bundle)) == {"signature.key"}


def test_another_spelling_of_the_same_key_is_found(good: GoodBundle, bundle: Path) -> None:
    """One key must not have two SPKI digests: its point is written out, never compressed."""
    point = good.signer.public.key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    # SubjectPublicKeyInfo of id-ecPublicKey and prime256v1. Source: RFC 5480.
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    pem = b"-----BEGIN PUBLIC KEY-----\n%s-----END PUBLIC KEY-----\n" % base64.encodebytes(der)
    assert parse_public_key(pem, path="it").digest == good.signer.public.digest
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.unlink()
    for digest in (sha256_bytes(der), good.signer.public.digest):
        spelt = path.with_name(f"{digest}.pem")
        spelt.write_bytes(pem)
        assert codes(good.verify(bundle)) == {"signature.key"}
        spelt.unlink()


def test_one_key_under_two_names_is_found(good: GoodBundle, bundle: Path) -> None:
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.with_name("0" * 64 + ".pem").write_bytes(path.read_bytes())
    report = good.verify(bundle, policy=Policy(signers=2))
    assert codes(report) == {"layout.keys", "signature.key"}
    assert not report.trusted


def test_words_around_the_key_are_found(good: GoodBundle, bundle: Path) -> None:
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.write_bytes(b"trust me\n" + path.read_bytes())
    assert codes(good.verify(bundle)) == {"signature.key"}


# The right key, used otherwise


def sign_bare(signer: Signer, payload: bytes) -> bytes:
    return signer.sign(payload)


def sign_as_text(signer: Signer, payload: bytes) -> bytes:
    return signer.sign(pre_authentication_encoding("text/plain", payload))


def sign_sha384(signer: Signer, payload: bytes) -> bytes:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    return signer.key.sign(signed, ec.ECDSA(hashes.SHA384()))


@pytest.mark.parametrize("sign", [sign_bare, sign_as_text, sign_sha384])
@pytest.mark.parametrize("attestation", ATTESTATIONS)
def test_signature_of_the_right_key_over_other_bytes_or_another_hash_is_refused(
    good: GoodBundle, bundle: Path, attestation: str, sign: Callable[[Signer, bytes], bytes]
) -> None:
    change_envelope(
        bundle / attestation,
        lambda envelope: put_signature(envelope, sign(good.signer, payload_of(envelope))),
    )
    assert codes(good.verify(bundle)) == {"signature.wrong"}


def test_every_bit_of_what_is_signed_counts(good: GoodBundle) -> None:
    path = good.path / RESULT_ATTESTATION
    parts = [(put_payload, payload_of(read(path))), (put_signature, signature_of(read(path)))]
    for put, data in parts:
        for place in range(0, len(data), 7):
            spoilt = bytearray(data)
            spoilt[place] ^= 1 << place % 8
            envelope = read(path)
            put(envelope, bytes(spoilt))
            with pytest.raises(BundleBroken) as caught:
                unwrap(canonical(envelope) + b"\n", path="it", key=good.signer.public)
            assert [finding.code for finding in caught.value.findings] == ["signature.wrong"]


def test_twin_of_a_signature_is_the_same_keys_and_counts_once(
    good: GoodBundle, bundle: Path
) -> None:
    """Of (r, s) anybody can make (r, n - s), which holds as well: ECDSA is like that."""

    def turn(envelope: dict[str, Any]) -> None:
        r, s = decode_dss_signature(signature_of(envelope))
        put_signature(envelope, encode_dss_signature(r, ORDER - s))

    change_envelope(bundle / RESULT_ATTESTATION, turn)
    report = good.verify(bundle)
    assert report.trusted
    assert report.manifest_digest == good.verify(good.path).manifest_digest
    assert [one.signature.key for one in report.signers] == [good.signer.public.digest]


def test_bundle_without_any_attestation_is_not_taken_for_an_unsigned_one(
    good: GoodBundle, bundle: Path
) -> None:
    shutil.rmtree(bundle / "attestations")
    report = good.verify(bundle)
    assert {"layout.missing", "layout.keys", "signature.key"} <= codes(report)
    assert not report.intact
    assert report.signer is None


# Another key that fits the same signature


def test_key_computed_to_fit_a_signature_is_not_the_signers(good: GoodBundle, bundle: Path) -> None:
    path = bundle / RESULT_ATTESTATION
    twin = twin_key(path, good.signer.public)
    change_envelope(path, lambda envelope: name_in_hint(envelope, twin.digest))
    (key,) = (bundle / "attestations" / "keys").iterdir()
    key.unlink()
    key.with_name(f"{twin.digest}.pem").write_bytes(twin.pem)
    report = good.verify(bundle)
    # It fits the result's signature and not the provenance's, and nobody trusts it.
    assert codes(report) == {"signature.wrong", "trust.unknown"}
    assert (report.signer, report.trusted) == (twin.digest, False)


def test_two_keys_that_fit_one_signature_are_refused(good: GoodBundle, bundle: Path) -> None:
    path = bundle / RESULT_ATTESTATION
    twin = twin_key(path, good.signer.public)
    folder = bundle / "attestations"
    (folder / "keys" / f"{twin.digest}.pem").write_bytes(twin.pem)
    (folder / "reproductions").mkdir()
    name = f"{twin.digest}-{'0' * 64}.sigstore.json"
    (folder / "reproductions" / name).write_bytes(path.read_bytes())
    assert codes(good.verify(bundle)) == {"signature.ambiguous"}
