"""Statements of another kind, about something else, or with other digests, by the right key."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, codes, make_signer
from attacks.spoiling import statement_of
from specseal.bundle import Report, seal
from specseal.bundle.envelope import wrap
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.statement import RESULT_TYPE, ResultStatement, provenance_statement
from specseal.digests import Digest, canonical, sha256_bytes, sha256_file

ATTESTATIONS = [RESULT_ATTESTATION, PROVENANCE_ATTESTATION]


def verify_statement(good: GoodBundle, bundle: Path, payload: bytes) -> Report:
    """Have the right key sign another payload."""
    (bundle / RESULT_ATTESTATION).write_bytes(wrap(payload, good.signer))
    return good.verify(bundle)


# The result statement


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
    statement = {**statement_of(bundle / RESULT_ATTESTATION), field: value}
    assert codes(verify_statement(good, bundle, canonical(statement))) == {code}


@pytest.mark.parametrize("value", [[], None, 1, "statement", [{"predicateType": RESULT_TYPE}]])
def test_payload_that_is_no_object_is_a_no_and_no_crash(
    good: GoodBundle, bundle: Path, value: object
) -> None:
    report = verify_statement(good, bundle, canonical(value))
    assert codes(report) == {"signature.predicate_type"}


def test_statement_about_two_subjects_is_refused(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
    statement["subject"] *= 2
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


def test_statement_about_another_manifest_is_refused(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
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
    payload = canonical(statement_of(bundle / RESULT_ATTESTATION))
    assert codes(verify_statement(good, bundle, spoil(payload))) == {"signature.statement"}


@pytest.mark.parametrize("created", ["today", "2026-02-30T00:00:00Z", "2026-11-23T12:00:00+01:00"])
def test_statement_without_a_date_is_refused(good: GoodBundle, bundle: Path, created: str) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
    statement["predicate"]["created"] = created
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


def test_statement_of_the_future_is_refused(good: GoodBundle) -> None:
    assert good.verify(good.path, now=NOW - timedelta(days=1)).intact
    just_more = NOW - timedelta(days=1, seconds=1)
    assert codes(good.verify(good.path, now=just_more)) == {"signature.future"}
    assert codes(good.verify(good.path, now=datetime(2020, 1, 1, tzinfo=UTC))) == {
        "signature.future"
    }


# Provenance


def test_provenance_is_written_as_slsa_has_it() -> None:
    payload = provenance_statement(
        manifest=Digest("1" * 64),
        lock=Digest("2" * 64),
        name="tiny",
        version="0.1.0",
        started="2026-11-23T11:00:00Z",
        finished="2026-11-23T11:30:00Z",
    )
    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "MANIFEST.sha256", "digest": {"sha256": "1" * 64}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://specseal.dev/run/v1",
                "externalParameters": {"spec": "tiny"},
                "resolvedDependencies": [{"name": "lock.json", "digest": {"sha256": "2" * 64}}],
            },
            "runDetails": {
                "builder": {
                    "id": "https://specseal.dev/runner",
                    "version": {"specseal": "0.1.0"},
                },
                "metadata": {
                    "startedOn": "2026-11-23T11:00:00Z",
                    "finishedOn": "2026-11-23T11:30:00Z",
                },
            },
        },
    }


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
    payload = canonical(statement_of(bundle / PROVENANCE_ATTESTATION))
    (bundle / PROVENANCE_ATTESTATION).write_bytes(wrap(payload, make_signer()))
    assert codes(good.verify(bundle)) == {"signature.wrong"}


def sign_with_provenance(good: GoodBundle, bundle: Path, provenance: dict[str, Any]) -> Report:
    payload = canonical(provenance)
    statement = statement_of(bundle / RESULT_ATTESTATION)["predicate"]
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
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    assert sign_with_provenance(good, bundle, provenance).intact
    locks = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    locks[0]["digest"]["sha256"] = "0" * 64
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"provenance.lock"}


@pytest.mark.parametrize("field", ["lock", "result", "recipe"])
def test_statement_that_names_other_contents_is_refused(
    good: GoodBundle, bundle: Path, field: str
) -> None:
    predicate = statement_of(bundle / RESULT_ATTESTATION)["predicate"]
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


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1", "signature.statement"),
        ("predicateType", "https://slsa.dev/provenance/v2", "signature.predicate_type"),
        ("predicateType", "https://specseal.dev/result/v1", "signature.predicate_type"),
        ("subject", [], "signature.statement"),
        ("more", 1, "signature.statement"),
    ],
)
def test_provenance_of_another_kind_is_refused(
    good: GoodBundle, bundle: Path, field: str, value: object, code: str
) -> None:
    provenance = {**statement_of(bundle / PROVENANCE_ATTESTATION), field: value}
    assert codes(sign_with_provenance(good, bundle, provenance)) == {code}


def test_provenance_about_another_manifest_is_refused(good: GoodBundle, bundle: Path) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    provenance["subject"][0]["digest"]["sha256"] = "0" * 64
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"signature.subject"}


def test_provenance_of_another_way_to_run_is_refused(good: GoodBundle, bundle: Path) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    provenance["predicate"]["buildDefinition"]["buildType"] = "https://specseal.dev/run/v2"
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"signature.statement"}


def test_provenance_that_names_a_second_lock_is_refused(good: GoodBundle, bundle: Path) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    inputs = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    inputs.append({"name": "lock.json", "digest": {"sha256": "0" * 64}})
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"provenance.lock"}


TIMES = {"startedOn": "2026-11-23T11:00:00Z", "finishedOn": "2026-11-23T11:30:00Z"}


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"startedOn": "2026-11-23T11:30:01Z"}, "provenance.times"),
        ({"startedOn": "1999-01-01T00:00:00Z", "finishedOn": "1998-01-01T00:00:00Z"},
         "provenance.times"),
        ({"finishedOn": "2026-11-24T12:00:01Z"}, "provenance.times"),
        ({"finishedOn": "2026-11-24T12:00:00.001Z"}, "provenance.times"),
        ({"startedOn": "2026-02-30T11:00:00Z"}, "provenance.times"),
        ({"startedOn": "2026-11-23 11:00:00"}, "provenance.times"),
        ({"finishedOn": "tomorrow"}, "provenance.times"),
        ({"finishedOn": "2026-11-23T11:30:00.1234Z"}, "provenance.times"),
        ({"finishedOn": 0}, "signature.statement"),
        ({"startedOn": "2026-11-23T11:00:00.250Z"}, "schemas.disagree"),
        ({"finishedOn": "2026-11-24T12:00:00Z"}, "schemas.disagree"),
    ],
)  # fmt: skip
def test_run_at_times_that_can_not_be_or_are_not_the_environments_is_refused(
    good: GoodBundle, bundle: Path, times: dict[str, object], code: str
) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    assert provenance["predicate"]["runDetails"]["metadata"] == TIMES
    provenance["predicate"]["runDetails"]["metadata"].update(times)
    assert codes(sign_with_provenance(good, bundle, provenance)) == {code}


def test_provenance_of_another_spec_is_refused(good: GoodBundle, bundle: Path) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    provenance["predicate"]["buildDefinition"]["externalParameters"]["spec"] = "another"
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"provenance.spec"}


def test_provenance_of_another_version_of_specseal_is_refused(
    good: GoodBundle, bundle: Path
) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    provenance["predicate"]["runDetails"]["builder"]["version"]["specseal"] = "99"
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"schemas.disagree"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"started": "2030-01-01T00:00:00Z"}, "schemas.disagree"),
        ({"finished": "tomorrow"}, "schemas.disagree"),
        ({"specseal_version": "99"}, "schemas.disagree"),
        ({"started": None}, "schemas.environment"),
        ({"started": None, "finished": None}, "schemas.environment"),
        ({"finished": None}, "schemas.environment"),
    ],
)
def test_environment_of_a_run_at_another_time_than_the_provenances_is_refused(
    good: GoodBundle, bundle: Path, changes: dict[str, str | None], code: str
) -> None:
    path = bundle / "environment.json"
    value = {**json.loads(path.read_bytes()), **changes}
    kept = {name: said for name, said in value.items() if said is not None}
    path.write_bytes(canonical(kept) + b"\n")
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {code}


# Digests: SHA-256, in full, and no other beside it


def digest_sets(sha256: str) -> list[dict[str, str]]:
    return [
        {},
        {"md5": "0" * 32},
        {"sha1": "0" * 40},
        {"sha512": "0" * 128},
        {"sha256": sha256, "sha1": "0" * 40},
        {"sha256": sha256, "sha512": "0" * 128},
        {"SHA256": sha256},
        {"sha256": sha256[:-1]},
        {"sha256": sha256 + "\n"},
        {"sha256": f"sha256:{sha256}"},
    ]


@pytest.mark.parametrize("number", range(len(digest_sets(""))))
@pytest.mark.parametrize("attestation", ATTESTATIONS)
def test_subject_by_a_weak_digest_or_by_several_is_refused(
    good: GoodBundle, bundle: Path, attestation: str, number: int
) -> None:
    statement = statement_of(bundle / attestation)
    digest = statement["subject"][0]["digest"]
    statement["subject"][0]["digest"] = digest_sets(digest["sha256"])[number]
    if attestation == RESULT_ATTESTATION:
        report = verify_statement(good, bundle, canonical(statement))
    else:
        report = sign_with_provenance(good, bundle, statement)
    assert codes(report) == {"signature.statement"}


@pytest.mark.parametrize("number", range(len(digest_sets(""))))
@pytest.mark.parametrize("name", ["lock", "result", "provenance", "supersedes"])
def test_what_a_result_names_by_a_weak_digest_or_by_several_is_refused(
    good: GoodBundle, bundle: Path, name: str, number: int
) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
    right = statement["predicate"].get(name, {"sha256": "5" * 64})["sha256"]
    statement["predicate"][name] = digest_sets(right)[number]
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


@pytest.mark.parametrize("number", range(len(digest_sets(""))))
def test_lock_that_the_provenance_names_by_a_weak_digest_or_by_several_is_refused(
    good: GoodBundle, bundle: Path, number: int
) -> None:
    provenance = statement_of(bundle / PROVENANCE_ATTESTATION)
    (lock,) = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    lock["digest"] = digest_sets(lock["digest"]["sha256"])[number]
    assert codes(sign_with_provenance(good, bundle, provenance)) == {"provenance.lock"}


# What a bundle supersedes


def test_bundle_that_supersedes_another_says_so(good: GoodBundle, tmp_path: Path) -> None:
    wrong = good.verify(good.path).manifest_digest
    later = NOW + timedelta(days=1)
    bundle = seal(good.inputs, tmp_path / "right", signer=good.signer, now=later, supersedes=wrong)
    report = good.verify(bundle, now=later)
    assert report.trusted
    assert report.supersedes == wrong
    assert f"supersedes sha256:{wrong}" in report.to_text().splitlines()
    assert good.verify(good.path).supersedes is None


def test_bundle_that_supersedes_itself_is_refused(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
    statement["predicate"]["supersedes"] = statement["subject"][0]["digest"]
    report = verify_statement(good, bundle, canonical(statement))
    assert codes(report) == {"signature.statement"}


def test_what_a_later_minor_version_adds_is_ignored(good: GoodBundle, bundle: Path) -> None:
    statement = statement_of(bundle / RESULT_ATTESTATION)
    statement["predicate"]["added_later"] = {"anything": [1, 2]}
    assert verify_statement(good, bundle, canonical(statement)).trusted
