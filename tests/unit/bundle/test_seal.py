import errno
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from attacks.builder import DESCRIBED, NOW, SPEC, GoodBundle, make_failed_job, make_inputs, make_run
from specseal.analysis import Result, analyse
from specseal.bundle import seal, tables
from specseal.digests import Digest, tree_files
from specseal.errors import InputError, RunFailed
from specseal.plan import make_plan


def contents(bundle: Path) -> dict[str, Digest]:
    return {
        path: digest
        for path, digest in tree_files(bundle).items()
        if not path.startswith("attestations/")
    }


def test_sealing_the_same_twice_gives_the_same_manifest(good: GoodBundle, tmp_path: Path) -> None:
    again = seal(good.inputs, tmp_path / "again", signer=good.signer, now=NOW)
    assert contents(again) == contents(good.path)


def test_bundle_holds_what_it_was_made_of(good: GoodBundle) -> None:
    assert (good.path / "spec.yaml").read_bytes() == SPEC
    assert (good.path / "lock.json").read_bytes() == good.inputs.lock.to_bytes()
    result = Result.from_dict(json.loads((good.path / "result.json").read_bytes()))
    assert result.metrics == analyse(good.inputs.run).metrics
    assert tables.read_run(good.path) == good.inputs.run
    citation = YAML(typ="safe").load(good.path / "CITATION.cff")
    assert citation["title"] == "specseal result: tiny"
    assert citation["license"] == "CC-BY-4.0"


def test_no_path_of_this_machine_is_in_a_bundle(good: GoodBundle) -> None:
    machine_path = next(iter(good.inputs.redact)).encode()
    log = gzip.decompress((good.path / "logs" / "r1-ngram.engine.log.gz").read_bytes())
    assert log == b"model at <run>/model.gguf\nready\n"
    environment = json.loads((good.path / "environment.json").read_bytes())
    assert environment["machine"]["cache"] == "<run>/cache"
    for path in good.path.rglob("*"):
        assert path.is_dir() or machine_path not in path.read_bytes()


def test_path_in_the_reason_of_a_failure_is_redacted(good: GoodBundle, tmp_path: Path) -> None:
    baseline, _ = good.inputs.run.jobs
    drafting = make_plan(good.inputs.lock).jobs[1]
    failed = make_failed_job(drafting, "/home/me/model.gguf: can't be loaded")
    inputs = replace(
        good.inputs,
        run=replace(good.inputs.run, jobs=(baseline, failed)),
        redact={"/home/me": "<home>"},
    )
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    (failure,) = good.verify(bundle).demand(trust=True).result.failures
    assert failure.reason == "<home>/model.gguf: can't be loaded"


def test_path_is_redacted_wherever_environment_telemetry_and_finds_have_it(
    good: GoodBundle, tmp_path: Path
) -> None:
    found = "2026.10.11549 of /home/me/llama"
    jobs = tuple(
        replace(
            job,
            engine_version_found=found,
            method_found="ngram of /home/me" if job.draft_length else job.method_found,
            telemetry=({**job.telemetry[0], "note": "/home/me"}, *job.telemetry[1:]),
        )
        for job in good.inputs.run.jobs
    )
    environment = {
        **good.inputs.environment,
        "machine": {"/home/me/a": 1, "/home/you/a": 2, "b": ["/home/me"]},
        "jobs": [{name: getattr(job, name) for name in DESCRIBED} for job in jobs],
    }
    inputs = replace(
        good.inputs,
        run=replace(good.inputs.run, jobs=jobs),
        environment=environment,
        redact={"/home/me": "<home>", "/home/you": "<home>"},
    )
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    told = good.verify(bundle).demand(trust=True)
    assert told.environment["machine"] == {"<home>/a": 1, "<home>/a 2": 2, "b": ["<home>"]}
    for job in told.run.jobs:
        assert job.engine_version_found == "2026.10.11549 of <home>/llama"
        assert job.telemetry[0]["note"] == "<home>"
    assert told.run.jobs[1].method_found == "ngram of <home>"


def test_longest_path_is_redacted_first(good: GoodBundle, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("/home/me/run/x /home/me/y", encoding="utf-8")
    inputs = replace(
        good.inputs,
        logs={"a.log": log},
        redact={"/home/me": "<home>", "/home/me/run": "<run>"},
    )
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert gzip.decompress((bundle / "logs" / "a.log.gz").read_bytes()) == b"<run>/x <home>/y"


def test_what_is_there_is_never_overwritten(good: GoodBundle, bundle: Path) -> None:
    before = tree_files(bundle)
    with pytest.raises(InputError, match="there is something already"):
        seal(good.inputs, bundle, signer=good.signer, now=NOW)
    assert tree_files(bundle) == before


def test_leftover_of_a_killed_seal_is_removed_by_the_next(good: GoodBundle, tmp_path: Path) -> None:
    leftover = tmp_path / ".bundle.in-progress"
    (leftover / "logs").mkdir(parents=True)
    (leftover / "half-written").write_bytes(b"half")
    bundle = seal(good.inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert contents(bundle) == contents(good.path)
    assert list(tmp_path.iterdir()) == [bundle]


def test_full_disk_leaves_nothing_that_looks_like_a_bundle(
    good: GoodBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="No space left on device"):
        seal(good.inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_log_with_a_name_that_no_bundle_may_hold_is_refused(
    good: GoodBundle, tmp_path: Path
) -> None:
    inputs = replace(good.inputs, logs={"a b": next(iter(good.inputs.logs.values()))})
    with pytest.raises(ValueError, match=r"'logs/a b\.gz' has a character"):
        seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_run_without_logs_is_sealed_and_verifies(good: GoodBundle, tmp_path: Path) -> None:
    inputs = replace(make_inputs(tmp_path), logs={})
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert good.verify(bundle).intact
    assert make_run(inputs.lock) == tables.read_run(bundle)
