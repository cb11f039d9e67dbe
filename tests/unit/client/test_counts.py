"""Reading counters, and waiting for them to settle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from specseal.client.address import on_loopback
from specseal.client.counts import (
    Reading,
    check_source,
    find_source,
    parse_prometheus,
    snapshot,
)
from specseal.client.errors import InputRefused, JobFailed
from specseal.client.job import COUNTERS, CountSource, Measure, read_job
from specseal.client.server import Server
from specseal.records import Snapshot
from unit.client.fake_llamacpp import FakeLlamaCpp
from unit.client.jobs import COUNTS, job, metrics, phase, prompt, write_folder


@pytest.fixture
def source(tmp_path: Path) -> CountSource:
    folder = write_folder(tmp_path, job(phase("a"), counts=COUNTS), prompts=[prompt("a", 1)])
    task = read_job(folder).task
    assert isinstance(task, Measure)
    return task.counts


def take(
    source: CountSource, show: Callable[[int], str], *, deadline_s: float = 30
) -> Snapshot | None:
    async def ask() -> Snapshot | None:
        async with FakeLlamaCpp(metrics=show).running() as fake:
            server = Server(on_loopback(fake.port), silence_timeout_s=30)
            return await snapshot(server, source, phase="c1", moment="after", deadline_s=deadline_s)

    return asyncio.run(ask())


def test_counters_are_named_as_the_job_says(source: CountSource) -> None:
    reading = parse_prometheus(metrics(drafts=7, draft_tokens=28, accepted=5), source)
    assert reading.counters["drafts"] == 7
    assert reading.counters["draft_tokens"] == 28
    assert reading.idle


def test_counter_not_shown_or_not_named_is_none(source: CountSource) -> None:
    reading = parse_prometheus(metrics(), source)
    assert reading.counters["output_tokens"] is None
    assert reading.counters["accepted_tokens"] is None


def test_position_without_a_sample_counts_zero(source: CountSource) -> None:
    assert parse_prometheus(metrics(accepted=5), source).accepted_per_position == (5, 0, 1)


def test_positions_not_shown_yet_are_empty(source: CountSource) -> None:
    assert parse_prometheus("requests 0\n", source).accepted_per_position == ()


def test_label_sets_of_one_counter_are_added_up(source: CountSource) -> None:
    text = (
        "# TYPE drafts_total counter\n"
        'drafts_total{engine="0"} 3\ndrafts_total{engine="1"} 1e+06\nrequests 0\n'
    )
    assert parse_prometheus(text, source).counters["drafts"] == 1_000_003


def test_counters_of_one_thing_under_several_names_are_added_up_as_far_as_shown() -> None:
    both = CountSource(source="prometheus", names={"cached_tokens": ["own_total", "other_total"]})
    for page, cached in (
        ("own_total 3\nother_total 4\n", 7),
        ("other_total 4\n", 4),
        ("drafts_total 4\n", None),
    ):
        assert parse_prometheus(page, both).counters["cached_tokens"] == cached


@pytest.mark.parametrize(
    ("page", "cached"),
    [("prompts_total 9\n", 0), ("prompts_total 9\ncached_total 4\n", 4), ("else_total 1\n", None)],
    ids=["others are shown", "it is shown", "none is shown"],
)
def test_counter_that_is_shown_once_it_rises_is_zero_before(page: str, cached: int | None) -> None:
    names: dict[str, str | list[str]] = {
        "prompt_tokens": "prompts_total",
        "cached_tokens": "cached_total",
    }
    source = CountSource(source="prometheus", names=names, zero_until_seen=("cached_tokens",))
    assert parse_prometheus(page, source).counters["cached_tokens"] == cached


@pytest.mark.parametrize("text", ["requests 1\n", "drafts_total 3\n"], ids=["busy", "not told"])
def test_engine_that_does_not_say_it_is_idle_is_not(source: CountSource, text: str) -> None:
    assert not parse_prometheus(text, source).idle


def test_snapshot_waits_until_two_reads_agree(source: CountSource) -> None:
    taken = take(source, lambda read: metrics(drafts=min(read, 3)))
    assert taken is not None
    assert (taken.drafts, taken.settled) == (3, True)
    assert (taken.phase, taken.moment) == ("c1", "after")


def test_snapshot_waits_until_nothing_is_in_flight(source: CountSource) -> None:
    taken = take(source, lambda read: metrics(drafts=4, requests=int(read < 3)))
    assert taken is not None
    assert taken.settled


def test_counters_that_never_rest_are_marked_unsettled(source: CountSource) -> None:
    taken = take(source, lambda read: metrics(drafts=read), deadline_s=0.3)
    assert taken is not None
    assert not taken.settled


def test_text_that_is_no_metrics_fails_the_job(source: CountSource) -> None:
    with pytest.raises(JobFailed, match="counters can't be read"):
        take(source, lambda read: "<html>\n")


def test_no_source_gives_no_snapshot() -> None:
    assert take(CountSource(source="none", names={}), lambda read: "") is None


def test_unknown_source_is_refused() -> None:
    with pytest.raises(
        InputRefused, match="'guess' is none of prometheus, iteration-list, none, detect"
    ):
        check_source(CountSource(source="guess", names={}))


ONE = CountSource(source="prometheus", path="/metrics", names={"drafts": "one_drafts_total"})
TWO = CountSource(
    source="prometheus",
    path="/metrics",
    names={"drafts": "two_drafts_total", "output_tokens": "tokens_total"},
)
EITHER = CountSource(
    source="detect", path="/metrics", names={}, candidates={"one": ONE, "two": TWO}
)


def find(source: CountSource, show: Callable[[int], str]) -> tuple[CountSource, Any]:
    async def ask() -> tuple[CountSource, Any]:
        async with FakeLlamaCpp(metrics=show).running() as fake:
            return await find_source(Server(on_loopback(fake.port), silence_timeout_s=30), source)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("one_drafts_total 3\n", "one"),
        ("two_drafts_total 3\ntokens_total 9\n", "two"),
        ("tokens_total 9\n", "two"),
        ("one_drafts_total 3\ntwo_drafts_total 3\ntokens_total 9\n", "two"),
    ],
    ids=["one", "two", "without speculation", "both, and two has more"],
)
def test_page_is_read_as_the_candidates_whose_counters_it_shows(page: str, name: str) -> None:
    found, said = find(EITHER, lambda read: page)
    assert found == EITHER.candidates[name]
    assert said == {"source": name}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("other_total 3\n", "/metrics has no counter of one, two"),
        ("<html>\n", "no page of metrics: "),
    ],
    ids=["another engine's", "no metrics"],
)
def test_page_of_no_candidate_means_no_counts_and_says_why(page: str, reason: str) -> None:
    found, said = find(EITHER, lambda read: page)
    assert found.source == "none"
    assert said["source"] == "none"
    assert reason in said["reason"]


def test_server_without_a_page_of_metrics_has_no_counts_and_says_why() -> None:
    found, said = find(replace(EITHER, path="/no-such-page"), lambda read: "")
    assert found.source == "none"
    assert "HTTP 404" in said["reason"]


def test_source_that_the_job_names_is_taken_as_it_is_without_a_look() -> None:
    assert find(ONE, lambda read: "two_drafts_total 3\n") == (ONE, None)


@pytest.mark.parametrize("value", ["+Inf", "NaN"])
def test_counter_without_a_number_is_not_read_as_one(source: CountSource, value: str) -> None:
    name = source.names["drafts"]
    with pytest.raises(ValueError, match="is no count"):
        parse_prometheus(f"# TYPE {name} counter\n{name} {value}\n", source)


def test_first_answer_may_take_longer_than_counters_may_take_to_settle() -> None:
    async def slow(server: Server, source: CountSource) -> Reading:
        await asyncio.sleep(0.3)
        counters: dict[str, int | None] = dict.fromkeys(COUNTERS, 1)
        return Reading(counters=counters, accepted_per_position=None, idle=True, is_whole=True)

    source = CountSource(source="prometheus", names={})
    taken = asyncio.run(
        snapshot(cast(Server, None), source, phase="c1", moment="after", read=slow, deadline_s=0.2)
    )
    assert taken is not None
    assert taken.settled
