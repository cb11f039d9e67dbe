"""The validator of the RO-Crate community takes a bundle's metadata, and refuses a spoilt one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attacks.builder import NOW, GoodBundle, make_failed_job
from references import NAMES, REFERENCES
from specseal.bundle import seal
from specseal.bundle.crate import CRATE
from specseal.plan import make_plan

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NO_ADDRESS = {"process-run-crate-0.5_3.2", "process-run-crate-0.5_5.1", "ro-crate-1.1_31.2"}
"""Recommendations: an address of every program, and of the agent. All that is known of an engine is
in the lock, and of the holder of a key its digest."""
Validate = Callable[[Path], list[list[str]]]


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """Make an environment with the validator, from its lock; return what runs it."""
    home = tmp_path_factory.mktemp("validator")
    python = home / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    install = ["-m", "pip", "install", "-qq", "--no-input", "--require-hashes"]
    only = ["--only-binary", ":all:", "-r", ROOT / "runner" / "requirements" / "crate.txt"]
    subprocess.run([python, *install, *only], check=True)

    def run(bundle: Path) -> list[list[str]]:
        done = subprocess.run(
            [python, Path(__file__).with_name("roc_validate.py"), bundle, "process-run-crate-0.5"],
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_bundle_is_a_valid_crate(validate: Validate, good: GoodBundle) -> None:
    issues = validate(good.path)
    assert all(severity == "RECOMMENDED" for severity, _, _ in issues), issues
    assert {identifier for _, identifier, _ in issues} <= NO_ADDRESS, issues


@pytest.mark.parametrize("reference", REFERENCES, ids=NAMES)
def test_reference_bundle_is_a_valid_crate(validate: Validate, reference: Path) -> None:
    issues = validate(reference)
    assert {identifier for _, identifier, _ in issues} <= NO_ADDRESS, issues


def test_bundle_of_a_run_with_a_failed_job_is_a_valid_crate(
    validate: Validate, good: GoodBundle, tmp_path: Path
) -> None:
    baseline, _ = good.inputs.run.jobs
    failed = make_failed_job(make_plan(good.inputs.lock).jobs[1], "it broke")
    inputs = replace(good.inputs, run=replace(good.inputs.run, jobs=(baseline, failed)))
    issues = validate(seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW))
    assert {identifier for _, identifier, _ in issues} <= NO_ADDRESS, issues


def test_crate_that_is_spoilt_is_refused(
    validate: Validate, good: GoodBundle, tmp_path: Path
) -> None:
    """So that a validator that says yes to everything would be noticed."""

    def without(*names: str) -> list[dict[str, Any]]:
        graph: list[dict[str, Any]] = json.loads((good.path / CRATE).read_bytes())["@graph"]
        root = next(entity for entity in graph if entity["@id"] == "./")
        for name in names:
            del root[name]
        return graph

    bundle = Path(shutil.copytree(good.path, tmp_path / "bundle"))
    crate = json.loads((bundle / CRATE).read_bytes())
    (bundle / CRATE).write_text(json.dumps({**crate, "@graph": without("license", "name")}))
    assert "REQUIRED" in {severity for severity, _, _ in validate(bundle)}
