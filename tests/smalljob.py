"""A small job for tests of runtimes: some conversations of 40 tokens in, 16 out, two at a time."""

from __future__ import annotations

from pathlib import Path

from specseal.engines import LaunchRequest, engine
from specseal.records import Load, append_jsonl, write_json_atomically
from specseal.runtimes import JobRun

PROMPTS = "prompts-0123456789ab.jsonl"


def write_job(
    folder: Path,
    *,
    model: Path,
    model_file: str,
    conversations: int = 2,
    deadline_s: int = 120,
    silence_timeout_s: int = 60,
    health: str = "/health",
) -> JobRun:
    """Write a job's inputs into a new folder.

    Args:
        folder: the job's, which is made; others may enter the folder it is in.
        model: the folder of the model's files.
        model_file: the file that the engine loads.
        conversations: how many.
        deadline_s: how long the engine may take to get healthy.
        silence_timeout_s: how long it may keep silent in mid-answer.
        health: the path that is asked for that.
    """
    launch = engine("llamacpp").launch(
        LaunchRequest(
            method="ngram",
            draft_length=4,
            drafter_args={},
            max_sequences=2,
            engine={"context_length": 512, "family": "cpu"},
        )
    )
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    folder.parent.chmod(0o755)
    names = [f"c{number}" for number in range(conversations)]
    append_jsonl(
        folder / "in" / PROMPTS,
        [
            {"id": name, "category": "qa", "first": [1, *range(500, 519)] * 2, "between": []}
            for name in names
        ],
    )
    sampling = {"temperature": 0, "top_p": 1.0, "top_k": 0, "seed": 0, "stop": []}
    job = {
        "schema": "specseal/job/1",
        "task": "measure",
        "server": {"health_path": health, "deadline_s": deadline_s},
        "dialect": launch.dialect,
        "model": launch.model,
        "counts": launch.counts,
        "readback": launch.readback,
        "stop_ids": [2],
        "silence_timeout_s": silence_timeout_s,
        "phases": [
            {
                "name": "c2",
                "measured": True,
                "load": Load(mode="closed", concurrency=2).to_dict(),
                "prompts": PROMPTS,
                "sampling": {**sampling, "ignore_eos": True, "max_tokens": 16},
                "conversations": names,
                "offsets_ns": [],
            }
        ],
    }
    write_json_atomically(folder / "in" / "job.json", job)
    return JobRun(
        launch=launch,
        model=model,
        model_file=model_file,
        drafter=None,
        drafter_file="",
        folder=folder,
        name="j",
    )
