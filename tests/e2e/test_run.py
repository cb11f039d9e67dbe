"""`specseal run` from a spec to a verified bundle, and what a stranger can do with it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from e2e.conftest import Place
from specseal.records import Record

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def test_a_spec_becomes_a_verified_bundle(place: Place, runtime: str) -> None:
    done = place.call("run", "tiny.yaml", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    bundle = Path(done.stdout.splitlines()[-1])
    assert (place.folder / bundle / "MANIFEST.sha256").is_file()
    assert "made a signing key" in done.stderr
    assert "where the time went" in done.stderr

    verified = place.call("verify", str(bundle))
    assert verified.returncode == 0, verified.stdout + verified.stderr

    shown = json.loads(place.call("show", str(bundle), "--json").stdout)
    metrics = shown["metrics"]

    def value(name: str, **where: object) -> float:
        (found,) = [m for m in metrics if m["name"] == name and m["where"] == where]
        return float(found["value"])

    for concurrency in (1, 2):
        at = {"concurrency": concurrency, "input": "dataset"}
        where = {"speculation": "ngram", "draft_length": 4, **at}
        drafts, accepted = value("drafts", **where), value("accepted_tokens", **where)
        assert drafts > 0
        assert value("acceptance_length_drafted", **where) == 1 + accepted / drafts
        assert value("drafts", speculation="none", **at) == 0
        assert 0 <= value("identical_output_share", **where) <= 1

    # At temperature 0 and one request at a time a method repeats itself. Speculation may differ
    # from none: it verifies a draft as one batch, which this quantised model rounds differently.
    (run,) = place.runs()
    outputs = {job: outputs_alone(records) for job, records in place.records(run).items()}
    assert len(outputs["r1-none"]) == 4
    assert outputs["r1-none"] == outputs["r2-none"]
    assert outputs["r1-ngram"] == outputs["r2-ngram"]


def outputs_alone(records: Iterable[Record]) -> dict[tuple[str, int], tuple[int, ...] | None]:
    """Return the output ids of each turn of the phase with one request at a time."""
    return {
        (record.conversation, record.turn): record.output_ids
        for record in records
        if record.phase == "c1"
    }


def test_a_second_run_locks_and_builds_nothing_and_keeps_the_first(place: Place) -> None:
    first = place.call("run", "tiny.yaml", "--runtime", "native")
    second = place.call("run", "tiny.yaml", "--runtime", "native")
    assert second.returncode == 0, second.stderr
    made = ("locked: ", "encoding ", "building specseal/", "installing ", "made a signing key")
    assert not [line for line in second.stderr.splitlines() if line.startswith(made)]
    assert len(place.bundles()) == 2
    assert first.stdout.splitlines()[-1] != second.stdout.splitlines()[-1]


def test_the_lock_is_the_same_on_both_runtimes(place: Place, docker_client: object) -> None:
    locks = []
    for runtime in ("native", "docker"):
        # A cache of its own each, so that each encodes the prompts itself.
        cache = {"SPECSEAL_CACHE_DIR": str(place.folder / f"cache-{runtime}")}
        done = place.call("lock", "tiny.yaml", "--runtime", runtime, environment=cache)
        assert done.returncode == 0, done.stderr
        assert "encoding 3 conversations" in done.stderr
        locks.append((place.folder / "tiny.lock.json").read_bytes())
    assert locks[0] == locks[1]


def test_without_a_container_engine_auto_says_why_it_runs_natively(place: Place) -> None:
    done = place.call(
        "build", "tiny.yaml", environment={"SPECSEAL_DOCKER_HOST": "unix:///nowhere.sock"}
    )
    assert done.returncode == 0, done.stderr
    assert "runtime: native (isolation: none), because no container engine answers" in done.stderr


def test_docker_asked_for_and_missing_is_exit_code_3(place: Place) -> None:
    done = place.call(
        "run", "tiny.yaml", "--runtime", "docker",
        environment={"SPECSEAL_DOCKER_HOST": "unix:///nowhere.sock"},
    )  # fmt: skip
    assert done.returncode == 3
    assert "unix:///nowhere.sock" in done.stderr
    assert "mend:" in done.stderr


def test_the_committed_quickstart_lock_holds_on_this_machine(place: Place) -> None:
    quickstart = Path(__file__).parents[2] / "specs" / "quickstart.yaml"
    done = place.call("lock", "--check", str(quickstart), "--runtime", "native")
    assert done.returncode == 0, done.stderr


def test_nothing_of_this_machine_is_in_a_bundle(place: Place) -> None:
    cache = place.environment["SPECSEAL_CACHE_DIR"]
    link = place.folder / "linked-cache"
    link.symlink_to(cache)
    through_link = {"SPECSEAL_CACHE_DIR": str(link)}
    done = place.call("run", "tiny.yaml", "--runtime", "native", environment=through_link)
    assert done.returncode == 0, done.stderr
    bundle = place.folder / done.stdout.splitlines()[-1]
    secrets = [str(place.folder), cache, os.uname().nodename]
    for path in bundle.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            assert not [secret for secret in secrets if secret.encode() in data], path
