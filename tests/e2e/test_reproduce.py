"""`specseal reproduce`: from somebody's bundle to a verdict, on real engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conftest import Place

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def steady(place: Place) -> None:
    """Make the small spec one that repeats itself: a request at a time, and two launches."""
    text = place.spec.read_text().replace("concurrency: [1, 2]", "concurrency: [1]")
    place.spec.write_text(text)


def measured(place: Place, *words: str) -> str:
    done = place.call("run", "tiny.yaml", "--runtime", "native", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_bundle_is_reproduced_attested_and_the_statement_added(place: Place) -> None:
    steady(place)
    bundle = measured(place)
    zipped = place.call("publish", bundle, "original.zip")
    assert zipped.returncode == 0, zipped.stderr

    done = place.call("reproduce", "original.zip", "--beside", ".", "--attest", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["answer"] == "reproduced"
    judged = {(one["claim"]["metric"], *one["claim"]["where"]) for one in document["verdicts"]}
    assert any(metric == "acceptance_length" and "category" in where for metric, *where in judged)
    assert any(metric == "outputs" for metric, *_ in judged)
    # Measured anew: nothing that was measured for the original is taken over.
    assert "are kept" not in done.stderr

    again = Path(document["path"])
    assert place.call("verify", str(again)).returncode == 0
    statement, key = sorted(Path(document["attestation"]).iterdir(), key=lambda path: path.suffix)
    added = place.call("attest", "add", bundle, str(statement), "--key", str(key))
    # The one key here has signed both: that is said by `verify`, which counts keys.
    assert added.returncode == 0, added.stderr
    assert place.call("verify", bundle).returncode == 0


def test_an_interrupted_reproduction_goes_on(place: Place) -> None:
    steady(place)
    bundle = measured(place)
    process = place.start("reproduce", bundle, "--beside", ".")
    jobs = place.folder / "runs" / "reproductions"
    while not list(jobs.glob("*/tiny/*/jobs/*/finished.json")):
        assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate(timeout=60)
    done = place.call("reproduce", bundle, "--beside", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished jobs are kept" in done.stderr


def test_files_that_the_spec_names_by_path_are_asked_for(place: Place) -> None:
    steady(place)
    bundle = measured(place)
    lonely = place.call("reproduce", bundle)
    assert lonely.returncode == 2
    assert "prompts.jsonl" in lonely.stderr
    assert "--beside FOLDER" in lonely.stderr
