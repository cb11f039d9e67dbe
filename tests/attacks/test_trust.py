"""Whose word counts: revoked keys, stores that came with the bundle, thresholds met by one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from attacks.builder import NOW, GoodBundle, codes, make_signer, trusting
from specseal.bundle import Policy, Report, TrustStore, revoke, trust, trusted_keys
from specseal.bundle.published import PUBLISHED
from specseal.bundle.strict import schema_of
from specseal.cli import keys, verify
from specseal.errors import InputError, VerificationFailed
from specseal.settings import load_settings

STOLEN = datetime(2030, 1, 1, tzinfo=UTC)
"""Long after the good bundle was made, as its signer says."""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own configuration folder, with no keys in it."""
    folder = tmp_path / "config"
    monkeypatch.setenv("SPECSEAL_CONFIG_DIR", str(folder))
    monkeypatch.delenv("SPECSEAL_CONFIG", raising=False)
    return folder


@pytest.fixture
def pem(good: GoodBundle, tmp_path: Path) -> Path:
    """The signer's key, had from elsewhere."""
    path = tmp_path / "signer.pem"
    path.write_bytes(good.signer.public.pem)
    return path


def call(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]


def is_no(done: Result) -> bool:
    return isinstance(done.exception, VerificationFailed) and done.exception.exit_code == 1


# Revoked keys


