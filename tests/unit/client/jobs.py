"""Jobs for the tests: values, and the folders that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

METRICS = """\
# TYPE drafts_total counter
drafts_total {drafts}
# TYPE draft_tokens_total counter
draft_tokens_total {draft_tokens}
# TYPE accepted_total counter
accepted_total{{position="0"}} {accepted}
accepted_total{{position="2"}} 1
# TYPE requests gauge
requests {requests}
"""
COUNTS: dict[str, Any] = {
    "source": "prometheus",
    "path": "/metrics",
    "names": {
        "drafts": "drafts_total",
        "draft_tokens": "draft_tokens_total",
        "output_tokens": "not_shown_total",
    },
    "per_position": {"name": "accepted_total", "label": "position"},
    "in_flight": ["requests"],
}


def metrics(*, drafts: int = 0, draft_tokens: int = 0, accepted: int = 0, requests: int = 0) -> str:
    """Return the text of /metrics."""
    return METRICS.format(
        drafts=drafts, draft_tokens=draft_tokens, accepted=accepted, requests=requests
    )


PROMPTS = "prompts-0123456789ab"
SAMPLING = {
    "temperature": 0,
    "top_p": 1,
    "top_k": 0,
    "seed": 0,
    "stop": [],
    "ignore_eos": False,
    "max_tokens": 8,
}


def load(mode: str, **changes: Any) -> dict[str, Any]:
    """Return a phase's load; what is not named is null."""
    names = ("concurrency", "rate", "arrival", "duration_s")
    return {"mode": mode, **dict.fromkeys(names), **changes}


def phase(*conversations: str, concurrency: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a measured phase of job.json, closed where nothing else is said."""
    return {
        "name": f"c{concurrency}",
        "measured": True,
        "load": load("closed", concurrency=concurrency),
        "prompts": f"{PROMPTS}.jsonl",
        "sampling": SAMPLING,
        "conversations": list(conversations),
        "offsets_ns": [],
        **changes,
    }


def job(*phases: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a whole job.json of task `measure`."""
    return {
        "schema": "specseal/job/1",
        "task": "measure",
        "server": {"health_path": "/health", "deadline_s": 30},
        "dialect": "llamacpp",
        "counts": {"source": "none"},
        "readback": {"props": "/props"},
        "stop_ids": [2],
        "silence_timeout_s": 30,
        "phases": list(phases),
        "template_args": {},
        **changes,
    }


def encode_job(**changes: Any) -> dict[str, Any]:
    """Return a whole job.json of task `encode`, with no field of the other task."""
    whole = job(task="encode", **changes)
    return {
        key: value for key, value in whole.items() if key not in ("counts", "stop_ids", "phases")
    }


def prompt(id_: str, *first: int, between: list[list[int]] | None = None) -> dict[str, Any]:
    """Return a row of prompts.jsonl."""
    return {"id": id_, "category": "coding", "first": list(first), "between": between or []}


def write_folder(folder: Path, job_json: dict[str, Any], **rows: list[dict[str, Any]]) -> Path:
    """Write an input folder (`prompts=[…]`, `conversations=[…]`) and return it.

    `prompts` go into the file that `phase` names; others by their own names, through `**{…}`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job_json))
    for name, items in rows.items():
        (folder / f"{PROMPTS if name == 'prompts' else name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in items)
        )
    return folder
