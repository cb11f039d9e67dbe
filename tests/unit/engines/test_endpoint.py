"""The adapter of a running server: how it is spoken to, and what its counters may contradict."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from specseal.client.dialects import DIALECTS as CLIENT_DIALECTS
from specseal.client.job import COUNTERS as CLIENT_COUNTERS
from specseal.engines import CAPABILITIES, LaunchRequest, engine
from specseal.engines.counters import COUNTERS, counts_of, counts_to_detect, page_read
from specseal.engines.endpoint import DIALECTS, METHODS
from specseal.errors import InputError
from specseal.records import JobStatus, Snapshot

STATUS = JobStatus(outcome="done", reason="", phases=(), engine={})


def request(method: str = "eagle3", draft_length: int = 4, **engine: Any) -> LaunchRequest:
    return LaunchRequest(
        method=method,
        draft_length=draft_length,
        drafter_args={},
        max_sequences=1,
        engine={"api": "completions", "model": "m", "metrics": None, **engine},
        url="http://127.0.0.1:8000",
    )


def snapshots(*, phase: str = "c1", **added: Any) -> tuple[Snapshot, Snapshot]:
    """Return the counters before a phase, not at 0, and after it."""
    before: dict[str, Any] = {
        "drafts": 10, "draft_tokens": 90, "accepted_tokens": 50,
        "accepted_per_position": (8, 8, 8, 8, 8, 8), "output_tokens": 100, "prompt_tokens": 100,
        "cached_tokens": 0,
    }  # fmt: skip
    after = dict(before)
    for name, value in added.items():
        if name == "accepted_per_position":
            pairs = zip(before[name], value, strict=True)
            after[name] = tuple(low + high for low, high in pairs)
        else:
            after[name] = None if value is None else before[name] + value
    return (
        Snapshot(phase=phase, moment="before", time_ns=1, settled=True, **before),
        Snapshot(phase=phase, moment="after", time_ns=2, settled=True, **after),
    )


def test_nothing_is_started_and_the_client_is_told_where_the_server_is() -> None:
    launch = engine("endpoint").launch(request())
    assert launch.args == ()
    assert launch.url == "http://127.0.0.1:8000"
    assert launch.model == "m"
    assert launch.health_path == "/v1/models"
    assert launch.readback == {"models": "/v1/models"}
    assert launch.cut_at_limit
    assert not launch.one_chunk_a_step


@pytest.mark.parametrize("api", DIALECTS)
def test_each_api_is_spoken_in_a_dialect_that_the_client_has(api: str) -> None:
    assert engine("endpoint").launch(request(api=api)).dialect in CLIENT_DIALECTS


def test_page_of_metrics_is_detected_where_the_spec_names_none() -> None:
    counts = engine("endpoint").launch(request()).counts
    assert counts["source"] == "detect"
    assert set(counts["candidates"]) == {"vllm", "sglang", "llamacpp"}


@pytest.mark.parametrize("metrics", COUNTERS)
def test_page_of_metrics_that_the_spec_names_is_read_as_such(metrics: str) -> None:
    counts = engine("endpoint").launch(request(metrics=metrics)).counts
    assert counts == {"source": "prometheus", "path": "/metrics", **COUNTERS[metrics]}


def test_page_that_was_read_tells_whose_it_is() -> None:
    for name in COUNTERS:
        assert page_read(counts_of(name), {}) == name
        assert page_read(counts_to_detect(), {"counts": {"source": name}}) == name
    assert page_read(counts_to_detect(), {"counts": {"source": "none"}}) is None
    assert page_read(counts_to_detect(), {}) is None
    assert page_read({"source": "none"}, {}) is None


def test_no_metrics_means_no_counts() -> None:
    assert engine("endpoint").launch(request(metrics="none")).counts == {"source": "none"}


def test_every_counter_has_a_name_that_the_client_knows() -> None:
    assert all(row["names"].keys() <= set(CLIENT_COUNTERS) for row in COUNTERS.values())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (request(api="responses"), "'responses' is none of completions, chat"),
        (request(metrics="tgi"), "'tgi' is none of vllm, sglang, llamacpp, none"),
        (replace(request(), url=None), "no url"),
    ],
)
def test_what_there_is_not_is_refused(wrong: LaunchRequest, said: str) -> None:
    with pytest.raises(InputError, match=said):
        engine("endpoint").launch(wrong)


@pytest.mark.parametrize("accelerator", ["cpu", "any", "nvidia/h200", "amd/mi300x", "acme/one"])
def test_every_method_may_run_on_whatever_the_server_has(accelerator: str) -> None:
    assert CAPABILITIES.methods("endpoint", accelerator) == set(METHODS)
    assert CAPABILITIES.versions("endpoint", accelerator) == ()


def test_methods_are_all_that_a_spec_can_name() -> None:
    schema = json.loads((files("specseal.spec") / "schema.v1.json").read_bytes())
    assert tuple(schema["$defs"]["drafter"]["properties"]["method"]["enum"]) == METHODS


def test_an_engine_of_ours_honours_nothing_on_a_machine_that_nothing_is_known_of() -> None:
    assert CAPABILITIES.methods("llamacpp", "any") == frozenset()


def test_a_running_server_says_neither_its_version_nor_how_it_drafts() -> None:
    said = {"models": {"data": []}}
    assert engine("endpoint").version_found(said, "") is None
    assert engine("endpoint").method_found(said, "") is None


@pytest.mark.parametrize(
    ("metrics", "said", "positions", "found"),
    [
        ("vllm", {}, (0, 0, 0), 3),
        (None, {"counts": {"source": "vllm"}}, (5, 2), 2),
        (None, {"counts": {"source": "vllm"}}, (), None),
        (None, {"counts": {"source": "vllm"}}, None, None),
        (None, {"counts": {"source": "llamacpp"}}, (5, 2), None),
        ("llamacpp", {}, (5, 2), None),
        (None, {"counts": {"source": "none"}}, None, None),
        ("none", {}, None, None),
    ],
)
def test_draft_length_is_seen_where_each_position_is_counted_from_the_start(
    metrics: str | None,
    said: dict[str, Any],
    positions: tuple[int, ...] | None,
    found: int | None,
) -> None:
    taken = tuple(replace(one, accepted_per_position=positions) for one in snapshots())
    asked = request(metrics=metrics)
    assert engine("endpoint").draft_length_found(asked, said, taken) == found


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (request(), snapshots(drafts=5, draft_tokens=20, accepted_per_position=(3, 2, 1, 1, 0, 0))),
        (request("none", 0), snapshots(drafts=0)),
        (request("none", 0), snapshots(drafts=None, draft_tokens=None)),
        (request(), snapshots(drafts=5, draft_tokens=None)),
        (request(), ()),
        (request(), snapshots(drafts=5, draft_tokens=50)[1:]),
    ],
    ids=[
        "as asked", "no speculation", "nothing told", "drafts alone", "no counts", "no beginning",
    ],
)  # fmt: skip
def test_counters_that_fit_speak_against_nothing(
    asked: LaunchRequest, taken: tuple[Snapshot, ...]
) -> None:
    assert engine("endpoint").proof(asked, STATUS, taken, "") == ()


@pytest.mark.parametrize(
    ("asked", "taken", "said"),
    [
        (request("none", 0), snapshots(drafts=5), "it drafted 5 times"),
        (request(), snapshots(drafts=5, draft_tokens=25), "drafts had 5.00 tokens, asked for 4"),
        (
            request(),
            snapshots(drafts=5, draft_tokens=9, accepted_per_position=(1, 1, 1, 1, 1, 0)),
            "a draft had 5 tokens, asked for 4",
        ),
    ],
)
def test_counters_that_do_not_fit_are_found_out(
    asked: LaunchRequest, taken: tuple[Snapshot, ...], said: str
) -> None:
    twice = (*taken, *(replace(one, phase="c2") for one in taken))
    (line,) = engine("endpoint").proof(asked, STATUS, twice, "")
    assert said in line
