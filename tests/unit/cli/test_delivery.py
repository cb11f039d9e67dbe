"""`specseal publish` and `specseal pull`, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fakeregistry
from attacks.builder import GoodBundle
from specseal.cli import keys, publish, pull, show, verify
from specseal.errors import InputError, VerificationFailed


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a configuration of the test's own, in which no key is trusted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPECSEAL_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", '{"auths": {}}')
    monkeypatch.delenv("SPECSEAL_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def host(place: Path) -> Iterator[str]:
    with fakeregistry.running() as fake:
        text = f'[mirrors]\n"{fake.host}" = "http://{fake.host}"\n'
        (place / "specseal.toml").write_text(text, encoding="utf-8")
        yield fake.host


def call(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def key_of(good: GoodBundle) -> Path:
    (path,) = (good.path / "attestations" / "keys").iterdir()
    return path


def test_bundle_goes_to_a_registry_and_comes_back_by_the_line_that_was_printed(
    good: GoodBundle, host: str
) -> None:
    trust = ("--key", key_of(good))
    sent = call(publish.command, good.path, f"oci://{host}/lab/results", *trust)
    assert sent.exit_code == 0, sent.output
    identity, where = sent.stdout.splitlines()
    assert where.startswith(f"oci://{host}/lab/results@sha256:")
    came = call(pull.command, where, *trust)
    assert came.stdout.splitlines() == [identity, "results"]
    assert good.verify(Path("results")).trusted


def test_both_print_one_json_document(good: GoodBundle, host: str) -> None:
    trust = ("--key", key_of(good), "--json")
    sent = json.loads(call(publish.command, good.path, f"oci://{host}/a:v1", *trust).stdout)
    assert sent["tags"] == [f"bundle-sha256-{sent['bundle']}", "v1"]
    assert (sent["attestations"], sent["beside"]) == ([], [])
    came = json.loads(call(pull.command, f"oci://{host}/a:v1", "here", *trust).stdout)
    assert came == {
        "path": "here", "bundle": sent["bundle"], "signer": good.signer.public.digest,
        "trusted": True, "kept": 0, "attestations": 0,
    }  # fmt: skip


def test_archive_is_named_with_what_lies_beside_it(good: GoodBundle) -> None:
    done = call(publish.command, good.path, "out.zip", "--integrity-only")
    assert done.stdout.splitlines()[1:] == ["out.zip", "out.zenodo.json", "out.datacite.json"]


def test_archive_named_for_a_folder_is_told_what_takes_it(good: GoodBundle) -> None:
    call(publish.command, good.path, "out.zip", "--integrity-only")
    for done in (
        call(verify.command, "out.zip"),
        call(show.command, "out.zip"),
        call(publish.command, "out.zip", "there"),
    ):
        assert isinstance(done.exception, InputError)
        assert done.exception.mend.startswith("`specseal pull out.zip` makes a folder")


def test_unknown_signer_is_no_yes_until_trusted_as_the_message_says(good: GoodBundle) -> None:
    call(publish.command, good.path, "out.zip", "--integrity-only")
    refused = call(pull.command, "out.zip", "here")
    assert isinstance(refused.exception, VerificationFailed)
    assert refused.exception.exit_code == 1
    assert not Path("here").exists()
    pem = refused.exception.mend.split("`specseal keys trust ")[1].split("`")[0]
    assert call(keys.command, "trust", pem).exit_code == 0
    assert call(pull.command, "out.zip", "here").exit_code == 0


def test_bundle_of_an_unknown_signer_is_not_published(good: GoodBundle) -> None:
    done = call(publish.command, good.path, "out.zip")
    assert isinstance(done.exception, VerificationFailed)
    assert not Path("out.zip").exists()


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_identity_that_was_cited_is_demanded(good: GoodBundle, prefix: str) -> None:
    lax = "--integrity-only"
    found = json.loads(call(publish.command, good.path, "out.zip", lax, "--json").stdout)["bundle"]
    right = call(pull.command, "out.zip", "right", lax, "--identity", prefix + found)
    assert right.exit_code == 0
    other = call(pull.command, "out.zip", "wrong", lax, "--identity", prefix + "0" * 64)
    assert isinstance(other.exception, VerificationFailed)
    # What was brought here is gone again, so it is called by where it came from.
    assert other.exception.message.startswith("out.zip: intact, but another bundle: ")
    assert not Path("wrong").exists()
    assert not Path(".wrong.in-progress").exists()


def test_broken_bundle_is_called_by_where_it_came_from(good: GoodBundle, place: Path) -> None:
    folder = good.copy(place / "theirs")
    (folder / "LICENSE").write_bytes(b"mine")
    done = call(pull.command, "theirs", "here")
    assert isinstance(done.exception, VerificationFailed)
    assert done.exception.message.startswith("theirs: not intact: LICENSE: altered")
    assert not Path(".here.in-progress").exists()


def test_identity_that_is_none_is_a_wrong_flag() -> None:
    assert call(pull.command, "out.zip", "--identity", "abc").exit_code == 2


def test_source_that_is_not_there_is_a_wrong_input() -> None:
    for source in ("nowhere", "nowhere.zip"):
        done = call(pull.command, source, "here")
        assert isinstance(done.exception, InputError)
        assert "nowhere" in done.exception.message


def test_whom_a_bundle_must_be_signed_by_is_asked_as_verify_asks_it(
    good: GoodBundle, host: str, place: Path
) -> None:
    trusted = call(keys.command, "trust", key_of(good), "--keys", place / "lab")
    assert trusted.exit_code == 0, trusted.output
    stores = ("--keys", place / "lab")
    where = f"oci://{host}/lab/results:v1"
    alone = call(publish.command, good.path, where, *stores, "--signers", 2)
    assert isinstance(alone.exception, VerificationFailed)
    assert call(publish.command, good.path, where, *stores).exit_code == 0
    refused = call(pull.command, where, *stores, "--signers", 2)
    assert isinstance(refused.exception, VerificationFailed)
    assert not Path("results").exists()
    assert call(pull.command, where, *stores, "--from", "2026-01-01T00:00:00Z").exit_code == 0


def test_trust_store_that_lies_in_what_is_pulled_is_refused(good: GoodBundle, place: Path) -> None:
    folder = good.copy(place / "theirs")
    inside = folder / "attestations" / "keys"
    refused = call(pull.command, folder, place / "mine", "--keys", inside)
    assert isinstance(refused.exception, InputError)
    assert "lies in the bundle" in str(refused.exception)
    assert not (place / "mine").exists()
