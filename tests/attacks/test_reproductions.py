"""Reproduction statements: the one thing that may be added later, and what is passed off as one."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, codes, make_signer, trusting
from attacks.spoiling import CHANGES, change_envelope, name_in_hint, spell_url_safe, twin_key
from specseal.bundle import (
    Additions,
    Attestation,
    Policy,
    Signer,
    Trust,
    Verdict,
    add_reproduction,
    attest_reproduction,
    layout,
    open_bundle,
)
from specseal.bundle.envelope import wrap
from specseal.bundle.findings import BundleBroken
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.reproduction import REPRODUCTION_TYPE, ReproductionStatement
from specseal.bundle.statement import render_statement
from specseal.digests import Digest, canonical
from specseal.errors import InputError, VerificationFailed

OTHER = Digest("7" * 64)


@pytest.fixture(scope="session")
def again(tmp_path_factory: pytest.TempPathFactory) -> GoodBundle:
    """The same run once more, by somebody else."""
    return GoodBundle(tmp_path_factory.mktemp("again"))


def attest(
    good: GoodBundle, again: GoodBundle, *, signer: Signer | None = None, verdict: Verdict
) -> Attestation:
    return attest_reproduction(
        original=good.contents,
        reproduction=again.contents,
        verdict=verdict,
        version="0.1.0",
        signer=signer or again.signer,
        now=NOW,
    )


def put(bundle: Path, attestation: Attestation) -> Path:
    """Lay an attestation into a bundle without asking, and return its statement's file."""
    for name, data in attestation.files.items():
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_bytes(data)
    return bundle / name


@pytest.fixture
def statement(good: GoodBundle, again: GoodBundle, bundle: Path) -> Path:
    """The file of a good statement in the bundle, to be spoilt."""
    return put(bundle, attest(good, again, verdict="reproduced"))


def sign(path: Path, again: GoodBundle, payload: bytes) -> None:
    """Have the reproducer sign another payload."""
    path.write_bytes(wrap(payload, again.signer))


def predicate(good: GoodBundle, again: GoodBundle) -> ReproductionStatement:
    return attest(good, again, verdict="reproduced").statement


# Good ones


