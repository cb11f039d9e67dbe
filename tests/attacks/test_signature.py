"""Signatures swapped, stripped, doubled, or over something else."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attacks.builder import NOW, GoodBundle, codes, make_signer
from specseal.bundle import Report
from specseal.bundle.envelope import wrap
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.statement import ResultStatement, provenance_statement
from specseal.digests import Digest, canonical, sha256_bytes, sha256_file

ATTESTATIONS = [RESULT_ATTESTATION, PROVENANCE_ATTESTATION]


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def statement_of(bundle: Path, attestation: str = RESULT_ATTESTATION) -> dict[str, Any]:
    envelope = read(bundle / attestation)["dsseEnvelope"]
    value: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return value


def verify_statement(good: GoodBundle, bundle: Path, payload: bytes) -> Report:
    """Have the right key sign another payload."""
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(payload, good.signer))
    return good.verify(bundle)


def first_finding(report: Report, code: str) -> str:
    return next(check.message for check in report.checks if check.code == code)


# Envelopes


def double_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] *= 2


def strip_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] = []


def empty_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"] = [{"sig": ""}]


def name_a_key(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"][0]["keyid"] = "me"


def add_certificate(envelope: dict[str, Any]) -> None:
    envelope["verificationMaterial"]["certificate"] = {"rawBytes": "QQ=="}


def drop_material(envelope: dict[str, Any]) -> None:
    del envelope["verificationMaterial"]


def change_media_type(envelope: dict[str, Any]) -> None:
    envelope["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.2+json"


def change_payload_type(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payloadType"] = "text/plain"


def add_space_to_payload(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["payload"] += "\n"


def add_rubbish_to_signature(envelope: dict[str, Any]) -> None:
    envelope["dsseEnvelope"]["signatures"][0]["sig"] += "!"


def truncate_signature(envelope: dict[str, Any]) -> None:
    signature = envelope["dsseEnvelope"]["signatures"][0]
    signature["sig"] = base64.b64encode(base64.b64decode(signature["sig"])[:-1]).decode()


def bare_numbers_for_der(envelope: dict[str, Any]) -> None:
    signature = envelope["dsseEnvelope"]["signatures"][0]
    r, s = decode_dss_signature(base64.b64decode(signature["sig"]))
    signature["sig"] = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()


def lie_in_hint(envelope: dict[str, Any]) -> None:
    envelope["verificationMaterial"]["publicKey"]["hint"] = "0" * 64


@pytest.mark.parametrize("attestation", ATTESTATIONS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (double_signature, "signature.form"),
        (strip_signature, "signature.form"),
        (empty_signature, "signature.form"),
        (name_a_key, "signature.form"),
        (add_certificate, "signature.form"),
        (drop_material, "signature.form"),
        (change_media_type, "signature.form"),
        (change_payload_type, "signature.form"),
        (add_space_to_payload, "signature.base64"),
        (add_rubbish_to_signature, "signature.base64"),
        (truncate_signature, "signature.wrong"),
        (bare_numbers_for_der, "signature.wrong"),
        (lie_in_hint, "signature.hint"),
    ],
)
def test_envelope_that_is_not_one_plain_signature_is_refused(
    good: GoodBundle,
    bundle: Path,
    attestation: str,
    change: Callable[[dict[str, Any]], None],
    code: str,
) -> None:
    envelope = read(bundle / attestation)
    change(envelope)
    (bundle / attestation).write_bytes(canonical(envelope) + b"\n")
    report = good.verify(bundle)
    assert codes(report) == {code}
    assert attestation in first_finding(report, code)


@pytest.mark.parametrize("attestation", ATTESTATIONS)
def test_url_safe_base64_is_accepted(good: GoodBundle, bundle: Path, attestation: str) -> None:
    path = bundle / attestation
    envelope = read(path)
    payload = envelope["dsseEnvelope"]["payload"]
    signature = envelope["dsseEnvelope"]["signatures"][0]
    table = str.maketrans("+/", "-_")
    envelope["dsseEnvelope"]["payload"] = payload.translate(table)
    signature["sig"] = signature["sig"].translate(table)
    path.write_bytes(canonical(envelope) + b"\n")
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
    assert not good.verify(good.path, trusted=set()).trusted


def test_key_swapped_for_another_is_found(good: GoodBundle, bundle: Path) -> None:
    other = make_signer().public
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.unlink()
    path.with_name(f"{other.digest}.pem").write_bytes(other.pem)
    report = good.verify(bundle, trusted={good.signer.public.digest, other.digest})
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
        pem_of(ed25519.Ed25519PrivateKey.generate().public_key()),
    ],
)
def test_key_of_another_kind_is_found(good: GoodBundle, bundle: Path, pem: bytes) -> None:
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.write_bytes(pem)
    assert codes(good.verify(bundle)) == {"signature.key"}


def test_words_around_the_key_are_found(good: GoodBundle, bundle: Path) -> None:
    (path,) = (bundle / "attestations" / "keys").iterdir()
    path.write_bytes(b"trust me\n" + path.read_bytes())
    assert codes(good.verify(bundle)) == {"signature.key"}


# Statements, signed by the right key


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("_type", "https://in-toto.io/Statement/v2", "signature.statement"),
        ("predicateType", "https://specseal.dev/result/v2", "signature.predicate_type"),
        ("predicateType", "https://slsa.dev/provenance/v1", "signature.predicate_type"),
        ("predicateType", None, "signature.predicate_type"),
        ("subject", [], "signature.statement"),
        ("subject", [{"name": "MANIFEST.sha256"}], "signature.statement"),
        ("predicate", {}, "signature.statement"),
        ("more", 1, "signature.statement"),
    ],
)
def test_statement_of_another_kind_is_refused(
    good: GoodBundle, bundle: Path, field: str, value: object, code: str
) -> None:
    statement = {**statement_of(bundle), field: value}
    assert codes(verify_statement(good, bundle, canonical(statement))) == {code}


def test_statement_about_two_subjects_is_refused(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle)
    statement["subject"] *= 2
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


def test_statement_about_another_manifest_is_refused(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle)
    statement["subject"][0]["digest"]["sha256"] = "0" * 64
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.subject"}


def test_good_signature_of_another_bundle_is_refused(
    good: GoodBundle, bundle: Path, tmp_path: Path
) -> None:
    other = good.copy(tmp_path / "other")
    (other / "README.md").write_text("another\n", encoding="utf-8")
    good.sign_as_is(other)
    for attestation in ATTESTATIONS:
        (bundle / attestation).write_bytes((other / attestation).read_bytes())
    assert codes(good.verify(bundle)) == {"signature.subject"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b'"name":"tiny"', b'"name":"big","name":"tiny"'),
        lambda data: data.replace(b'"name":"tiny"', b'"name":NaN'),
        lambda data: data.replace(b'"tiny"', b'"\\ud800"'),
        lambda data: data.replace(b'"tiny"', b'"tin\\u0079"'),
        lambda data: data + b"\n",
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'"tiny"', b"[" * 50 + b"]" * 50),
    ],
)
def test_statement_that_is_not_strict_json_is_refused(
    good: GoodBundle, bundle: Path, spoil: Callable[[bytes], bytes]
) -> None:
    payload = canonical(statement_of(bundle))
    assert codes(verify_statement(good, bundle, spoil(payload))) == {"signature.statement"}


@pytest.mark.parametrize("created", ["today", "2026-02-30T00:00:00Z", "2026-11-23T12:00:00+01:00"])
def test_statement_without_a_date_is_refused(good: GoodBundle, bundle: Path, created: str) -> None:
    statement = statement_of(bundle)
    statement["predicate"]["created"] = created
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


def test_statement_of_the_future_is_refused(good: GoodBundle) -> None:
    assert good.verify(good.path, now=NOW - timedelta(hours=1)).intact
    assert codes(good.verify(good.path, now=datetime(2020, 1, 1, tzinfo=UTC))) == {
        "signature.future"
    }


# Provenance


def test_provenance_of_another_run_is_refused(good: GoodBundle, bundle: Path) -> None:
    payload = provenance_statement(
        manifest=sha256_file(bundle / "MANIFEST.sha256"),
        lock=sha256_file(bundle / "lock.json"),
        name="tiny",
        version="0.1.0",
        started="another time",
        finished="another time",
    )
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(payload, good.signer))
    assert codes(good.verify(bundle)) == {"provenance.other"}


def test_provenance_signed_by_another_key_is_refused(good: GoodBundle, bundle: Path) -> None:
    payload = canonical(statement_of(bundle, PROVENANCE_ATTESTATION))
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(payload, make_signer()))
    assert codes(good.verify(bundle)) == {"signature.wrong"}


def sign_with_provenance(good: GoodBundle, bundle: Path, provenance: dict[str, Any]) -> Report:
    payload = canonical(provenance)
    statement = statement_of(bundle)["predicate"]
    signed = ResultStatement(
        name="tiny",
        created=NOW,
        recipe=statement["recipe"],
        lock=statement["lock"]["sha256"],
        result=statement["result"]["sha256"],
        provenance=sha256_bytes(payload),
    )
    manifest = sha256_file(bundle / "MANIFEST.sha256")
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(payload, good.signer))
    return verify_statement(good, bundle, signed.to_bytes(manifest))


def test_provenance_that_names_another_lock_is_refused(good: GoodBundle, bundle: Path) -> None:
    provenance = statement_of(bundle, PROVENANCE_ATTESTATION)
    assert sign_with_provenance(good, bundle, provenance).intact
    locks = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    locks[0]["digest"]["sha256"] = "0" * 64
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"provenance.lock"}


@pytest.mark.parametrize("field", ["lock", "result", "recipe"])
def test_statement_that_names_other_contents_is_refused(
    good: GoodBundle, bundle: Path, field: str
) -> None:
    predicate = statement_of(bundle)["predicate"]
    right = ResultStatement(
        name="tiny",
        created=NOW,
        recipe=predicate["recipe"],
        lock=predicate["lock"]["sha256"],
        result=predicate["result"]["sha256"],
        provenance=predicate["provenance"]["sha256"],
    )
    manifest = sha256_file(bundle / "MANIFEST.sha256")
    wrong = replace(right, **{field: Digest("0" * 64)})
    report = verify_statement(good, bundle, wrong.to_bytes(manifest))
    assert codes(report) <= {"schemas.disagree", "provenance.lock"}
    assert not report.intact
