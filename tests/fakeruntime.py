"""A runtime that measures nothing: it leaves what a job leaves, for tests of what runs jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from specseal.errors import EngineFailed
from specseal.records import (
    JobStatus,
    PhaseStatus,
    Snapshot,
    append_jsonl,
    write_json_atomically,
)
from specseal.runtimes import JobRun, Progress
from specseal.runtimes.devices import Address

PHASE = PhaseStatus(
    phase="c1", measured=True, start_ns=1, end_ns=2, requests=1, failed=0, loop_lag_p99_ns=0,
    loop_lag_max_ns=0, send_lag_p99_ns=0, send_lag_max_ns=0, client_cpu_share=0.1,
    client_memory_bytes=1, client_processes=1,
)  # fmt: skip
COUNTS = Snapshot(
    phase="c1", moment="after", time_ns=2, settled=True, drafts=3, draft_tokens=6,
    accepted_tokens=2, accepted_per_position=(1, 1), output_tokens=5, prompt_tokens=7,
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
    breaks: frozenset[str] = frozenset()
    """Names of jobs whose engine dies."""
    ran: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    devices: list[tuple[Address, ...]] = field(default_factory=list)
    """What each job was given."""

    def clean(self) -> int:
        return 0

    def run(self, job: JobRun, watch: Callable[[Progress], None]) -> JobStatus:
        self.found = sorted(
            path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*")
        )
        out = job.folder / "out"
        self.ran.append(job.name)
        self.devices.append(job.devices)
        if self.fails or job.name in self.breaks:
            raise EngineFailed(f"{job.name}: the engine died with exit code 9")
        slot = {"speculative": "--spec-ngram-simple-size-m" in job.launch.args, "n_ctx": 4096}
        status = JobStatus(
            outcome="done", reason="", phases=(WARMUP, PHASE), engine={"slots": [slot] * self.slots}
        )
        speculates = slot["speculative"] or self.baseline_speculates
        counts = COUNTS if speculates else NO_DRAFTS
        append_jsonl(out / "counts.jsonl", [counts.to_dict()])
        append_jsonl(out / "records.jsonl", [])
        write_json_atomically(out / "environment.json", {"runtime": self.name})
        write_json_atomically(out / "status.json", status.to_dict())
        return status