def test_statement_of_another_is_added_and_changes_nothing(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    attestation = attest(good, again, verdict="reproduced")
    path = add_reproduction(bundle, attestation.envelope, again.signer.public, now=NOW)
    after = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    key = bundle / "attestations" / "keys" / f"{again.signer.public.digest}.pem"
    assert {path: data for path, data in after.items() if path in before} == before
    assert set(after) - set(before) == {path, key}
    assert open_bundle(bundle).manifest == good.contents.manifest
    assert not list(bundle.parent.glob(".*"))


def test_statement_of_a_trusted_key_counts_towards_a_policy(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    both = trusting(good.signer, again.signer)
    report = good.verify(bundle, trusted=both, policy=Policy(signers=2))
    assert report.trusted
    assert [(one.signature.role, one.status) for one in report.signers] == [
        ("result", "trusted"),
        ("reproduction", "trusted"),
    ]
    line = f"(trusted, counts): reproduced by sha256:{again.contents.manifest}, "
    assert f"signer {again.signer.public.digest} {line}" in report.to_text()
    assert codes(good.verify(bundle, trusted=both, policy=Policy(signers=3))) == {"policy.signers"}


def test_statement_of_an_unknown_key_is_fine_and_does_not_count(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    report = good.verify(bundle)
    assert report.trusted
    assert f"signer {again.signer.public.digest} (unknown, does not count)" in report.to_text()
    assert codes(good.verify(bundle, policy=Policy(signers=2))) == {"policy.signers"}


@pytest.mark.parametrize("verdict", ["not reproduced", "inconclusive", "not comparable"])
def test_statement_that_says_otherwise_is_shown_and_does_not_count(
    good: GoodBundle, again: GoodBundle, bundle: Path, verdict: Verdict
) -> None:
    put(bundle, attest(good, again, verdict=verdict))
    both = trusting(good.signer, again.signer)
    report = good.verify(bundle, trusted=both, policy=Policy(signers=2))
    assert codes(report) == {"policy.signers"}
    assert report.intact
    assert f"the verdict is: {verdict}" in report.to_text()


@pytest.mark.parametrize("verdict", ["not reproduced", "inconclusive", "not comparable"])
def test_key_that_says_reproduced_once_and_otherwise_too_does_not_count(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path, verdict: Verdict
) -> None:
    otherwise = replace(predicate(good, again), reproduction=OTHER, verdict=verdict)
    envelope = wrap(otherwise.to_bytes(good.contents.manifest), again.signer)
    add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    both = trusting(good.signer, again.signer)
    report = good.verify(bundle, trusted=both, policy=Policy(signers=2))
    assert codes(report) == {"policy.signers"}
    assert f"another verdict by the same key is: {verdict}" in report.to_text()
    objections = [one.objection.code for one in report.signers if one.objection is not None]
    assert objections == ["policy.verdict"] * 2
    assert good.verify(bundle, trusted=both).trusted


def test_verdict_from_out_of_the_policys_time_takes_nothing_from_one_within_it(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    earlier = NOW - timedelta(hours=2)
    before = replace(
        predicate(good, again), reproduction=OTHER, verdict="inconclusive", created=earlier
    )
    envelope = wrap(before.to_bytes(good.contents.manifest), again.signer)
    add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    both = trusting(good.signer, again.signer)
    policy = Policy(signers=2, created_from=NOW - timedelta(hours=1))
    assert good.verify(bundle, trusted=both, policy=policy).trusted
    assert not good.verify(bundle, trusted=both, policy=Policy(signers=2)).trusted


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (timedelta(days=900), {"reproductions.before"}),
        (timedelta(days=1, seconds=1), {"reproductions.before"}),
        (timedelta(days=1), set()),
    ],
)
def test_reproduction_from_before_the_result_is_refused(
    good: GoodBundle,
    again: GoodBundle,
    bundle: Path,
    statement: Path,
    before: timedelta,
    expected: set[str],
) -> None:
    early = replace(predicate(good, again), created=NOW - before)
    sign(statement, again, early.to_bytes(good.contents.manifest))
    assert codes(good.verify(bundle)) == expected


def test_reproduction_from_before_the_result_is_not_added(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    early = replace(predicate(good, again), created=NOW - timedelta(days=2))
    envelope = wrap(early.to_bytes(good.contents.manifest), again.signer)
    with pytest.raises(BundleBroken, match="before there was what it reproduced"):
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)


def test_signer_who_reproduces_the_own_result_is_still_one_key(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    put(bundle, attest(good, again, signer=good.signer, verdict="reproduced"))
    report = good.verify(bundle, policy=Policy(signers=2))
    assert len(report.signers) == 2
    assert codes(report) == {"policy.signers"}


def test_key_that_signs_twice_is_still_one_key(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    second = replace(predicate(good, again), reproduction=OTHER)
    path = statement.with_name(f"{again.signer.public.digest}-{OTHER}.sigstore.json")
    sign(path, again, second.to_bytes(good.contents.manifest))
    both = trusting(good.signer, again.signer)
    report = good.verify(bundle, trusted=both, policy=Policy(signers=3))
    assert len(report.signers) == 3
    assert codes(report) == {"policy.signers"}


def test_statement_in_url_safe_base64_is_accepted(
    good: GoodBundle, bundle: Path, statement: Path
) -> None:
    change_envelope(statement, spell_url_safe)
    assert good.verify(bundle).trusted


# Broken ones


@pytest.mark.parametrize(("change", "finding"), CHANGES)
def test_envelope_that_is_not_one_plain_signature_is_refused(
    good: GoodBundle,
    bundle: Path,
    statement: Path,
    change: Callable[[dict[str, Any]], None],
    finding: str,
) -> None:
    change_envelope(statement, change)
    report = good.verify(bundle)
    assert codes(report) == {f"reproductions.{finding}"}
    assert not report.intact
    assert any(statement.name in check.message for check in report.checks if not check.holds)


def test_statement_cut_short_is_refused(good: GoodBundle, bundle: Path, statement: Path) -> None:
    os.truncate(statement, statement.stat().st_size // 2)
    assert codes(good.verify(bundle)) == {"reproductions.form"}


def test_every_broken_statement_has_its_own_finding(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    third = make_signer()
    other = put(bundle, attest(good, again, signer=third, verdict="reproduced"))
    for path in (statement, other):
        path.write_bytes(b"{}\n")
    messages = [
        check.message for check in good.verify(bundle).checks if check.code == "reproductions.form"
    ]
    assert {path for path in (statement, other) for text in messages if path.name in text} == {
        statement,
        other,
    }


# Foreign ones


def test_statement_about_another_bundle_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    sign(statement, again, predicate(good, again).to_bytes(OTHER))
    assert codes(good.verify(bundle)) == {"reproductions.subject"}


@pytest.mark.parametrize("attestation", [RESULT_ATTESTATION, PROVENANCE_ATTESTATION])
def test_result_or_provenance_passed_off_as_a_reproduction_is_refused(
    good: GoodBundle, bundle: Path, attestation: str
) -> None:
    name = f"{good.signer.public.digest}-{OTHER}.sigstore.json"
    (bundle / "attestations" / "reproductions").mkdir()
    data = (bundle / attestation).read_bytes()
    (bundle / "attestations" / "reproductions" / name).write_bytes(data)
    assert codes(good.verify(bundle)) == {"reproductions.predicate_type"}


def test_reproduction_passed_off_as_the_result_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    attestation = attest(good, again, signer=good.signer, verdict="reproduced")
    (bundle / RESULT_ATTESTATION).write_bytes(attestation.envelope)
    assert "signature.predicate_type" in codes(good.verify(bundle))


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("_type", "https://in-toto.io/Statement/v2", "statement"),
        ("predicateType", "https://specseal.dev/reproduction/v2", "predicate_type"),
        ("predicateType", None, "predicate_type"),
        ("subject", [], "statement"),
        ("predicate", {}, "statement"),
        ("more", 1, "statement"),
    ],
)
def test_statement_of_another_kind_is_refused(
    good: GoodBundle,
    again: GoodBundle,
    bundle: Path,
    statement: Path,
    field: str,
    value: object,
    code: str,
) -> None:
    right = render_statement(good.contents.manifest, REPRODUCTION_TYPE, {})
    payload = {**_value(right), "predicate": _predicate(good, again), field: value}
    sign(statement, again, canonical(payload))
    assert codes(good.verify(bundle)) == {f"reproductions.{code}"}


def _value(payload: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(payload)
    return value


def _predicate(good: GoodBundle, again: GoodBundle) -> dict[str, Any]:
    predicate_: dict[str, Any] = _value(predicate(good, again).to_bytes(OTHER))["predicate"]
    return predicate_


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("schema", "specseal/reproduction/2", "statement"),
        ("created", "today", "statement"),
        ("created", "2026-02-30T00:00:00Z", "statement"),
        ("created", "2026-11-24T12:00:01Z", "future"),
        ("reproduction", {"md5": "0" * 32}, "statement"),
        ("reproduction", {"sha256": "0" * 64, "sha512": "0" * 128}, "statement"),
        ("reproduction", {"sha256": "0" * 64 + "\n"}, "statement"),
        ("reproduction", {"sha256": "0" * 64}, "name"),
        ("lock", {"sha1": "0" * 40}, "statement"),
        ("recipe", "0" * 64, "recipe"),
        ("recipe", "none", "statement"),
        ("verdict", "REPRODUCED", "statement"),
        ("verdict", ["reproduced"], "statement"),
        ("version", "", "statement"),
    ],
)
def test_statement_that_says_what_can_not_be_is_refused(
    good: GoodBundle,
    again: GoodBundle,
    bundle: Path,
    statement: Path,
    field: str,
    value: object,
    code: str,
) -> None:
    said = {**_predicate(good, again), field: value}
    manifest = good.contents.manifest
    sign(statement, again, render_statement(manifest, REPRODUCTION_TYPE, said))
    assert codes(good.verify(bundle)) == {f"reproductions.{code}"}


def test_what_a_later_minor_version_adds_is_ignored(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    said = {**_predicate(good, again), "added_later": 1}
    manifest = good.contents.manifest
    sign(statement, again, render_statement(manifest, REPRODUCTION_TYPE, said))
    assert good.verify(bundle).trusted


def test_bundle_as_its_own_reproduction_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    with pytest.raises(BundleBroken, match="said to reproduce itself"):
        attest(good, good, signer=again.signer, verdict="reproduced")
    manifest = good.contents.manifest
    said = replace(predicate(good, again), reproduction=manifest)
    envelope = wrap(said.to_bytes(manifest), again.signer)
    put(bundle, Attestation(statement=said, key=again.signer.public, envelope=envelope))
    assert codes(good.verify(bundle)) == {"reproductions.itself"}


def test_reproduced_said_of_another_recipe_is_not_signed(
    good: GoodBundle, again: GoodBundle
) -> None:
    original = good.contents
    reproduction = again.contents
    other = replace(reproduction.lock, sampling={**reproduction.lock.sampling, "temperature": 1})
    asked = {
        "original": original,
        "reproduction": replace(reproduction, lock=other),
        "version": "0.1.0",
        "signer": again.signer,
        "now": NOW,
    }
    with pytest.raises(BundleBroken, match="another recipe"):
        attest_reproduction(verdict="reproduced", **asked)
    assert attest_reproduction(verdict="not comparable", **asked).envelope


# Keys


def test_statement_under_the_name_of_another_key_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    third = make_signer().public
    statement.rename(
        statement.with_name(statement.name.replace(again.signer.public.digest, third.digest))
    )
    (bundle / "attestations" / "keys" / f"{again.signer.public.digest}.pem").unlink()
    (bundle / "attestations" / "keys" / f"{third.digest}.pem").write_bytes(third.pem)
    report = good.verify(
        bundle, trusted=trusting(good.signer, again.signer), policy=Policy(signers=2)
    )
    assert codes(report) == {"reproductions.wrong", "policy.signers"}


def test_one_signature_under_two_names_meets_no_threshold(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    """A second key can be computed that fits a signature: it is a key that nobody trusts."""
    twin = twin_key(statement, again.signer.public)
    copy = statement.with_name(statement.name.replace(again.signer.public.digest, twin.digest))
    copy.write_bytes(statement.read_bytes())
    change_envelope(copy, lambda envelope: name_in_hint(envelope, twin.digest))
    (bundle / "attestations" / "keys" / f"{twin.digest}.pem").write_bytes(twin.pem)
    both = trusting(good.signer, again.signer)
    report = good.verify(bundle, trusted=both, policy=Policy(signers=3))
    assert len(report.signers) == 3
    assert codes(report) == {"policy.signers"}


def test_statement_without_its_key_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    (bundle / "attestations" / "keys" / f"{again.signer.public.digest}.pem").unlink()
    assert codes(good.verify(bundle)) == {"layout.keys", "reproductions.key"}


def test_key_that_has_signed_nothing_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    put(bundle, attest(good, again, signer=good.signer, verdict="reproduced"))
    assert good.verify(bundle).trusted
    idle = make_signer().public
    (bundle / "attestations" / "keys" / f"{idle.digest}.pem").write_bytes(idle.pem)
    assert codes(good.verify(bundle)) == {"reproductions.key"}


def test_key_of_a_reproduction_that_is_rubbish_is_refused(
    good: GoodBundle, again: GoodBundle, bundle: Path, statement: Path
) -> None:
    (bundle / "attestations" / "keys" / f"{again.signer.public.digest}.pem").write_bytes(b"me")
    assert codes(good.verify(bundle)) == {"signature.key"}


# Names and sizes


@pytest.mark.parametrize(
    "name",
    [
        "note.txt", f"{'A' * 64}-{OTHER}.sigstore.json", f"{OTHER}.sigstore.json",
        f"{OTHER}-{OTHER}.json", f"{OTHER}-{OTHER}.sigstore.json.bak",
        f"{OTHER}-{OTHER}-{OTHER}.sigstore.json", f"deeper/{OTHER}-{OTHER}.sigstore.json",
    ],
)  # fmt: skip
def test_anything_else_beside_the_statements_is_refused(
    good: GoodBundle, bundle: Path, statement: Path, name: str
) -> None:
    path = statement.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(statement.read_bytes())
    assert codes(good.verify(bundle)) == {"layout.extra"}


@pytest.mark.parametrize("name", [".hidden", "a b", f"{OTHER}-{OTHER}.sigstore.json\n"])
def test_strange_name_beside_the_statements_is_refused(
    good: GoodBundle, bundle: Path, statement: Path, name: str
) -> None:
    statement.with_name(name).write_bytes(statement.read_bytes())
    assert codes(good.verify(bundle)) == {"layout.path"}


def test_statement_that_is_a_link_is_refused(
    good: GoodBundle, bundle: Path, statement: Path
) -> None:
    elsewhere = statement.rename(bundle.parent / "elsewhere")
    statement.symlink_to(elsewhere)
    assert "layout.kind" in codes(good.verify(bundle))


def test_statement_larger_than_any_is_not_read(
    good: GoodBundle, bundle: Path, statement: Path
) -> None:
    with statement.open("ab") as file:
        file.write(b" " * 64 * 2**10)
    assert "read.size" in codes(good.verify(bundle))


def test_more_statements_than_any_bundle_has_are_not_read(
    good: GoodBundle, bundle: Path, statement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_REPRODUCTIONS", 2)
    assert good.verify(bundle).intact  # one statement, and two keys
    for digit in "12":
        statement.with_name(f"{digit * 64}-{OTHER}.sigstore.json").write_bytes(b"{}\n")
    assert "layout.bounds" in codes(good.verify(bundle))


# Adding one


def test_statement_that_is_not_about_the_bundle_is_not_added(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    envelope = wrap(predicate(good, again).to_bytes(OTHER), again.signer)
    with pytest.raises(BundleBroken, match="the statement: payload: the subject is another"):
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    assert good.verify(bundle).trusted
    assert not (bundle / "attestations" / "reproductions").exists()


def test_statement_by_another_key_than_named_is_not_added(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    envelope = attest(good, again, verdict="reproduced").envelope
    with pytest.raises(BundleBroken, match="the signature is not that of the key"):
        add_reproduction(bundle, envelope, make_signer().public, now=NOW)
    assert good.verify(bundle).trusted


def test_nothing_is_added_to_a_broken_bundle(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    (bundle / "LICENSE").write_bytes(b"mine")
    envelope = attest(good, again, verdict="reproduced").envelope
    with pytest.raises(VerificationFailed, match="not intact: LICENSE"):
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    assert not (bundle / "attestations" / "reproductions").exists()


def test_statement_is_added_once(good: GoodBundle, again: GoodBundle, bundle: Path) -> None:
    envelope = attest(good, again, verdict="reproduced").envelope
    add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    with pytest.raises(InputError, match="is there already"):
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    assert good.verify(bundle).trusted


def test_second_statement_of_a_key_joins_the_first(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    for reproduction in (predicate(good, again).reproduction, OTHER):
        said = replace(predicate(good, again), reproduction=reproduction)
        envelope = wrap(said.to_bytes(good.contents.manifest), again.signer)
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    assert len(good.verify(bundle).signers) == 3


def test_addition_that_fails_half_way_leaves_nothing(
    good: GoodBundle, again: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to

    def fail_late(self: Path, target: Path) -> None:
        if self.suffix == ".json":
            raise OSError(28, "No space left on device", str(self))
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", fail_late)
    envelope = attest(good, again, verdict="reproduced").envelope
    with pytest.raises(InputError, match="can't be written: No space left"):
        add_reproduction(bundle, envelope, again.signer.public, now=NOW)
    monkeypatch.undo()
    assert good.verify(bundle).trusted
    assert not list(bundle.parent.glob(".*"))


# Looked at alone, before they are added


def alone(good: GoodBundle, bundle: Path) -> Additions:
    trust = Trust(store=trusting(good.signer), required=True, now=NOW)
    return Additions(trust.verify(bundle), trust)


def test_statement_whose_key_is_in_the_bundle_need_not_bring_it(
    good: GoodBundle, again: GoodBundle, bundle: Path
) -> None:
    attestation = attest(good, again, verdict="reproduced")
    (key,) = (name for name in attestation.files if name.endswith(".pem"))
    statement_only = {name: data for name, data in attestation.files.items() if name != key}
    assert alone(good, bundle).check(attestation.files) is None
    with pytest.raises(BundleBroken):
        alone(good, bundle).check(statement_only)
    add_reproduction(bundle, attestation.envelope, again.signer.public, now=NOW)
    assert alone(good, bundle).check(statement_only) is None


def test_bundle_takes_as_many_statements_as_it_may_have(
    good: GoodBundle, again: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bundle, attest(good, again, verdict="reproduced"))
    more = attest(good, again, signer=make_signer(), verdict="reproduced")
    additions = import_module("specseal.bundle.additions")
    monkeypatch.setattr(additions, "MAX_REPRODUCTIONS", 3)  # two keys are there, one statement
    assert alone(good, bundle).check(more.files) is None
    monkeypatch.setattr(additions, "MAX_REPRODUCTIONS", 2)
    with pytest.raises(BundleBroken) as caught:
        alone(good, bundle).check(more.files)
    assert [(one.code, one.message) for one in caught.value.findings] == [
        ("layout.bounds", "one of more than 2")
    ]
