"""A small lock with every field that a real one has, for tests of what reads locks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from specseal.spec.locked import Lock

CONVERSATIONS = [
    {
        "id": f"{category}-{number}",
        "category": category,
        "turns": 1,
        "input_tokens": 7,
        "sha256": "6" * 64,
    }
    for category in ("coding", "math")
    for number in range(3)
]


def write_prompts(path: Path) -> None:
    """Write a file of prompts for the conversations of the lock."""
    rows = [{"id": row["id"], "first": [1], "between": []} for row in CONVERSATIONS]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def make_lock(**changes: dict[str, Any]) -> Lock:
    """Return the lock, with keys of sections changed: `make_lock(points={"seed": 7})`."""
    sections = _sections()
    for section, values in changes.items():
        sections[section] |= values
    return Lock(**sections)


def _sections() -> dict[str, dict[str, Any]]:
    image = {
        "folder": "client",
        "requirements": "requirements.txt",
        "tree_sha256": "3" * 64,
        "base": {"name": "base", "sha256": "4" * 64},
        "wheels": [
            {"name": "wheel", "version": "1.0", "marker": None, "sha256": ["3" * 64, "5" * 64]}
        ],
    }
    return {
        "spec": {
            "name": "tiny",
            "sha256": "0" * 64,
            "model": {"kind": "path", "path": "model.gguf"},
            "dataset": {"kind": "builtin", "name": "speed-mini", "split": "qualitative"},
            "drafter": None,
            "image": None,
            "url": None,
        },
        "engine": {
            "name": "llamacpp",
            "version": "2026.10.11549",
            "family": "cpu",
            "context_length": 4096,
            "prefix_cache": False,
            "max_sequences": None,
            "image": image,
        },
        "client": {"image": image, "source": {"client/load.py": "1" * 64}},
        "model": {
            "revision": None,
            "archive": None,
            "files": [{"path": "model.gguf", "bytes": 7, "sha256": "2" * 64}],
            "load": "model.gguf",
            "steps": [],
            "template_args": {},
            "chat_template_sha256": "7" * 64,
            "stop_ids": [2],
            "vocabulary": None,
        },
        "drafter": {
            "method": "ngram",
            "args": {},
            "revision": None,
            "archive": None,
            "files": [],
            "load": "",
            "steps": [],
            "draftable": None,
        },
        "encoder": {"name": "llamacpp", "version": "2026.10.11549", "image": image},
        "dataset": {
            "revision": None,
            "file_sha256": None,
            "restricted": False,
            "rows": [{"id": row["id"], "sha256": "8" * 64} for row in CONVERSATIONS],
        },
        "prompts": {
            "sha256": "9" * 64,
            "history_not_rewritten": False,
            "bos_doubled": False,
            "conversations": CONVERSATIONS,
            "random": None,
        },
        "sampling": {
            "temperature": 0,
            "top_p": 1,
            "top_k": 0,
            "seed": 0,
            "stop": [],
            "ignore_eos": False,
            "max_tokens": 8,
        },
        "hardware": {"accelerator": "cpu", "count": 1, "driver": None},
        "points": {
            "load": {
                "mode": "closed",
                "concurrency": [1, 2],
                "rate": [],
                "arrival": None,
                "duration_s": None,
                "requests": None,
            },
            "inputs": ["dataset"],
            "warmup": ["math-0"],
            "conversations": [row["id"] for row in CONVERSATIONS],
            "repeats": 1,
            "draft_length": 2,
            "baseline": "autoregressive",
            "seed": 0,
            "objectives": {"ttft_s": None, "tpot_s": None},
        },
    }
