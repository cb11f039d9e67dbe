"""A bundle of a running server: nothing pins its program, and every reader is told so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import NOW, SPEC, GoodBundle, alter_records, codes, inputs_of, make_run
from specseal.analysis import RunData
from specseal.bundle import SealInputs, seal, summarise
from specseal.drawing import render
from specseal.records import Record
from specseal.spec import parse_spec
from specseal.spec.locked import Lock

URL = "http://127.0.0.1:8000"
ENDPOINT = SPEC.replace(
    b'engine: {name: llamacpp, version: "2026.10.11549", context_length: 4096}',
    b"engine: {name: endpoint, url: %s, model: m, api: chat}" % URL.encode(),
)
ENDPOINT = ENDPOINT.replace(b"model: {source: path, path: model.gguf}", b"model: {source: none}")
ENDPOINT = ENDPOINT.replace(b"baseline: autoregressive", b"baseline: none")


def make_lock() -> Lock:
    spec = parse_spec(ENDPOINT, path="spec.yaml")
    conversations = [{**row, "input_tokens": None} for row in locks.CONVERSATIONS]
    lock = locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest, "url": URL, "model": {"kind": "none"}},
        model={"files": [], "load": "", "chat_template_sha256": None, "stop_ids": []},
        prompts={"conversations": conversations},
        points={"baseline": "none"},
    )
    engine = {
        "name": "endpoint",
        "version": "",
        "family": "cpu",
        "context_length": None,
        "prefix_cache": False,
        "max_sequences": None,
        "image": None,
        "api": "chat",
        "model": "m",
        "metrics": None,
    }
    return replace(lock, engine=engine, encoder=None)


def counted_by_the_server(record: Record) -> Record:
    """The record of a prompt that was sent as text; only the server knows its length."""
    tokens = 9 if record.error is None else 0
    return replace(record, input_tokens=tokens, engine_input_tokens=tokens)


def of_an_endpoint(run: RunData) -> RunData:
    unseen: dict[str, Any] = {"engine_version_found": None, "prefix_cache": None}
    jobs = [replace(job, engine_version="", method_found=None, **unseen) for job in run.jobs]
    return replace(run, jobs=tuple(jobs))


@pytest.fixture
def inputs(tmp_path: Path) -> SealInputs:
    lock = make_lock()
    run = alter_records(of_an_endpoint(make_run(lock)), counted_by_the_server)
    return inputs_of(ENDPOINT, lock, run, tmp_path)


def found(good: GoodBundle, inputs: SealInputs, folder: Path) -> set[str]:
    return codes(good.verify(seal(inputs, folder / "bundle", signer=good.signer, now=NOW)))


def test_bundle_of_a_running_server_holds_and_says_that_nothing_was_pinned(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path
) -> None:
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    contents = good.verify(bundle).demand(trust=True)
    summary = summarise(contents.result, contents.environment, by="load")
    text = render(summary, "simple")
    assert "pinned: no" in text
    for code in ("method_not_seen", "version_not_seen"):
        assert text.count(code) == 1
    readme = (bundle / "README.md").read_text(encoding="utf-8")
    assert "| engine | endpoint |" in readme
    assert "pinned: no" in readme


@pytest.mark.parametrize("prefix_cache", [False, True])
def test_run_that_knows_the_cache_setting_of_a_running_server_is_found(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path, prefix_cache: bool
) -> None:
    jobs = tuple(replace(job, prefix_cache=prefix_cache) for job in inputs.run.jobs)
    inputs = replace(inputs, run=replace(inputs.run, jobs=jobs))
    assert found(good, inputs, tmp_path) == {"recompute.lock"}


def test_running_server_that_claims_to_be_pinned_is_found(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path
) -> None:
    inputs = replace(inputs, environment={**inputs.environment, "pinned": "yes"})
    assert found(good, inputs, tmp_path) == {"schemas.disagree"}


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("engine", {"model": "another"}),
        ("engine", {"api": "completions"}),
        ("engine", {"metrics": "vllm"}),
        ("spec", {"url": "http://127.0.0.1:9000"}),
    ],
)
def test_lock_of_another_server_than_the_specs_is_found(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path, section: str, changes: dict[str, Any]
) -> None:
    lock = replace(inputs.lock, **{section: {**getattr(inputs.lock, section), **changes}})
    environment = {**inputs.environment, "lock_sha256": lock.digest, "recipe": lock.recipe}
    inputs = replace(inputs, lock=lock, environment=environment)
    assert found(good, inputs, tmp_path) == {"schemas.disagree"}
