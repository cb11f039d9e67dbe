"""A running server, measured as a user does it: the tests' own engine, whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import Place
from truth.running import TruthEngine, running

pytestmark = [pytest.mark.slow]

SPEC = """\
apiVersion: specseal/v1
name: tiny
title: A running server
engine: {{name: endpoint, url: "{url}", model: truth, api: chat}}
hardware: {{accelerator: any}}
model: {{source: none}}
drafter: {{method: eagle3, draft_length: {draft_length}}}
baseline: none
workload:
  dataset: {{source: path, path: prompts.jsonl}}
  sampling: {{temperature: 0, max_tokens: 24}}
  load: {{mode: closed, concurrency: [1, 2]}}
  repeats: 1
  seed: 0
"""


@pytest.fixture
def server() -> Iterator[TruthEngine]:
    """A server that drafts three tokens in every step, and counts as vLLM does."""
    usual = {"ttft_s": 0.02, "step_s": 0.005, "draft_length": 3}
    with running(usual=usual) as started:
        yield started


def measure(place: Place, server: TruthEngine, *, draft_length: int = 3) -> tuple[int, str, str]:
    place.spec.write_text(SPEC.format(url=server.url, draft_length=draft_length))
    done = place.call("run", "tiny.yaml")
    return done.returncode, done.stdout, done.stderr


def shown(place: Place, bundle: str) -> dict[str, Any]:
    done = place.call("show", bundle, "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_running_server_is_measured_sealed_and_shown_as_not_pinned(
    place: Place, server: TruthEngine
) -> None:
    code, out, said = measure(place, server)
    assert code == 0, said
    bundle = out.splitlines()[-1]
    verified = place.call("verify", bundle)
    assert verified.returncode == 0, verified.stdout + verified.stderr

    table = place.call("show", bundle).stdout
    assert "pinned: no" in table
    assert "isolation: none" in table
    for code_ in ("method_not_seen", "version_not_seen"):
        assert table.count(code_) == 1
    document = shown(place, bundle)
    assert document["pinned"] == "no"
    assert document["failures"] == []
    reasons = {code for one in document["metrics"] for code in one["reasons"]}
    assert not {"set_to_another_draft_length", "speculation_not_active"} & reasons

    happened = [one for one in server.requests() if one["outcome"] in ("stop", "length")]
    records = [record for run in place.runs() for record in place.records(run)["r1-eagle3"]]
    sent = {record.input_sha256 for record in records}
    assert sent <= {one["input_sha256"] for one in happened}  # the warm-up's are not kept
    assert all(record.error is None for record in records)


def test_server_set_to_another_draft_length_than_the_spec_says_is_found_out(
    place: Place, server: TruthEngine
) -> None:
    code, out, said = measure(place, server, draft_length=4)
    assert code == 0, said
    document = shown(place, out.splitlines()[-1])
    (latency,) = [
        one
        for one in document["metrics"]
        if one["name"] == "latency_mean" and one["where"].get("concurrency") == 1
        if "category" not in one["where"] and "turn" not in one["where"]
    ]
    assert not latency["valid"]
    assert "set_to_another_draft_length" in latency["reasons"]


def test_server_that_goes_away_under_a_load_leaves_the_figures_before_it(
    place: Place, server: TruthEngine
) -> None:
    slow = {"ttft_s": 0.02, "step_s": 0.1, "draft_length": 3}
    server.behave(usual=slow)
    place.spec.write_text(SPEC.format(url=server.url, draft_length=3))
    process = place.start("run", "tiny.yaml")
    place.wait_for_phase("01-", "c2", process)
    server.process.kill()
    out, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    assert "eagle3 3, concurrency 2, repeat 1" in said
    bundle = out.splitlines()[-1]
    verified = place.call("verify", bundle)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    document = shown(place, bundle)
    (failure,) = document["failures"]
    assert failure["where"]["concurrency"] == 2
    assert failure["missing"] == [{"input": "dataset", "concurrency": 2}]
    levels = {one["where"].get("concurrency") for one in document["metrics"]}
    assert 2 not in levels
    (length,) = [
        one
        for one in document["metrics"]
        if one["name"] == "acceptance_length" and one["where"].get("concurrency") == 1
        if "category" not in one["where"] and "turn" not in one["where"]
    ]
    assert length["valid"]
