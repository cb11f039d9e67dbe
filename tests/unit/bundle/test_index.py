"""The index of a folder of bundles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attacks.builder import NOW, GoodBundle
from specseal.bundle import TrustStore, make_index, seal, trust
from specseal.cli.main import group
from specseal.errors import AnswerIsNo, InputError, VerificationFailed


@pytest.fixture
def folder(good: GoodBundle, tmp_path: Path) -> Path:
    """A bundle, and its correction."""
    first = good.copy(tmp_path / "reference" / "b")
    index = make_index([first], trusted=store(good), now=NOW, relative_to=tmp_path)
    seal(
        replace(good.inputs, finished="2026-11-23T11:31:00Z"),
        tmp_path / "reference" / "a",
        signer=good.signer,
        now=NOW,
        supersedes=index["bundles"][0]["bundle"],
    )
    return tmp_path


def store(good: GoodBundle) -> TrustStore:
    return TrustStore(trusted=frozenset({good.signer.public.digest}))


def ask(good: GoodBundle, folder: Path, *words: str) -> Result:
    trust(good.signer.public, folder / "keys")
    places = (str(folder / "reference"), "--keys", str(folder / "keys"))
    return CliRunner().invoke(group, ["index", *places, *words])


def test_every_bundle_is_listed_with_what_it_is_and_what_it_corrects(
    good: GoodBundle, folder: Path
) -> None:
    index = make_index([folder / "reference"], trusted=store(good), now=NOW, relative_to=folder)
    by_path = {one["path"]: one for one in index["bundles"]}
    assert set(by_path) == {"reference/a", "reference/b"}
    first, second = by_path["reference/b"], by_path["reference/a"]
    assert (first["supersedes"], second["supersedes"]) == (None, first["bundle"])
    assert first["engine"] == ["llamacpp 2026.10.11549"]
    assert first["signer"] == good.signer.public.digest
    assert first["reproduced_by"] == 0
    assert first["created"] == "2026-11-23T12:00:00Z"


def test_the_index_that_was_written_is_the_one_that_is_checked(
    good: GoodBundle, folder: Path
) -> None:
    file = folder / "index.json"
    assert ask(good, folder, "--write", str(file)).exit_code == 0
    assert json.loads(file.read_text())["schema"] == "specseal/index/1"
    checked = ask(good, folder, "--check", str(file))
    assert checked.output == f"{file}: 2 bundles, all verified\n"
    assert json.loads(ask(good, folder, "--json").output)["bundles"]


@pytest.mark.parametrize("change", ["title", "gone", "new"])
def test_an_index_of_other_bundles_is_told(change: str, good: GoodBundle, folder: Path) -> None:
    file = folder / "index.json"
    ask(good, folder, "--write", str(file))
    if change == "title":
        file.write_text(file.read_text().replace("A tiny run", "Another"))
    elif change == "gone":
        file.unlink()
    else:
        other = replace(good.inputs, finished="2026-11-23T11:32:00Z")
        seal(other, folder / "reference" / "c", signer=good.signer, now=NOW)
    checked = ask(good, folder, "--check", str(file))
    assert isinstance(checked.exception, AnswerIsNo)
    assert "--write" in checked.exception.mend


def test_a_bundle_that_is_spoilt_or_of_an_unknown_key_is_in_no_index(
    good: GoodBundle, folder: Path
) -> None:
    with pytest.raises(VerificationFailed, match="not trusted"):
        make_index([folder], trusted=TrustStore(), now=NOW, relative_to=folder)
    (folder / "reference" / "a" / "README.md").write_text("other")
    with pytest.raises(VerificationFailed, match="not intact"):
        make_index([folder], trusted=store(good), now=NOW, relative_to=folder)


def test_the_same_bundle_twice_is_refused(good: GoodBundle, folder: Path) -> None:
    good.copy(folder / "again")
    with pytest.raises(InputError, match="the same bundle as"):
        make_index([folder], trusted=store(good), now=NOW, relative_to=folder)
