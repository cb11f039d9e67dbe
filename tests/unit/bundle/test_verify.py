from datetime import timedelta
from pathlib import Path

import pytest

from attacks.builder import NOW, GoodBundle, make_signer
from specseal.bundle import Policy, TrustStore, open_bundle
from specseal.digests import Digest
from specseal.errors import VerificationFailed


def test_report_of_a_good_bundle_names_every_step(good: GoodBundle) -> None:
    report = good.verify(good.path)
    assert [check.code for check in report.checks] == [
        "layout", "read", "manifest", "signature", "provenance", "reproductions", "timestamp",
        "schemas", "texts", "recompute", "trust", "policy",
    ]  # fmt: skip
    value = report.to_dict()
    assert value["intact"] is True
    assert value["trusted"] is True
    assert value["signer"] == good.signer.public.digest
    assert value["bundle"] in report.to_text()
    assert "NO" not in report.to_text()
    assert value["timestamp"] is None
    assert not [line for line in report.to_text().splitlines() if line.startswith("timestamp")]


def test_report_says_of_trust_and_policy_what_was_asked(good: GoodBundle) -> None:
    report = good.verify(good.path)
    whole, intact = report.to_text(), report.to_text(trust=False)
    assert [line[:11] for line in whole.splitlines()][10:12] == ["yes  trust:", "yes  policy"]
    asked = [line.replace(": not asked", "") for line in intact.splitlines()]
    assert asked[:10] == whole.splitlines()[:10]
    assert asked[10:12] == ["–    trust", "–    policy"]
    assert asked[12:] == whole.splitlines()[12:]


def test_errors_call_a_bundle_by_the_name_that_they_are_given(
    good: GoodBundle, bundle: Path
) -> None:
    (bundle / "LICENSE").write_bytes(b"mine")
    report = good.verify(bundle)
    for name, called in ((None, bundle), ("registry/name", "registry/name")):
        with pytest.raises(VerificationFailed, match=f"^{called}: not intact") as caught:
            report.demand(trust=False, name=name)
        assert caught.value.mend == "get the bundle again from where it was published"


def test_contents_are_those_that_were_sealed(good: GoodBundle) -> None:
    contents = good.verify(good.path).demand(trust=True)
    assert contents.run == good.inputs.run
    assert contents.lock == good.inputs.lock
    document = contents.to_document()
    assert set(document) == {
        "bundle", "recipe", "runtime", "isolation", "pinned",
        "metrics", "choices", "crossovers", "failures", "notes",
    }  # fmt: skip
    assert document["recipe"] == good.inputs.lock.recipe
    assert len(document["metrics"]) == len(contents.result.metrics)


def test_untrusted_bundle_is_refused_with_the_way_to_trust_it(
    good: GoodBundle, bundle: Path
) -> None:
    other = make_signer()
    good.sign_again(bundle, signer=other)
    report = good.verify(bundle)
    assert report.demand(trust=False)
    with pytest.raises(VerificationFailed, match="intact, but signed by a key") as caught:
        report.demand(trust=True)
    assert f"specseal keys trust {bundle}" in caught.value.mend
    assert "--key" in caught.value.mend


def test_broken_bundle_is_refused_with_the_first_reason(good: GoodBundle, bundle: Path) -> None:
    (bundle / "LICENSE").write_bytes(b"mine")
    report = good.verify(bundle)
    with pytest.raises(VerificationFailed, match="not intact: LICENSE: altered"):
        report.demand(trust=False)
    assert "NO   manifest.altered: LICENSE: altered" in report.to_text()


def test_what_is_not_intact_is_refused_without_a_word_of_who_is_trusted(
    good: GoodBundle, bundle: Path
) -> None:
    (bundle / "LICENSE").write_bytes(b"mine")
    report = good.verify(bundle, trusted=TrustStore())
    found = [check.code for check in report.checks if not check.holds]
    assert found[0] == "manifest.altered"
    assert found[-2:] == ["trust.unknown", "policy.not_run"]
    with pytest.raises(VerificationFailed, match=rf"\(and {len(found) - 3} more findings"):
        report.demand(trust=False)


