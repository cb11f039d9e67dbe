"""`specseal reproduce`: from somebody's bundle to a verdict, on real engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Place, prompt_row

pytestmark = [pytest.mark.slow, pytest.mark.engine]

PROMPTS = {
    "count": ("math", ["Count to ten, twice: one, two, three, four, five, one, two, three,"]),
    "sum": ("math", ["One and one is two, two and two is four. One and one is"]),
    "echo": (
        "writing",
        ["Say this again: the cat sat on the mat, the cat sat on the mat, the cat"],
    ),
    "list": ("writing", ["Name three colours, and name them again.", "And once more, please."]),
}


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
    judged = {one["claim"]["metric"] for one in document["verdicts"]}
    assert judged == {"acceptance_length_drafted", "outputs"}
    # So few tokens that those cut at the end matter: the original's own figure can't be trusted.
    assert any("acceptance_length: cut_unknown" in one for one in document["not_judged"])
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


def two_categories(place: Place) -> None:
    """Make the small spec one of two categories, whose answers end where no token is dropped."""
    steady(place)
    rows = [
        json.dumps({**prompt_row(name, turns), "category": category})
        for name, (category, turns) in PROMPTS.items()
    ]
    (place.folder / "prompts.jsonl").write_text("\n".join(rows))
    place.spec.write_text(
        place.spec.read_text().replace("max_tokens: 16", "max_tokens: 40, ignore_eos: true")
    )


def checked(place: Place, spec: str) -> tuple[int, dict[str, Any]]:
    """Run a spec that has claims, measuring anew; return the exit code and verdicts of checking."""
    done = place.call("run", spec, "--runtime", "native", "--fresh")
    assert done.returncode == 0, done.stderr
    found = place.call("claims", "check", done.stdout.splitlines()[-1], "--json")
    document: dict[str, Any] = json.loads(found.stdout)
    return found.returncode, document


def test_a_results_claims_are_reproduced_and_a_change_of_the_setting_is_named(place: Place) -> None:
    two_categories(place)
    bundle = measured(place)
    done = place.call("claims", "from", bundle, "--output", "again.yaml")
    assert done.returncode == 0, done.stderr
    again = (place.folder / "again.yaml").read_text()

    code, same = checked(place, "again.yaml")
    assert code == 0, same
    claims = [one["claim"] for one in same["verdicts"]]
    lengths = {
        claim["where"].get("category") for claim in claims if claim["metric"] == "acceptance_length"
    }
    assert lengths == {None, "math", "writing"}
    assert {claim["metric"] for claim in claims} >= {"outputs", "acceptance_length"}
    assert {one["answer"] for one in same["verdicts"]} == {"reproduced"}

    other_length = again.replace("draft_length: 4}", "draft_length: 8}", 1)
    assert other_length != again
    (place.folder / "longer.yaml").write_text(other_length)
    code, longer = checked(place, "longer.yaml")
    assert code == 1
    assert longer["answer"] == "not reproduced"
    drafted = [one for one in longer["verdicts"] if one["claim"]["where"]["speculation"] != "none"]
    assert {one["claim"]["metric"] for one in drafted} >= {"acceptance_length", "outputs"}
    assert {one["answer"] for one in drafted} == {"not reproduced"}
    assert all(any("draft_length" in field for field in one["differs"]) for one in drafted)

    other_model = again.replace("version: 0.1.2", "version: 0.1.2\n  first_layers: 28", 1)
    assert other_model != again
    (place.folder / "model.yaml").write_text(other_model)
    code, model = checked(place, "model.yaml")
    assert code == 1
    assert {one["answer"] for one in model["verdicts"]} == {"not comparable"}
    assert all(any("model" in field for field in one["differs"]) for one in model["verdicts"])
