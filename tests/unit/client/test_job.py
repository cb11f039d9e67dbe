"""Reading a job's input folder: every rule is broken once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specseal.client.errors import InputRefused
from specseal.client.job import Conversation, Dialogue, Encode, Measure, read_job
from specseal.records import Load
from unit.client.jobs import (
    COUNTS,
    PROMPTS,
    SAMPLING,
    encode_job,
    job,
    load,
    phase,
    prompt,
    write_folder,
)

DIALOGUE = {"id": "a", "category": "qa", "turns": ["one", "two"]}


def test_whole_measure_job_is_read(tmp_path: Path) -> None:
    rows = [prompt("a", 1, 2, between=[[3], []]), prompt("b", 4)]
    write_folder(tmp_path, job(phase("b", "a", concurrency=2), counts=COUNTS), prompts=rows)
    read = read_job(tmp_path)
    assert isinstance(read.task, Measure)
    assert read.task.phases[0].conversations == ("b", "a")
    assert read.task.phases[0].load == Load(mode="closed", concurrency=2)
    conversation = read.task.prompts[f"{PROMPTS}.jsonl"]["a"]
    assert isinstance(conversation, Conversation)
    assert (conversation.between, conversation.length) == (((3,), ()), 3)
    assert read.task.counts.per_position == ("accepted_total", "position")
    assert read.task.stop_ids == {2}
    assert read.task.phases[0].sampling.temperature == 0
    assert (read.deadline_s, read.readback) == (30, {"props": "/props"})


def test_encode_job_needs_no_field_of_measure_and_ignores_them(tmp_path: Path) -> None:
    for number, content in enumerate((encode_job(), job(task="encode"))):
        folder = write_folder(tmp_path / str(number), content, conversations=[DIALOGUE])
        task = read_job(folder).task
        assert isinstance(task, Encode)
        assert task.dialogues[0].turns == ("one", "two")


def test_phases_may_read_from_different_files(tmp_path: Path) -> None:
    other = "prompts-ba9876543210"
    phases = [phase("a"), phase("b", name="other", prompts=f"{other}.jsonl")]
    write_folder(tmp_path, job(*phases), prompts=[prompt("a", 1)], **{other: [prompt("b", 2)]})
    task = read_job(tmp_path).task
    assert isinstance(task, Measure)
    assert [list(rows) for rows in task.prompts.values()] == [["a"], ["b"]]


def test_prompts_may_be_text(tmp_path: Path) -> None:
    write_folder(tmp_path, job(phase("a"), model="m"), prompts=[DIALOGUE])
    read = read_job(tmp_path)
    assert isinstance(read.task, Measure)
    dialogue = read.task.prompts[f"{PROMPTS}.jsonl"]["a"]
    assert isinstance(dialogue, Dialogue)
    assert (dialogue.turns, dialogue.length) == (("one", "two"), 2)
    assert read.model == "m"


def test_candidates_for_the_counters_are_read_on_the_page_they_share(tmp_path: Path) -> None:
    page = {name: COUNTS[name] for name in ("names", "per_position", "in_flight")}
    counts = {"source": "detect", "path": "/metrics", "candidates": {"one": page}}
    write_folder(tmp_path, job(phase("a"), counts=counts), prompts=[prompt("a", 1)])
    task = read_job(tmp_path).task
    assert isinstance(task, Measure)
    candidate = task.counts.candidates["one"]
    assert (task.counts.source, candidate.source, candidate.path) == (
        ("detect", "prometheus", "/metrics")
    )
    assert candidate.per_position == ("accepted_total", "position")


def test_counter_that_is_zero_until_it_is_seen_has_a_name(tmp_path: Path) -> None:
    counts = {**COUNTS, "zero_until_seen": ["drafts"]}
    write_folder(tmp_path, job(phase("a"), counts=counts), prompts=[prompt("a", 1)])
    task = read_job(tmp_path).task
    assert isinstance(task, Measure)
    assert task.counts.zero_until_seen == ("drafts",)


def test_every_mode_of_load_is_read(tmp_path: Path) -> None:
    asked = [
        load("closed", concurrency=2, duration_s=1.5),
        load("open", rate=2.5, arrival="poisson"),
        load("burst", concurrency=2),
        load("ramp", concurrency=2, duration_s=3),
    ]
    phases = [
        phase("a", name=each["mode"], load=each, offsets_ns=[5] if each["rate"] else [])
        for each in asked
    ]
    write_folder(tmp_path, job(*phases), prompts=[prompt("a", 1)])
    task = read_job(tmp_path).task
    assert isinstance(task, Measure)
    assert [each.load.to_dict() for each in task.phases] == asked


def test_readback_may_be_empty(tmp_path: Path) -> None:
    write_folder(tmp_path, job(phase("a"), readback={}), prompts=[prompt("a", 1)])
    assert read_job(tmp_path).readback == {}


def offered(mode: str, offsets_ns: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    """Return the change that gives the job one phase with this load."""
    return {"phases": [phase("a", load=load(mode, **changes), offsets_ns=list(offsets_ns))]}


def sampled(**changes: Any) -> dict[str, Any]:
    return {"phases": [phase("a", sampling={**SAMPLING, **changes})]}


CANDIDATE = {"names": {}, "candidates": {}}
WRONG_JOBS: list[tuple[dict[str, Any], str]] = [
    ({"schema": "specseal/job/2"}, "schema 'specseal/job/2' is not"),
    ({"task": "dance"}, r"task: 'dance' is none of measure, encode"),
    ({"sampel": 1}, "unknown field 'sampel'"),
    ({"server": {"health_path": "/health"}}, r"server: 'deadline_s' is missing"),
    ({"server": {"health_path": "/h", "deadline_s": 1, "x": 1}}, "server: unknown field 'x'"),
    ({"server": []}, "server: expected dict, not list"),
    ({"silence_timeout_s": 0}, "silence_timeout_s: 0 is not a time"),
    ({"stop_ids": [True]}, r"stop_ids\[0\]: expected int, not bool"),
    (sampled(top_k=1.5), r"sampling.top_k: expected int, not float"),
    (sampled(min_p=1), "sampling: unknown field 'min_p'"),
    (offered("flood", concurrency=1), "mode: 'flood' is none of closed, open, burst, ramp"),
    (offered("closed"), "load.concurrency: is missing, and closed needs it"),
    (offered("closed", concurrency=0), "load.concurrency: 0 is not more than 0"),
    (offered("closed", concurrency=1, duration_s=-1), "duration_s: -1 is not more than 0"),
    (offered("closed", concurrency=1, depth=2), "load: unknown field 'depth'"),
    (offered("ramp", concurrency=1), "load.duration_s: is missing, and ramp needs it"),
    (offered("open", (0,)), "load.rate: is missing, and open needs it"),
    (offered("open", rate=1), "offsets_ns: an open load needs them"),
    (offered("burst", (0,), concurrency=1), "offsets_ns: only an open load has them"),
    (offered("open", (0, 1), rate=1), "offsets_ns: one a conversation"),
    (offered("open", (2, 1), rate=1, duration_s=1), "offsets_ns: they must not be below 0"),
    (offered("open", (-1,), rate=1), "offsets_ns: they must not be below 0"),
    (
        {"counts": {"source": "detect", "candidates": {"x": CANDIDATE}}},
        "counts.candidates.x: unknown field 'candidates'",
    ),
    ({"phases": [phase("a", prompts="../prompts.jsonl")]}, "names no file of prompts"),
    ({"counts": {"source": "none", "names": {"steps": "x"}}}, "'steps' is none of drafts"),
    ({"counts": {"source": "none", "x": 1}}, "counts: unknown field 'x'"),
    ({"phases": []}, "phases: is empty"),
    ({"phases": [1]}, r"phases\[0\]: expected an object"),
    ({"phases": [phase()]}, r"phases\[0\].conversations: is empty"),
    ({"phases": [phase("a"), phase("a")]}, "two phases have one name"),
    ({"phases": [phase("a", "zz")]}, "phase 'c1' names 'zz', not in prompts-0123456789ab.jsonl"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_JOBS, ids=[row[1] for row in WRONG_JOBS])
def test_wrong_job_is_refused_with_the_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_folder(tmp_path, job(phase("a")) | changes, prompts=[prompt("a", 1)])
    with pytest.raises(InputRefused, match=message):
        read_job(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([prompt("a")], "prompts-0123456789ab.jsonl:1: `first` holds no token"),
        ([prompt("a", 1), prompt("a", 2)], "prompts-0123456789ab.jsonl:2: id 'a' appears twice"),
        ([prompt("a", 1) | {"text": ""}], "prompts-0123456789ab.jsonl:1: unknown field 'text'"),
        ([{**DIALOGUE, "turns": []}], "prompts-0123456789ab.jsonl:1: `turns` is empty"),
        ([{**DIALOGUE, "first": [1]}], "prompts-0123456789ab.jsonl:1: unknown field 'first'"),
        ([prompt("a", 1, between=[["x"]])], r"between\[0\]\[0\]: expected int, not str"),
    ],
)
def test_wrong_prompt_is_refused_with_its_line(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    write_folder(tmp_path, job(phase("a")), prompts=rows)
    with pytest.raises(InputRefused, match=message):
        read_job(tmp_path)


def test_dialogue_without_a_turn_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, encode_job(), conversations=[{**DIALOGUE, "turns": []}])
    with pytest.raises(InputRefused, match=r"conversations.jsonl:1: `turns` is empty"):
        read_job(tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, job(phase("a")))
    with pytest.raises(
        InputRefused, match=r"prompts-0123456789ab.jsonl: can't be read: No such file"
    ):
        read_job(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "a key appears twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("{", "not JSON"),
        ("[]", "expected an object"),
    ],
)
def test_loose_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(InputRefused, match=message):
        read_job(tmp_path)


def test_unnamed_counter_that_is_to_be_zero_until_it_is_seen_is_refused(tmp_path: Path) -> None:
    counts = {**COUNTS, "zero_until_seen": ["cached_tokens"]}
    write_folder(tmp_path, job(phase("a"), counts=counts), prompts=[prompt("a", 1)])
    with pytest.raises(InputRefused, match="zero_until_seen: 'cached_tokens' has no name"):
        read_job(tmp_path)
