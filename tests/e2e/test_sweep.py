"""Sweeps, failures and repeats, as a user sees them: what runs, what is kept, what is said."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e.conftest import Place, prompt_row
from specseal import owner
from specseal.records import Record

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SWEEP = "sweep: {{drafter.draft_length: {lengths}}}\n"


def sweep(place: Place, lengths: list[int]) -> None:
    """Make the small spec one over draft lengths and both inputs."""
    text = place.spec.read_text().partition("sweep:")[0]
    if "inputs:" not in text:
        text = text.replace("  repeats: 2\n", "  repeats: 1\n  inputs: [dataset, random]\n")
        # llama.cpp drafts nothing shorter than the n-gram that it looks up.
        drafter = f"draft_length: {lengths[0]}, args: {{ngram_min: 1}}"
        text = text.replace("draft_length: 4", drafter)
    place.spec.write_text(text + SWEEP.format(lengths=lengths))


def shown(place: Place, bundle: str) -> dict[str, Any]:
    done = place.call("show", bundle, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_sweep_names_the_best_draft_length_and_how_much_random_tokens_overestimate(
    place: Place,
) -> None:
    sweep(place, [1, 4])
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 0, done.stderr
    bundle = done.stdout.splitlines()[-1]
    document = shown(place, bundle)
    choices = [one for one in document["choices"] if one["where"]["input"] == "dataset"]
    assert [one["where"]["concurrency"] for one in choices] == [1, 2]
    assert all(one["best"] in (0, 1, 4) for one in choices)
    over = [one for one in document["metrics"] if one["name"] == "random_overestimate"]
    at = {(one["where"]["speculation"], one["where"].get("draft_length")) for one in over}
    assert at == {("none", None), ("ngram", 1), ("ngram", 4)}
    assert "best draft length" in done.stdout
    assert "random" in done.stdout
    assert place.call("verify", bundle).returncode == 0


def test_a_changed_flag_runs_only_what_it_changes(place: Place) -> None:
    sweep(place, [1, 4])
    assert place.call("run", "tiny.yaml", "--runtime", "native").returncode == 0
    sweep(place, [1, 2, 4])
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 0, done.stderr
    assert "3 finished jobs of earlier runs are kept" in done.stderr
    begun = {line.split()[2] for line in done.stderr.splitlines() if line.startswith("job ")}
    assert begun == {"r1-ngram-2"}
    speedups = [
        one
        for one in shown(place, done.stdout.splitlines()[-1])["metrics"]
        if one["name"] == "speedup_user_tps" and one["value"] is not None
    ]
    marked = {
        one["where"]["draft_length"]: "baseline_other_session" in one["reasons"] for one in speedups
    }
    assert marked == {1: False, 2: True, 4: False}


def test_an_engine_that_dies_fails_its_job_alone_and_only_that_runs_again(place: Place) -> None:
    process = place.start("run", "tiny.yaml", "--runtime", "native")
    place.wait_for_jobs(1, process)
    kill_engine(place)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 4, said
    assert "the engine died with exit code -9" in said
    bundle = out.splitlines()[-1]
    (failure,) = shown(place, bundle)["failures"]
    assert failure["where"]["speculation"] == "ngram"
    assert place.call("verify", bundle).returncode == 0

    again = place.call("run", "tiny.yaml", "--runtime", "native")
    assert again.returncode == 0, again.stderr
    assert "3 finished jobs of earlier runs are kept" in again.stderr
    begun = {line.split()[2] for line in again.stderr.splitlines() if line.startswith("job ")}
    assert begun == {"r1-ngram"}
    assert shown(place, again.stdout.splitlines()[-1])["failures"] == []


def test_an_engine_that_dies_under_a_load_leaves_what_it_had_measured(place: Place) -> None:
    # Long answers, so that the second load level is there to be broken.
    text = place.spec.read_text().replace("max_tokens: 16", "max_tokens: 96, ignore_eos: true")
    place.spec.write_text(text.replace("repeats: 2", "repeats: 1"))
    process = place.start("run", "tiny.yaml", "--runtime", "native")
    place.wait_for_jobs(1, process)
    place.wait_for_phase("02-", "c2", process)
    kill_engine(place)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 4, said
    assert "ngram 4, concurrency 2, repeat 1" in said
    bundle = out.splitlines()[-1]
    assert place.call("verify", bundle).returncode == 0
    document = shown(place, bundle)
    (failure,) = document["failures"]
    assert failure["missing"] == [{"input": "dataset", "concurrency": 2}]
    levels = {
        one["where"]["concurrency"]
        for one in document["metrics"]
        if one["name"] == "speedup_user_tps" and "concurrency" in one["where"]
    }
    assert levels == {1}


def kill_engine(place: Place) -> None:
    """Kill the engine of the second job as soon as it is there."""
    for _ in range(600):
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                home = process.environ().get("HOME", "")
                mine = owner.VARIABLE in process.environ() and "/02-" in home
                if mine and home.startswith(str(place.folder)) and "--model" in process.cmdline():
                    os.kill(process.pid, signal.SIGKILL)
                    return
        time.sleep(0.05)
    raise AssertionError("no engine was started")


ALONE = 6
"""Conversations: an interval rests on at least 5."""


def test_two_runs_of_one_lock_agree(place: Place) -> None:
    text = place.spec.read_text().replace("concurrency: [1, 2]", "concurrency: [1]")
    place.spec.write_text(text.replace("repeats: 2", "repeats: 1"))
    words = ["red", "two", "sea", "oak", "fox", "sun"][:ALONE]
    rows = [prompt_row(word, [f"Say {word} again: {f'{word}, ' * 9}{word}"]) for word in words]
    (place.folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    runs = []
    for _ in range(2):
        done = place.call("run", "tiny.yaml", "--runtime", "native")
        assert done.returncode == 0, done.stderr
        runs.append(shown(place, done.stdout.splitlines()[-1]))
    assert runs[0]["recipe"] == runs[1]["recipe"]
    assert runs[0]["bundle"] != runs[1]["bundle"]
    first, second = (place.records(run) for run in place.runs())
    assert set(first) == {"r1-none", "r1-ngram"}
    for job in first:
        assert len(output_ids(first[job])) == ALONE
        assert output_ids(first[job]) == output_ids(second[job])
    for one, other in zip(map(length_alone, runs), map(length_alone, reversed(runs)), strict=True):
        assert None not in (one["low"], one["high"], other["low"], other["high"])
        assert one["low"] <= other["high"]


def output_ids(records: Iterable[Record]) -> dict[tuple[str, int], Sequence[int] | None]:
    """Return the output ids of each turn."""
    return {(one.conversation, one.turn): one.output_ids for one in records}


def length_alone(document: dict[str, Any]) -> dict[str, Any]:
    """Return the acceptance length at one request at a time, over all categories."""
    (found,) = [
        one
        for one in document["metrics"]
        if one["name"] == "acceptance_length" and one["where"].get("concurrency") == 1
        if "category" not in one["where"]
    ]
    return found


def test_strict_is_exit_code_4_where_something_spoils_a_figure_and_all_is_written(
    place: Place,
) -> None:
    # One that must fire: a baseline that was measured in another session.
    assert place.call("run", "tiny.yaml", "--runtime", "native").returncode == 0
    text = place.spec.read_text().replace("draft_length: 4", "draft_length: 3")
    place.spec.write_text(text)
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    done = place.call("run", "tiny.yaml", "--runtime", "native", "--strict")
    assert done.returncode == 4
    assert "baseline_other_session" in done.stderr
    bundle = Path(done.stdout.splitlines()[-1])
    assert (place.folder / bundle / "MANIFEST.sha256").is_file()
