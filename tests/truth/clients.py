"""Run the real load generator against the engine, as a process of its own, and read its files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specseal.analysis import PhaseData
from specseal.engines.counters import counts_of
from specseal.records import (
    JobStatus,
    Load,
    Record,
    Snapshot,
    read_records,
    read_snapshots,
    read_status,
)

_SAMPLING = {"temperature": 0, "top_p": 1, "top_k": 0, "seed": 0, "stop": [], "ignore_eos": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one job left behind."""

    exit_code: int
    stderr: str
    records: tuple[Record, ...]
    snapshots: tuple[Snapshot, ...]
    status: JobStatus

    def phase(self, load: Load, *, max_tokens: int) -> PhaseData:
        """Return the one phase of a greedy job as a run has it."""
        (status,) = self.status.phases
        before, after = self.snapshots or (None, None)
        return PhaseData(
            load=load,
            input="dataset",
            max_tokens=max_tokens,
            temperature=0.0,
            ignore_eos=True,
            history_not_rewritten=False,
            bos_doubled=False,
            status=status,
            records=self.records,
            before=before,
            after=after,
        )


def prompt(number: int, *, first: int = 7, between: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
    """Return a row of prompts; `first`, its first token, decides what the engine does with it."""
    return {
        "id": f"q{number:05d}",
        "category": ("coding", "writing")[number % 2],
        "first": [first, number, *range(100, 114)],
        "between": [list(part) for part in between],
    }


def write_job(
    folder: Path,
    prompts: Sequence[dict[str, Any]],
    *,
    concurrency: int,
    max_tokens: int,
    dialect: str = "openai-completions",
    **changes: Any,
) -> Path:
    """Write the input folder of a job with one measured closed-loop phase, and return it."""
    folder.mkdir(parents=True)
    rows = "".join(json.dumps(row) + "\n" for row in prompts).encode()
    name = f"prompts-{hashlib.sha256(rows).hexdigest()[:12]}.jsonl"
    (folder / name).write_bytes(rows)
    load = {"mode": "closed", "concurrency": concurrency}
    phase = {
        "name": f"c{concurrency}",
        "measured": True,
        "load": {"rate": None, "arrival": None, "duration_s": None, **load},
        "prompts": name,
        "sampling": {**_SAMPLING, "max_tokens": max_tokens},
        "conversations": [row["id"] for row in prompts],
        "offsets_ns": [],
    }
    job = {
        "schema": "specseal/job/1",
        "task": "measure",
        "server": {"health_path": "/health", "deadline_s": 30},
        "dialect": dialect,
        "model": "truth",
        "counts": counts_of("vllm"),
        "readback": {},
        "stop_ids": [],
        "silence_timeout_s": 30,
        "phases": [phase],
        **changes,
    }
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def client_command(folder: Path, out: Path, port: int) -> list[str]:
    """Return the command line that runs the job in `folder`."""
    client = [sys.executable, "-m", "specseal.client"]
    return [*client, "--in", str(folder), "--out", str(out), "--port", str(port)]


def run_client(folder: Path, out: Path, port: int) -> Outcome:
    """Run the job in `folder` and read what it left in `out`."""
    out.mkdir(parents=True)
    done = subprocess.run(
        client_command(folder, out, port), capture_output=True, text=True, check=False
    )
    status = read_status(out / "status.json")
    assert status is not None, done.stderr
    return Outcome(
        exit_code=done.returncode,
        stderr=done.stderr,
        records=read_records(out / "records.jsonl") if (out / "records.jsonl").exists() else (),
        snapshots=read_snapshots(out / "counts.jsonl") if (out / "counts.jsonl").exists() else (),
        status=status,
    )
