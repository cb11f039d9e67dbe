"""A prepared folder of SPEED-Bench's shape is imported, locked, run and sealed without a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import SPEC, Place
from speedbench import good_rows, write_json_lines

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SAID = "what is asked here is known to this test alone"


@pytest.fixture
def copy(place: Place) -> Iterator[str]:
    """The digest of an imported copy, which is removed afterwards: the cache is this machine's."""
    rows = good_rows("qualitative")
    for row in rows:
        row["turns"] = [f"{row['question_id']}: {SAID}, {turn}" for turn in row["turns"]]
    write_json_lines(place.folder / "prepared", "qualitative", rows)
    done = place.call("data", "import", "prepared", "--json")
    assert done.returncode == 0, done.stderr
    (brought,) = json.loads(done.stdout)
    yield brought["sha256"]
    assert place.call("data", "remove", brought["sha256"]).returncode == 0


def test_a_prepared_folder_runs_and_its_prompts_stay_here(place: Place, copy: str) -> None:
    dataset = f"{{source: speed-bench, config: qualitative, sha256: {copy}}}"
    spec = SPEC.replace("{source: path, path: prompts.jsonl}", dataset)
    place.spec.write_text(spec.replace("[1, 2]", "[2], requests: 11").replace("repeats: 2", ""))

    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 0, done.stderr
    bundle = place.folder / Path(done.stdout.splitlines()[-1])
    assert place.call("verify", str(bundle)).returncode == 0

    lock = json.loads((bundle / "lock.json").read_bytes())
    assert lock["dataset"]["restricted"]
    assert lock["dataset"]["file_sha256"] == copy
    assert len(lock["dataset"]["rows"]) == 880
    # Eleven of them, one a category.
    asked = [name.split("-")[1] for name in lock["points"]["conversations"]]
    assert len(set(asked)) == len(asked) == 11
    for path in bundle.rglob("*"):
        assert not path.is_file() or SAID.encode() not in path.read_bytes(), path


def test_a_spec_whose_copy_is_not_here_says_how_to_get_one(place: Place) -> None:
    dataset = f"{{source: speed-bench, config: qualitative, sha256: {'ab' * 32}}}"
    place.spec.write_text(SPEC.replace("{source: path, path: prompts.jsonl}", dataset))
    done = place.call("lock", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 3
    assert "specseal data import PATH" in done.stderr
