"""Reading a job's input folder: every rule is broken once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specseal.client.errors import InputRefused
from specseal.client.job import Encode, Measure, read_job
from unit.client.jobs import COUNTS, encode_job, job, phase, prompt, write_folder

DIALOGUE = {"id": "a", "category": "qa", "turns": ["one", "two"]}


def test_whole_measure_job_is_read(tmp_path: Path) -> None:
    rows = [prompt("a", 1, 2, between=[[3], []]), prompt("b", 4)]
    write_folder(tmp_path, job(phase("b", "a", concurrency=2), counts=COUNTS), prompts=rows)
    read = read_job(tmp_path)
    assert isinstance(read.task, Measure)
    assert read.task.phases[0].conversations == ("b", "a")
    assert read.task.conversations["a"].between == ((3,), ())
    assert read.task.counts.per_position == ("accepted_total", "position")
    assert read.task.stop_ids == {2}
    assert read.task.sampling.temperature == 0
    assert (read.deadline_s, read.readback) == (30, {"props": "/props"})


def test_encode_job_needs_no_field_of_measure_and_ignores_them(tmp_path: Path) -> None:
    for number, content in enumerate((encode_job(), job(task="encode"))):
        folder = write_folder(tmp_path / str(number), content, conversations=[DIALOGUE])
        task = read_job(folder).task
        assert isinstance(task, Encode)
        assert task.dialogues[0].turns == ("one", "two")


def test_readback_may_be_empty(tmp_path: Path) -> None:
    write_folder(tmp_path, job(phase("a"), readback={}), prompts=[prompt("a", 1)])
    assert read_job(tmp_path).readback == {}


SAMPLING = job()["sampling"]
WRONG_JOBS: list[tuple[dict[str, Any], str]] = [
    ({"schema": "specseal/job/2"}, "schema 'specseal/job/2' is not"),
    ({"task": "dance"}, r"task: 'dance' is none of measure, encode"),
    ({"sampel": 1}, "unknown field 'sampel'"),
    ({"server": {"health_path": "/health"}}, r"server: 'deadline_s' is missing"),
    ({"server": {"health_path": "/h", "deadline_s": 1, "x": 1}}, "server: unknown field 'x'"),
    ({"server": []}, "server: expected dict, not list"),
    ({"silence_timeout_s": 0}, "silence_timeout_s: 0 is not a time"),
    ({"stop_ids": [True]}, r"stop_ids\[0\]: expected int, not bool"),
    ({"sampling": {**SAMPLING, "top_k": 1.5}}, r"sampling.top_k: expected int, not float"),
    ({"sampling": {**SAMPLING, "min_p": 1}}, "sampling: unknown field 'min_p'"),
    ({"counts": {"source": "none", "names": {"steps": "x"}}}, "'steps' is none of drafts"),
    ({"counts": {"source": "none", "x": 1}}, "counts: unknown field 'x'"),
    ({"phases": []}, "phases: is empty"),
    ({"phases": [1]}, r"phases\[0\]: expected an object"),
    ({"phases": [phase("a", concurrency=0)]}, r"phases\[0\].concurrency: 0 is less than 1"),
    ({"phases": [phase()]}, r"phases\[0\].conversations: is empty"),
    ({"phases": [phase("a"), phase("a")]}, "two phases have one name"),
    ({"phases": [phase("a", "zz")]}, "phase 'c1' names 'zz', not in prompts.jsonl"),
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
        ([prompt("a")], "prompts.jsonl:1: `first` holds no token"),
        ([prompt("a", 1), prompt("a", 2)], "prompts.jsonl:2: id 'a' appears twice"),
        ([prompt("a", 1) | {"text": ""}], "prompts.jsonl:1: unknown field 'text'"),
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
    with pytest.raises(InputRefused, match=r"prompts.jsonl: can't be read: No such file"):
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
