"""`specseal verify`, `show` and `keys`, as a user calls them."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attacks.builder import NOW, GoodBundle
from specseal.bundle import attest_reproduction
from specseal.cli import attest, keys, show, verify
from specseal.errors import InputError, VerificationFailed


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own configuration folder, with no keys in it."""
    folder = tmp_path / "config"
    monkeypatch.setenv("SPECSEAL_CONFIG_DIR", str(folder))
    monkeypatch.delenv("SPECSEAL_SIGNING_KEY", raising=False)
    monkeypatch.delenv("SPECSEAL_CONFIG", raising=False)
    return folder


def call(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def key_of(good: GoodBundle) -> Path:
    (path,) = (good.path / "attestations" / "keys").iterdir()
    return path


def test_bundle_of_an_unknown_key_is_no_yes_and_the_checks_are_shown(good: GoodBundle) -> None:
    done = call(verify.command, good.path)
    assert isinstance(done.exception, VerificationFailed)
    assert done.exception.exit_code == 1
    assert "NO   trust.unknown" in done.output
    assert "yes  recompute" in done.output


def test_bundle_of_an_unknown_key_is_fine_where_only_integrity_is_asked(good: GoodBundle) -> None:
    done = call(verify.command, good.path, "--integrity-only")
    assert done.exit_code == 0
    assert "NO" not in done.stdout
    assert "–    trust: not asked\n–    policy: not asked\n" in done.stdout
    told = call(verify.command, good.path, "--integrity-only", "--key", key_of(good)).stdout
    assert "yes  trust" not in told


def test_bundle_of_a_key_named_for_this_once_holds(good: GoodBundle, site: Path) -> None:
    assert call(verify.command, good.path, "--key", key_of(good)).exit_code == 0
    assert not site.exists()


def test_bundle_of_a_key_trusted_before_holds(good: GoodBundle) -> None:
    trusted = call(keys.command, "trust", key_of(good), "--json")
    assert json.loads(trusted.stdout)["key"] == good.signer.public.digest
    assert call(verify.command, good.path).exit_code == 0
    listed = call(keys.command, "list", "--json")
    assert json.loads(listed.stdout) == {"trusted": [good.signer.public.digest], "revoked": []}
    assert call(keys.command, "list").stdout == f"{good.signer.public.digest}  trusted\n"


def test_report_as_json_is_one_document_even_where_it_fails(good: GoodBundle, bundle: Path) -> None:
    (bundle / "LICENSE").unlink()
    done = call(verify.command, bundle, "--json", "--key", key_of(good))
    assert isinstance(done.exception, VerificationFailed)
    report = json.loads(done.stdout)
    assert report["intact"] is False
    assert {
        name: value
        for name, value in next(c for c in report["checks"] if not c["holds"]).items()
        if name != "message"
    } == {"code": "manifest.missing", "holds": False}


def test_key_is_created_once_and_trusted(site: Path) -> None:
    done = call(keys.command, "create", "--json")
    made = json.loads(done.stdout)
    assert Path(made["path"]).is_file()
    assert (site / "trusted" / f"{made['key']}.pem").is_file()
    assert isinstance(call(keys.command, "create").exception, InputError)


def test_statement_of_another_is_added_by_its_file_and_key(
    good: GoodBundle, bundle: Path, tmp_path: Path
) -> None:
    again = GoodBundle(tmp_path)
    attestation = attest_reproduction(
        original=good.contents,
        reproduction=again.contents,
        verdict="reproduced",
        version="0.1.0",
        signer=again.signer,
        now=NOW,
    )
    statement, pem = tmp_path / "statement.json", tmp_path / "their.pem"
    statement.write_bytes(attestation.envelope)
    pem.write_bytes(again.signer.public.pem)
    done = call(attest.command, "add", bundle, statement, "--key", pem, "--json")
    added = json.loads(done.stdout)
    assert added["key"] == again.signer.public.digest
    assert Path(added["path"]).read_bytes() == attestation.envelope
    mine = ["--key", key_of(good), "--signers", 2]
    assert isinstance(call(verify.command, bundle, *mine).exception, VerificationFailed)
    assert call(verify.command, bundle, *mine, "--key", pem).exit_code == 0


def test_statement_that_is_not_there_is_named(good: GoodBundle, tmp_path: Path) -> None:
    done = call(attest.command, "add", good.path, tmp_path / "none", "--key", key_of(good))
    assert isinstance(done.exception, InputError)
    assert "none: can't be read" in str(done.exception)


def test_bundle_is_shown_to_people(good: GoodBundle) -> None:
    done = call(show.command, good.path)
    assert done.exit_code == 0
    assert "1.21 [1.21, 1.22]" in done.output
    assert "isolation: none · pinned: yes" in done.output
    rows = call(show.command, good.path, "--by", "category", "--format", "csv").output
    assert "coding" in rows
    assert {row["bundle"] for row in csv.DictReader(io.StringIO(rows))} == {good.contents.manifest}
    assert "drafted" not in done.output
    assert "drafted" in call(show.command, good.path, "--wide").output


def test_bundle_is_shown_to_programs(good: GoodBundle) -> None:
    document = json.loads(call(show.command, good.path, "--json").stdout)
    assert (document["isolation"], document["pinned"]) == ("none", "yes")
    assert (document["choices"][0]["best"], document["failures"]) == (2, [])
    assert set(document["metrics"][0]) == {
        "name", "value", "unit", "low", "high", "n", "valid", "reasons", "where",
    }  # fmt: skip


def test_broken_bundle_is_not_shown(bundle: Path) -> None:
    (bundle / "extra").write_bytes(b"")
    done = call(show.command, bundle)
    assert isinstance(done.exception, VerificationFailed)
    assert done.output == ""
