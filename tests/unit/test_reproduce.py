"""What `reproduce` refuses before anything runs, and what it says of images."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

import specseal
from attacks.builder import GoodBundle
from specseal import reproduce
from specseal.analysis import Failure
from specseal.bench import Clock, Done
from specseal.bundle import Contents, Trust, TrustStore
from specseal.cli.main import group
from specseal.cli.reproduce import _print as print_found
from specseal.errors import InputError, MachineLacks, RunFailed
from specseal.image_inputs import describe_client_source
from specseal.pull import Site, open_site
from specseal.reproduce import Reproduced, image_sentences, refuse_what_cannot_be_the_same
from specseal.settings import load_settings

HERE = Path()


@pytest.fixture(scope="module")
def original(good: GoodBundle) -> Contents:
    """A bundle whose load generator is the one here."""
    contents = good.contents
    here = dict(describe_client_source(Path(specseal.__file__).parent))
    client = {**contents.lock.client, "source": here}
    return replace(contents, lock=replace(contents.lock, client=client))


def test_what_this_specseal_can_run_is_not_refused(original: Contents) -> None:
    refuse_what_cannot_be_the_same(original, any_hardware=False, beside=HERE)


def test_another_load_generator_is_refused_with_the_version_to_install(original: Contents) -> None:
    client = {**original.lock.client, "source": {"run.py": "0" * 64}}
    other = replace(original, lock=replace(original.lock, client=client))
    with pytest.raises(MachineLacks, match="another load generator") as refused:
        refuse_what_cannot_be_the_same(other, any_hardware=True, beside=HERE)
    assert original.environment["specseal_version"] in refused.value.mend


def test_files_named_by_path_are_asked_for(original: Contents) -> None:
    spec = {**original.lock.spec, "model": {"kind": "path", "path": "model.gguf"}}
    by_path = replace(original, lock=replace(original.lock, spec=spec))
    with pytest.raises(InputError, match=r"only their digests: model\.gguf") as refused:
        refuse_what_cannot_be_the_same(by_path, any_hardware=False, beside=None)
    assert "--beside FOLDER" in refused.value.mend


def test_a_running_server_is_refused(original: Contents) -> None:
    spec = {**original.lock.spec, "url": "http://127.0.0.1:8000"}
    server = replace(original, lock=replace(original.lock, spec=spec))
    with pytest.raises(InputError, match="a server that was running"):
        refuse_what_cannot_be_the_same(server, any_hardware=False, beside=HERE)


def test_an_original_on_other_accelerators_than_its_spec_needs_any_hardware(
    original: Contents,
) -> None:
    elsewhere = replace(original, environment={**original.environment, "hardware": "any"})
    with pytest.raises(MachineLacks, match="other accelerators than its spec names"):
        refuse_what_cannot_be_the_same(elsewhere, any_hardware=False, beside=HERE)
    refuse_what_cannot_be_the_same(elsewhere, any_hardware=True, beside=HERE)


def environment(engine: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    client = {"repository_digest": None, "rootfs_sha256": "c" * 64}
    variants = [{"engine": one, "client": client} for one in (engine, *others)]
    images: dict[str, Any] = dict(variants[0])
    return {"runtime": "docker", "images": images | ({"variants": variants} if others else {})}


BUILT = {"repository_digest": None, "rootfs_sha256": "a" * 64}
PULLED = {"repository_digest": "sha256:" + "b" * 64, "rootfs_sha256": "b" * 64}


def test_images_are_said_to_be_built_or_pulled_and_to_agree() -> None:
    engine, client = image_sentences(environment(BUILT), environment(BUILT))
    assert engine.startswith("engine image: built here from locked inputs; its files are the orig")
    assert client.startswith("client image: built here")
    pulled, _ = image_sentences(environment(PULLED), environment(PULLED))
    assert "pulled by its digest" in pulled


def test_an_image_with_other_files_is_said_to_differ() -> None:
    other = {**BUILT, "rootfs_sha256": "d" * 64}
    engine, _ = image_sentences(environment(BUILT), environment(other))
    assert "NOT the original's (aaaaaaaaaaaa)" in engine
    assert "dddddddddddd" in engine


def test_each_variants_image_is_held_against_its_own() -> None:
    other = {**BUILT, "rootfs_sha256": "d" * 64}
    said = list(image_sentences(environment(BUILT, BUILT), environment(BUILT, other)))
    assert len(said) == 3  # two engines, and one client that both share


def test_variants_whose_images_are_alike_in_one_run_only_are_each_held_against_it() -> None:
    other = {**BUILT, "rootfs_sha256": "d" * 64}
    assert len(list(image_sentences(environment(BUILT), environment(BUILT, other)))) == 3
    assert len(list(image_sentences(environment(BUILT, other), environment(BUILT)))) == 3


def test_without_containers_there_are_no_images_to_compare() -> None:
    native = {**environment(BUILT), "runtime": "native"}
    (said,) = image_sentences(environment(BUILT), native)
    assert "no two images to compare" in said


@pytest.fixture
def site(good: GoodBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A machine whose load generator is the bundle's."""
    source = good.contents.lock.client["source"]
    monkeypatch.setattr(reproduce, "describe_client_source", lambda package: source)
    settings = load_settings({"SPECSEAL_RUNS_DIR": str(tmp_path)}, tmp_path)
    with open_site(settings, {}) as opened:
        yield opened


def run_again(good: GoodBundle, site: Site, *, attest: bool = False) -> Reproduced:
    return reproduce.reproduce(
        str(good.path),
        runtime=None,
        any_hardware=False,
        attest=attest,
        beside=HERE,
        site=site,
        trust=Trust(store=TrustStore(), required=False, now=good.now),
        watcher=Mock(),
        clock=Clock(),
    )


def test_figures_of_time_are_not_judged_and_where_they_are_shown_is_said(
    good: GoodBundle,
    original: Contents,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = Done(bundle=good.path, contents=original)
    monkeypatch.setattr(reproduce, "run_spec", lambda spec, **others: done)
    found = run_again(good, site)
    assert not any("tps" in one.claim.metric for one in found.judged.verdicts)
    print_found(found, Clock(), as_json=False)
    *_, pointer, last = capsys.readouterr().out.splitlines()
    words = shlex.split(pointer.partition("side by side in: ")[2])
    assert words == ["specseal", "compare", str(good.path), str(good.path)]
    assert CliRunner().invoke(group, words[1:]).exit_code == 0
    assert last.endswith(f": {good.path}")

    print_found(found, Clock(), as_json=True)
    json.loads(capsys.readouterr().out)


def test_where_a_job_failed_there_is_no_verdict(
    good: GoodBundle,
    original: Contents,
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = Failure(
        where={"speculation": "none", "repeat": 0, "job": "key"}, missing=(), reason="it fell over"
    )
    failed = replace(original, result=replace(original.result, failures=(failure,)))
    done = Done(bundle=tmp_path, contents=failed)
    monkeypatch.setattr(reproduce, "run_spec", lambda spec, **others: done)
    with pytest.raises(RunFailed, match="it fell over"):
        run_again(good, site, attest=True)
    assert not list(tmp_path.glob("reproductions/*/statement"))
