"""A lock whose model, drafter or data set is from somewhere else than its spec says.

Class 16. All is signed by the trusted key; the spec is the one that the lock names by its digest.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import NOW, SPEC, GoodBundle, codes, inputs_of, make_run
from specseal.bundle import seal
from specseal.bundle.tables import write_run
from specseal.spec import parse_spec

MODEL, DATASET, DRAFTER = "a" * 40, "c" * 40, "d" * 40
OTHER = "e" * 40
HUB = (
    SPEC.replace(
        b"{source: path, path: model.gguf}",
        b"{source: hf, repo: a/model, revision: %s, file: model.gguf}" % MODEL.encode(),
    )
    .replace(
        b"{source: builtin, name: speed-mini, split: qualitative}",
        b"{source: hf, repo: a/dataset, revision: %s, config: easy, split: test}"
        % DATASET.encode(),
    )
    .replace(
        b"{method: ngram, draft_length: 2}",
        b"{method: draft_model, draft_length: 2,"
        b" model: {source: hf, repo: a/drafter, revision: %s, file: drafter.gguf}}"
        % DRAFTER.encode(),
    )
)
FILE = {"path": "drafter.gguf", "bytes": 7, "sha256": "2" * 64}
SOURCES: dict[str, dict[str, Any]] = {
    "model": {"kind": "hf", "repo": "a/model", "revision": MODEL, "file": "model.gguf"},
    "dataset": {
        "kind": "hf",
        "repo": "a/dataset",
        "revision": DATASET,
        "config": "easy",
        "split": "test",
    },
    "drafter": {"kind": "hf", "repo": "a/drafter", "revision": DRAFTER, "file": "drafter.gguf"},
}
SECTIONS: dict[str, dict[str, Any]] = {
    "model": {"revision": MODEL},
    "dataset": {"revision": DATASET, "restricted": True},
    "drafter": {
        "method": "draft_model",
        "revision": DRAFTER,
        "files": [FILE],
        "load": "drafter.gguf",
    },
}
Found = Callable[..., set[str]]


@pytest.fixture
def found(good: GoodBundle, tmp_path: Path) -> Found:
    """Seal a run of a spec under a lock with something changed; return the codes of findings."""

    def call(
        text: bytes = HUB,
        sources: dict[str, Any] | None = None,
        sections: dict[str, dict[str, Any]] | None = None,
    ) -> set[str]:
        spec = parse_spec(text, path="spec.yaml")
        merged = deepcopy(SECTIONS)
        for name, values in (sections or {}).items():
            merged[name] |= values
        named = {"name": spec.name, "sha256": spec.digest, **SOURCES, **(sources or {})}
        lock = locks.make_lock(spec=named, **merged)
        inputs = inputs_of(text, lock, make_run(lock), tmp_path)
        return codes(good.verify(seal(inputs, tmp_path / "b", signer=good.signer, now=NOW)))

    return call


def test_lock_of_the_specs_sources_holds(found: Found) -> None:
    assert found() == set()


@pytest.mark.parametrize("section", SOURCES)
@pytest.mark.parametrize(
    "source",
    [
        {"repo": "another/one"},
        {"revision": OTHER},
        {"kind": "path", "path": "a"},
        {"first_layers": 8},
    ],
    ids=lambda source: " ".join(source),
)
def test_lock_that_names_another_source_than_its_spec_is_found(
    found: Found, section: str, source: dict[str, Any]
) -> None:
    assert found(sources={section: {**SOURCES[section], **source}}) == {"schemas.disagree"}


@pytest.mark.parametrize("section", SOURCES)
def test_lock_that_names_no_source_where_its_spec_names_a_repository_is_found(
    found: Found, section: str
) -> None:
    assert found(sources={section: {}}) == {"schemas.disagree"}


@pytest.mark.parametrize("section", SOURCES)
@pytest.mark.parametrize("revision", [OTHER, None])
def test_lock_of_another_commit_than_its_specs_is_found(
    found: Found, section: str, revision: str | None
) -> None:
    assert found(sections={section: {"revision": revision}}) == {"schemas.disagree"}


@pytest.mark.parametrize(("section", "commit"), [("model", MODEL), ("dataset", DATASET)])
@pytest.mark.parametrize("branch", ["main", "v1.0"])
def test_branch_in_the_spec_may_have_been_any_commit_but_must_have_been_one(
    found: Found, section: str, commit: str, branch: str
) -> None:
    text = HUB.replace(commit.encode(), branch.encode())
    source = {section: {**SOURCES[section], "revision": branch}}
    assert found(text, source, {section: {"revision": None}}) == {"schemas.disagree"}


def test_branch_in_the_spec_pinned_to_a_commit_holds(found: Found) -> None:
    text = HUB.replace(MODEL.encode(), b"main")
    source = {"model": {**SOURCES["model"], "revision": "main"}}
    assert found(text, source, {"model": {"revision": OTHER}}) == set()


def test_data_set_of_others_that_is_said_to_be_free_is_found(found: Found) -> None:
    assert found(sections={"dataset": {"restricted": False}}) == {"schemas.disagree"}


def test_lock_without_the_files_of_its_specs_drafter_is_found(found: Found) -> None:
    assert found(sections={"drafter": {"files": []}}) == {"schemas.disagree"}


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("dataset", {"restricted": True}),
        ("dataset", {"revision": OTHER}),
        ("model", {"revision": OTHER}),
        ("drafter", {"files": [FILE]}),
        ("drafter", {"revision": OTHER}),
    ],
)
def test_lock_with_more_or_less_than_a_spec_without_repositories_has_is_found(
    good: GoodBundle, tmp_path: Path, section: str, changes: dict[str, Any]
) -> None:
    spec = parse_spec(SPEC, path="spec.yaml")
    lock = locks.make_lock(spec={"name": spec.name, "sha256": spec.digest}, **{section: changes})
    inputs = inputs_of(SPEC, lock, make_run(lock), tmp_path)
    bundle = seal(inputs, tmp_path / "b", signer=good.signer, now=NOW)
    assert codes(good.verify(bundle)) == {"schemas.disagree"}


def test_generated_ids_of_a_data_set_that_may_not_be_passed_on_are_refused(
    good: GoodBundle, tmp_path: Path
) -> None:
    spec = parse_spec(HUB, path="spec.yaml")
    lock = locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest, **SOURCES}, **deepcopy(SECTIONS)
    )
    inputs = inputs_of(HUB, lock, make_run(lock), tmp_path)
    bundle = seal(inputs, tmp_path / "b", signer=good.signer, now=NOW)
    assert good.verify(bundle).intact
    write_run(inputs.run, bundle)
    good.sign_again(bundle, inputs=inputs)
    report = good.verify(bundle)
    assert codes(report) == {"recompute.withheld"}
    assert "output ids are there" in report.to_text()


def test_copy_of_speed_bench_other_than_the_specs_is_found(found: Found) -> None:
    wanted = {"kind": "speed-bench", "config": "qualitative", "sha256": "f" * 64}
    start = HUB.index(b"{source: hf, repo: a/dataset")
    end = HUB.index(b"}", start) + 1
    copy = b"{source: speed-bench, config: qualitative, sha256: %s}" % (b"f" * 64)
    text = HUB[:start] + copy + HUB[end:]
    source = {"dataset": wanted}
    pinned = {"revision": None, "file_sha256": "f" * 64}
    assert found(text, source, {"dataset": {**pinned, "file_sha256": "0" * 64}}) == {
        "schemas.disagree"
    }
