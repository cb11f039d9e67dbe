"""A runtime that measures nothing: it leaves what a job leaves, for tests of what runs jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from specseal.errors import ClientFailed, EngineFailed, RunFailed
from specseal.records import (
    JobStatus,
    PhaseStatus,
    Record,
    Snapshot,
    append_jsonl,
    write_json_atomically,
)
from specseal.runtimes import JobRun, Progress

PHASE = PhaseStatus(
    phase="c1", measured=True, start_ns=1, end_ns=2, requests=1, failed=0, loop_lag_p99_ns=0,
    loop_lag_max_ns=0, send_lag_p99_ns=0, send_lag_max_ns=0, client_cpu_share=0.1,
    client_cpu_total=0.1, client_cpus=1,
    client_memory_bytes=1, client_processes=1,
)  # fmt: skip
COUNTS = Snapshot(
    phase="c1", moment="after", time_ns=2, settled=True, drafts=3, draft_tokens=6,
    accepted_tokens=2, accepted_per_position=(1, 1), output_tokens=5, prompt_tokens=7,
    cached_tokens=None,
)  # fmt: skip
NO_DRAFTS = replace(COUNTS, drafts=0, draft_tokens=0, accepted_tokens=0, accepted_per_position=())
WARMUP = replace(PHASE, phase="warmup", measured=False)


@dataclass
class FakeRuntime:
    """Writes what a job leaves, and notes what it found in the job's folder."""

    name: str = "fake"
    isolation: str = "none"
    slots: int = 2
    fails: bool = False
    baseline_speculates: bool = False
    said: dict[str, Any] = field(default_factory=dict)
    """What else was read back from the engine."""
    breaks: frozenset[str] = frozenset()
    """Names of jobs whose engine dies at once."""
    breaks_late: frozenset[str] = frozenset()
    """Names of jobs whose engine breaks in the second measured phase."""
    kills: frozenset[str] = frozenset()
    """Names of jobs whose client is killed."""
    stops: frozenset[str] = frozenset()
    """Names of jobs whose client can't write."""
    log: str = "xllamacpp 2026.10.11549\n"
    ran: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def clean(self) -> int:
        return 0

    def run(self, job: JobRun, watch: Callable[[Progress], None]) -> JobStatus:
        self.found = sorted(
            path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*")
        )
        out = job.folder / "out"
        self.ran.append(job.name)
        if self.fails or job.name in self.breaks:
            raise EngineFailed(f"{job.name}: the engine died with exit code 9")
        if job.name in self.kills:
            raise ClientFailed(f"{job.name}: the client ended with exit code -9 and no status")
        if job.name in self.stops:
            raise RunFailed(f"{job.name}: records.jsonl: can't be written")
        slot = {"speculative": "--spec-ngram-simple-size-m" in job.launch.args, "n_ctx": 4096}
        types = "ngram-simple" if slot["speculative"] else "none"
        after = {"slots": [{"params": {"speculative.types": types}}]}
        status = JobStatus(
            outcome="done",
            reason="",
            phases=(WARMUP, PHASE),
            engine={"slots": [slot] * self.slots, "after": after, **self.said},
        )
        records = []
        if job.name in self.breaks_late:
            phases = (*status.phases, replace(PHASE, phase="c2", failed=1))
            status = replace(status, outcome="failed", reason="c2: it is gone", phases=phases)
            records = [*whole_phase(job.folder), *whole_phase(job.folder)[:1]]
            records[-1] = replace(records[-1], phase="c2")
        speculates = slot["speculative"] or self.baseline_speculates
        counts = COUNTS if speculates else NO_DRAFTS
        append_jsonl(out / "counts.jsonl", [counts.to_dict()])
        append_jsonl(out / "records.jsonl", [record.to_dict() for record in records])
        (out / "engine.log").write_text(self.log)
        write_json_atomically(out / "environment.json", {"runtime": self.name})
        write_json_atomically(out / "status.json", status.to_dict())
        if status.outcome != "done":
            raise EngineFailed(f"{job.name}: {status.reason}")
        return status


def whole_phase(folder: Path) -> list[Record]:
    """Return a record of each conversation of a job's first measured phase."""
    asked = json.loads((folder / "in" / "job.json").read_bytes())
    phase = next(phase for phase in asked["phases"] if phase["measured"])
    return [
        Record(
            phase=phase["name"], conversation=name, category=name.split("-")[0], turn=0, cycle=0,
            due_ns=None, connect_ns=0, submit_ns=1, chunk_ns=(2,), chunk_tokens=(1,), end_ns=2,
            input_tokens=7,
            engine_input_tokens=7, input_sha256="3" * 64, output_tokens=1, output_ids=(5,),
            finish="length", error=None, draft_tokens=None, accepted_tokens=None,
            verify_steps=None, cached_tokens=None,
        )
        for name in phase["conversations"]
    ]  # fmt: skip
