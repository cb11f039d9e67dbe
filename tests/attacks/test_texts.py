"""Attack 18: what describes a bundle tells another story, though all hashes match."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, codes, make_signer
from attacks.test_contents import edit
from specseal.bundle import texts
from specseal.bundle.crate import CRATE
from specseal.bundle.manifest import ATTESTATIONS, MANIFEST
from specseal.bundle.seal import attest


def entity(crate: dict[str, Any], identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in crate["@graph"] if one["@id"] == identifier)
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda crate: entity(crate, "result.json").update(sha256="0" * 64),
        lambda crate: entity(crate, "#run").update(endTime="2020-01-01T00:00:00+00:00"),
        lambda crate: entity(crate, "#run").update(object=[{"@id": "lock.json"}]),
        lambda crate: entity(crate, "#engine-1").update(version="1"),
        lambda crate: entity(crate, "https://specseal.dev").update(version="9"),
        lambda crate: entity(crate, "./").update(name="a better result"),
        lambda crate: entity(crate, "./")["hasPart"].pop(),
        lambda crate: crate["@graph"].append({"@id": "#x", "@type": "Person", "name": "me"}),
    ],
    ids=["digest", "time", "inputs", "engine", "specseal", "name", "file left out", "addition"],
)
def test_crate_that_disagrees_with_what_it_describes_is_refused(
    good: GoodBundle, bundle: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    edit(bundle / CRATE, change)
    good.sign_as_is(bundle)
    report = good.verify(bundle)
    assert codes(report) == {"texts.crate"}
    assert report.contents is None


def test_crate_of_another_signer_is_refused(good: GoodBundle, bundle: Path) -> None:
    good.sign_again(bundle, signer=make_signer())
    good.sign_as_is(bundle)
    assert codes(good.verify(bundle)) == {"texts.crate", "texts.readme", "texts.citation"}


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("README.md", b"# tiny", b"# huge", "texts.readme"),
        ("README.md", b"| ngram |", b"| eagle3 |", "texts.readme"),
        ("README.md", b"openssl dgst", b"true dgst", "texts.readme"),
        ("CITATION.cff", b"specseal result", b"my result", "texts.citation"),
        ("LICENSE", b"Attribution", b"No attribution", "texts.licence"),
    ],
)
def test_text_that_tells_another_story_than_the_result_is_refused(
    good: GoodBundle, bundle: Path, name: str, old: bytes, new: bytes, code: str
) -> None:
    data = (bundle / name).read_bytes()
    assert old in data
    (bundle / name).write_bytes(data.replace(old, new))
    good.sign_again_but_for(bundle, name)
    assert codes(good.verify(bundle)) == {code}


def test_crate_that_is_missing_is_refused(good: GoodBundle, bundle: Path) -> None:
    (bundle / CRATE).unlink()
    good.sign_as_is(bundle)
    report = good.verify(bundle)
    assert codes(report) == {"texts.crate"}
    assert f"{CRATE}: missing" in report.to_text()


def tell_lies(bundle: Path) -> None:
    for name in ("README.md", "CITATION.cff", "LICENSE"):
        (bundle / name).write_text("a hundred times as fast\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["texts", "crate"])
@pytest.mark.parametrize("version", [-1, 0, 2, 999])
def test_texts_of_a_version_that_is_not_known_are_refused(
    good: GoodBundle, bundle: Path, name: str, version: int
) -> None:
    """Else a number would be leave to say anything."""

    def other(environment: dict[str, Any]) -> None:
        environment["rendered"][name] = version

    edit(bundle / "environment.json", other)
    good.sign_again(bundle)
    report = good.verify(bundle)
    assert codes(report) == {"texts.version"}
    assert f"rendered.{name} is {version}; this version of specseal reads 1" in report.to_text()


@pytest.mark.parametrize("left", ["started", "hardware", "crate"])
def test_texts_that_nothing_is_said_to_have_rendered_are_refused(
    good: GoodBundle, bundle: Path, left: str
) -> None:
    """What makes a bundle one of the first is that all of these are missing."""

    def forget(environment: dict[str, Any]) -> None:
        times = ["started", "finished"] if left != "started" else []
        for name in ["rendered", *times, *(["hardware"] if left != "hardware" else [])]:
            del environment[name]

    edit(bundle / "environment.json", forget)
    tell_lies(bundle)
    if left != "crate":
        (bundle / CRATE).unlink()
    good.sign_as_is(bundle)
    assert codes(good.verify(bundle)) == {"texts.version"}


def test_bundle_that_looks_like_one_of_the_first_and_is_of_later_is_refused(
    good: GoodBundle, bundle: Path
) -> None:
    def forget(environment: dict[str, Any]) -> None:
        for name in ["rendered", "started", "finished", "hardware"]:
            del environment[name]

    edit(bundle / "environment.json", forget)
    tell_lies(bundle)
    (bundle / CRATE).unlink()
    later = NOW + timedelta(days=3)
    shutil.rmtree(bundle / ATTESTATIONS)
    (bundle / MANIFEST).unlink()
    attest(bundle, good.inputs, signer=good.signer, now=later)
    assert codes(good.verify(bundle, now=later)) == {"texts.version"}


def test_texts_of_an_earlier_version_are_said_not_to_be_compared(
    good: GoodBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "TEXTS_VERSION", 2)
    report = good.verify(good.path)
    assert report.intact
    (said,) = [check.message for check in report.checks if check.code == "texts"]
    assert said.startswith(f"{CRATE}: as the other contents give them")
    assert "README.md, CITATION.cff and LICENSE are not compared" in said


def test_bundle_of_before_texts_had_versions_is_not_asked_for_a_crate(
    good: GoodBundle, bundle: Path
) -> None:
    def forget(environment: dict[str, Any]) -> None:
        for name in ["rendered", "started", "finished", "hardware"]:
            del environment[name]

    edit(bundle / "environment.json", forget)
    (bundle / CRATE).unlink()
    good.sign_as_is(bundle)
    report = good.verify(bundle)
    assert report.intact, report.to_text()
    (said,) = [check.message for check in report.checks if check.code == "texts"]
    assert said == (
        "README.md, CITATION.cff and LICENSE are not compared: another version's; "
        "there is no ro-crate-metadata.json"
    )


def test_texts_that_were_compared_are_named(good: GoodBundle) -> None:
    checks = {check.code: check.message for check in good.verify(good.path).checks}
    assert checks["texts"] == (
        "README.md, LICENSE, CITATION.cff, ro-crate-metadata.json: as the other contents give them"
    )


def test_every_file_of_the_manifest_is_in_the_crate(good: GoodBundle) -> None:
    crate = json.loads((good.path / CRATE).read_bytes())
    listed = (good.path / "MANIFEST.sha256").read_text().splitlines()
    digests = {path: digest for digest, path in (line.split("  ") for line in listed)}
    del digests[CRATE]
    files = {one["@id"]: one["sha256"] for one in crate["@graph"] if one["@type"] == "File"}
    assert files == digests