def test_folder_that_is_no_bundle_is_called_that(good: GoodBundle, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    report = good.verify(tmp_path)
    with pytest.raises(
        VerificationFailed, match=r"no bundle: it has no MANIFEST\.sha256"
    ) as caught:
        report.demand(trust=False)
    assert "`specseal run` prints last" in caught.value.mend
    assert (report.intact, report.trusted, caught.value.exit_code) == (False, False, 1)
    assert report.to_text().splitlines()[-1] == "no manifest"


def test_folder_of_bundles_is_called_that(good: GoodBundle, tmp_path: Path) -> None:
    for name in ("a", "b/c", "d", "e"):
        good.copy(tmp_path / name)
    with pytest.raises(
        VerificationFailed, match=r"a folder of bundles: a, b/c, d and 1 more\n"
    ) as caught:
        good.verify(tmp_path).demand(trust=False)
    assert caught.value.mend == "name one of them"


def test_steps_that_could_not_be_run_do_not_hold(good: GoodBundle, bundle: Path) -> None:
    (bundle / "attestations" / "result.sigstore.json").unlink()
    report = good.verify(bundle)
    not_run = {check.code for check in report.checks if check.code.endswith(".not_run")}
    assert not_run == {
        "provenance.not_run", "reproductions.not_run", "schemas.not_run", "texts.not_run",
        "recompute.not_run", "trust.not_run", "policy.not_run",
    }  # fmt: skip
    assert not any(check.holds for check in report.checks if check.code in not_run)
    assert report.signer is None
    assert (report.intact, report.trusted) == (False, False)
    assert not report.to_dict()["trusted"]


@pytest.mark.parametrize(
    ("pattern", "code", "message"),
    [
        ("MANIFEST.sha256", "manifest.missing", "MANIFEST.sha256: missing"),
        (
            "attestations/result.sigstore.json",
            "signature.missing",
            "attestations/result.sigstore.json: missing",
        ),
        ("attestations/keys/*.pem", "signature.key", "attestations/keys: no public key"),
    ],
)
def test_part_that_a_step_needs_and_is_missing_is_told_by_that_step(
    good: GoodBundle, bundle: Path, pattern: str, code: str, message: str
) -> None:
    (path,) = bundle.glob(pattern)
    path.unlink()
    checks = {check.code: check for check in good.verify(bundle).checks}
    assert (checks[code].holds, checks[code].message) == (False, message)


def test_key_that_is_none_is_told_by_the_step_that_needs_it(good: GoodBundle, bundle: Path) -> None:
    (path,) = bundle.glob("attestations/keys/*.pem")
    path.write_bytes(b"me\n")
    checks = {check.code: check.holds for check in good.verify(bundle).checks}
    assert checks["signature.key"] is False


def test_what_can_not_be_read_is_not_analysed(good: GoodBundle, bundle: Path) -> None:
    (bundle / "counts.json").write_bytes(b"{}\n")
    good.sign_again(bundle)
    report = good.verify(bundle)
    failed = [check.code for check in report.checks if not check.holds]
    assert set(failed) == {"schemas.counts", "texts.not_run", "recompute.not_run"}
    assert (report.intact, report.contents, report.trusted) == (False, None, True)


def test_result_that_the_records_do_not_give_is_not_taken_for_contents(
    good: GoodBundle, bundle: Path
) -> None:
    """The last step fails, and all before it hold."""
    data = (bundle / "result.json").read_bytes()
    (bundle / "result.json").write_bytes(data.replace(b'"unit":"s"', b'"unit":"ms"', 1))
    assert data != (bundle / "result.json").read_bytes()
    good.sign_again(bundle)
    report = good.verify(bundle)
    assert [check.code for check in report.checks if not check.holds] == ["recompute.metrics"]
    assert (report.intact, report.contents) == (False, None)


def test_bundle_is_opened_whoever_signed_it(good: GoodBundle) -> None:
    assert open_bundle(good.path).manifest == good.verify(good.path).manifest_digest


def test_broken_bundle_is_not_opened(good: GoodBundle, bundle: Path) -> None:
    (bundle / "extra").write_bytes(b"")
    with pytest.raises(VerificationFailed, match="extra: added"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("policy", "message", "mend"),
    [
        (Policy(signers=2), "2 different keys must vouch", "specseal attest add"),
        (Policy(created_from=NOW + timedelta(days=1)), "not within the policy's time", "another"),
        (Policy(keys=frozenset([Digest("0" * 64)])), "not one of the policy's", "another policy"),
    ],
)
def test_bundle_that_does_not_meet_the_policy_is_refused_with_what_would_help(
    good: GoodBundle, policy: Policy, message: str, mend: str
) -> None:
    report = good.verify(good.path, policy=policy)
    assert report.demand(trust=False)
    with pytest.raises(VerificationFailed, match=f"intact, but .*{message}") as caught:
        report.demand(trust=True)
    assert mend in caught.value.mend