def test_nothing_that_a_revoked_key_signed_is_believed_however_old_it_says_it_is(
    good: GoodBundle, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    trust(good.signer.public, store)
    revoke(good.signer.public.digest, store, reason="stolen in January", now=STOLEN)
    trusted = trusted_keys(load_settings({"SPECSEAL_CONFIG_DIR": "none"}, tmp_path), store)
    report = good.verify(good.path, trusted=trusted)
    assert codes(report) == {"trust.revoked"}
    assert (report.intact, report.trusted) == (True, False)
    (standing,) = report.signers
    assert standing.status == "revoked"
    with pytest.raises(VerificationFailed) as caught:
        report.demand(trust=True)
    assert "revoked on 2030-01-01T00:00:00Z (stolen in January)" in caught.value.message
    assert "keys trust" not in caught.value.mend


def test_revoked_key_is_told_from_an_unknown_one_on_the_command_line(
    good: GoodBundle, pem: Path
) -> None:
    assert "NO   trust.unknown" in call(verify.command, good.path).output
    assert call(keys.command, "revoke", pem, "--reason", "lost").exit_code == 0
    done = call(verify.command, good.path)
    assert is_no(done)
    assert "NO   trust.revoked: the signer's key was revoked on" in done.output
    assert "(lost); nothing that it signed is believed" in done.output


def test_revoked_key_is_not_believed_for_being_named_for_this_once(
    good: GoodBundle, pem: Path, tmp_path: Path
) -> None:
    call(keys.command, "revoke", good.signer.public.digest, "--reason", "lost")
    assert is_no(call(verify.command, good.path, "--key", pem))
    store = tmp_path / "store"
    trust(good.signer.public, store)
    assert is_no(call(verify.command, good.path, "--keys", store))


def test_revoked_key_is_not_believed_for_being_named_by_a_policy(
    good: GoodBundle, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        f"schema: specseal/policy/1\nkeys: [{good.signer.public.digest}]\n", encoding="utf-8"
    )
    assert call(verify.command, good.path, "--policy", policy).exit_code == 0
    call(keys.command, "revoke", good.signer.public.digest, "--reason", "lost")
    assert is_no(call(verify.command, good.path, "--policy", policy))


def test_revocation_that_a_repository_publishes_counts_for_who_names_its_store(
    good: GoodBundle, pem: Path, tmp_path: Path
) -> None:
    store = tmp_path / "trusted_keys"
    call(keys.command, "trust", pem)
    assert call(keys.command, "trust", pem, "--keys", store).exit_code == 0
    assert call(verify.command, good.path, "--keys", store).exit_code == 0
    call(keys.command, "revoke", pem, "--reason", "lost", "--keys", store)
    assert is_no(call(verify.command, good.path, "--keys", store))
    assert call(verify.command, good.path).exit_code == 0


def test_revoked_key_is_not_trusted_again_by_the_command_that_trusts(
    good: GoodBundle, pem: Path
) -> None:
    call(keys.command, "revoke", pem, "--reason", "lost")
    done = call(keys.command, "trust", pem)
    assert isinstance(done.exception, InputError)
    assert is_no(call(verify.command, good.path))
    assert call(keys.command, "trust", pem, "--reinstate").exit_code == 0
    assert call(verify.command, good.path).exit_code == 0


def test_revocation_is_listed_with_its_time_and_reason(good: GoodBundle, pem: Path) -> None:
    call(keys.command, "revoke", pem, "--reason", "lost\x1b[2J")
    (line,) = call(keys.command, "list").stdout.splitlines()
    assert line.startswith(f"{good.signer.public.digest}  revoked  20")
    assert line.endswith("lost\\x1b[2J")
    listed = json.loads(call(keys.command, "list", "--json").stdout)
    assert listed["trusted"] == []
    assert [one["reason"] for one in listed["revoked"]] == ["lost\x1b[2J"]


def test_damaged_store_stops_verification_and_never_means_that_nobody_is_revoked(
    good: GoodBundle, pem: Path, site: Path
) -> None:
    call(keys.command, "trust", pem)
    (site / "trusted" / "revoked").mkdir()
    (site / "trusted" / "revoked" / "note.txt").write_text("all is well", encoding="utf-8")
    done = call(verify.command, good.path)
    assert isinstance(done.exception, InputError)
    assert done.output == ""


# Stores that came with the bundle


@pytest.mark.parametrize("name", ["attestations/keys", "attestations", "."])
def test_folder_of_the_bundle_is_never_a_trust_store(good: GoodBundle, name: str) -> None:
    done = call(verify.command, good.path, "--keys", good.path / name)
    assert isinstance(done.exception, InputError)
    assert "lies in the bundle" in str(done.exception)
    assert done.output == ""


def test_link_into_the_bundle_is_never_a_trust_store(good: GoodBundle, tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to(good.path / "attestations" / "keys")
    done = call(verify.command, good.path, "--keys", tmp_path / "store")
    assert "lies in the bundle" in str(done.exception)


def test_store_that_lies_where_one_is_working_is_not_believed_unless_named(
    good: GoodBundle, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle may come in an archive with a folder artifacts/trusted_keys beside it."""
    store = bundle.parent / "artifacts" / "trusted_keys"
    trust(good.signer.public, store)
    monkeypatch.chdir(bundle.parent)
    assert is_no(call(verify.command, "bundle"))
    assert call(verify.command, "bundle", "--keys", "artifacts/trusted_keys").exit_code == 0


# Thresholds and times


def test_signer_who_is_not_trusted_can_not_be_made_up_for_by_others(
    good: GoodBundle, bundle: Path
) -> None:
    other = make_signer()
    report = good.verify(bundle, trusted=trusting(other), policy=Policy(signers=1))
    assert codes(report) == {"trust.unknown"}
    assert not report.trusted


def test_bundle_of_one_signer_is_no_yes_where_two_are_asked(good: GoodBundle, pem: Path) -> None:
    done = call(verify.command, good.path, "--key", pem, "--signers", 2)
    assert is_no(done)
    assert (
        "NO   policy.signers: 2 different keys must vouch for the result, and 1 does" in done.output
    )
    twice = call(verify.command, good.path, "--key", pem, "--key", pem, "--signers", 2)
    assert is_no(twice)


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        (NOW, NOW, True),
        (NOW + timedelta(seconds=1), None, False),
        (None, NOW - timedelta(seconds=1), False),
    ],
)
def test_bundle_of_another_time_than_asked_is_no_yes(
    good: GoodBundle, pem: Path, start: datetime | None, end: datetime | None, holds: bool
) -> None:
    window = [f"--from={start:%Y-%m-%dT%H:%M:%SZ}"] if start else []
    window += [f"--until={end:%Y-%m-%dT%H:%M:%SZ}"] if end else []
    done = call(verify.command, good.path, "--key", pem, *window)
    assert (done.exit_code == 0) is holds
    assert is_no(done) is not holds
    assert ("policy.created" in done.output) is not holds


@pytest.mark.parametrize(
    "arguments",
    [
        ["--policy", "POLICY", "--signers", "1"],
        ["--policy", "POLICY", "--key", "PEM"],
        ["--policy", "POLICY", "--until", "2026-11-25T12:00:00Z"],
        ["--policy", "POLICY", "--integrity-only"],
        ["--signers", "2", "--integrity-only"],
        ["--signers", "0"],
        ["--from", "yesterday"],
        ["--until", "2026-11-25"],
    ],
)
def test_demands_that_contradict_each_other_are_wrong_usage(
    good: GoodBundle, pem: Path, tmp_path: Path, arguments: list[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("schema: specseal/policy/1\nsigners: 1\n", encoding="utf-8")
    places = {"POLICY": policy, "PEM": pem}
    done = call(verify.command, good.path, *[places.get(one, one) for one in arguments])
    assert done.exit_code == 2
    assert "yes" not in done.stdout


def test_empty_policy_is_an_error_and_not_a_yes(good: GoodBundle, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    for text in ("", "{}\n", "schema: specseal/policy/1\n"):
        policy.write_text(text, encoding="utf-8")
        done = call(verify.command, good.path, "--policy", policy)
        assert isinstance(done.exception, InputError)
        assert done.output == ""


# The report


def reports(good: GoodBundle, bundle: Path) -> list[Report]:
    """A good one, and of bundles in which ever less can be found out."""
    found = [good.verify(bundle), good.verify(bundle, trusted=TrustStore())]
    found.append(good.verify(bundle, policy=Policy(signers=2, created_until=NOW)))
    found.append(good.verify(bundle, policy=Policy(keys=frozenset(["0" * 64]))))  # type: ignore[list-item]
    for name in ("LICENSE", "attestations/result.sigstore.json", "MANIFEST.sha256"):
        (bundle / name).unlink()
        found.append(good.verify(bundle))
    return found


def test_every_report_is_of_the_published_shape(good: GoodBundle, bundle: Path) -> None:
    assert "verification" in PUBLISHED
    validator = Draft202012Validator(schema_of("verification"))
    for report in reports(good, bundle):
        document = json.loads(json.dumps(report.to_dict()))
        validator.validate(document)
        assert set(document) == set(schema_of("verification")["properties"])


def test_report_says_who_signed_and_what_it_counts(good: GoodBundle) -> None:
    report = good.verify(good.path)
    (signer,) = report.to_dict()["signers"]
    assert signer == {
        "role": "result",
        "key": good.signer.public.digest,
        "created": "2026-11-23T12:00:00Z",
        "verdict": None,
        "reproduction": None,
        "status": "trusted",
        "revoked": None,
        "counts": True,
        "objection": None,
    }
    assert report.to_dict()["policy"] == {
        "keys": None,
        "signers": 1,
        "created": {"from": None, "until": None},
        "authorities": [],
        "counted": [good.signer.public.digest],
    }
    line = f"signer {good.signer.public.digest} (trusted, counts): result, 2026-11-23T12:00:00Z"
    assert line in report.to_text().splitlines()
