"""Time `specseal verify` and the memory it needs: `make bench-verify`, from the repository.

A sealed bundle is made from a seed: a run of its lock's plan, one launch with speculation and one
without, at three load levels, 100,000 requests of 100 chunks in all. Then it is verified by a
process of its own, so that the peak memory is that of verifying alone. Ends with exit code 1 where
that takes longer, or more memory, than it may; a test asks about the memory, and none about time.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.made import CATEGORIES, DRAFT_LENGTH, LEVELS, STEP_NS, records

import locks
from attacks.builder import NOW, SPEC, inputs_of, make_job, make_signer
from specseal.analysis import JobData, RunData
from specseal.bundle import seal
from specseal.plan import make_plan
from specseal.spec import parse_spec
from specseal.spec.locked import Lock

MOST_S, MOST_BYTES = 15.0, 1_000_000_000
"""What verifying a bundle of the usual size may take."""
VERIFY = """\
import re, sys
from pathlib import Path
from specseal.cli import main
peak = Path(sys.argv.pop(1))
try:
    main()
finally:
    peak.write_text(re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])
"""
"""The command, and what it needed at most. getrusage(2) won't do: a child's peak begins with that
of the process that started it. Source: proc(5), /proc/self/status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a bundle is; by default as large as the bounds are about."""

    requests: int = 100_000
    """Over all phases."""
    chunks: int = 100
    """Of each request."""
    conversations: int = 880
    """Different ones."""

    @property
    def of_a_phase(self) -> int:
        """Requests of one phase, of those with speculation and those without."""
        return self.requests // (2 * len(LEVELS))

    @property
    def duration_s(self) -> int:
        """A time in which every phase has begun its last request, that of one at a time too."""
        return 1 + self.of_a_phase * self.chunks * STEP_NS[1] // 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of verifying, and what that took."""

    exit_code: int
    said: str
    wall_s: float
    cpu_s: float
    peak_bytes: int


def main() -> None:
    """Make the bundle, verify it, print what that took."""
    size = _size()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        bundle, key = make_bundle(folder, size)
        seal_s = time.perf_counter() - began
        size_bytes = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
        taken = verify(bundle, key, folder)
    print(taken.said, file=sys.stderr)
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}, "
        f"{platform.machine()}; exit code {taken.exit_code}"
    )
    print("| requests | chunks each | bundle MB | seal s | verify s | its CPU s | its peak MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {size.requests:,} | {size.chunks} | {size_bytes / 1e6:.0f} | {seal_s:.1f} | "
        f"{taken.wall_s:.1f} | {taken.cpu_s:.1f} | {taken.peak_bytes / 1e6:.0f} |"
    )
    if taken.exit_code:
        sys.exit(taken.exit_code)
    # Of a larger bundle nothing is asked.
    is_larger = size.requests > Size().requests or size.chunks > Size().chunks
    if not is_larger and (taken.wall_s >= MOST_S or taken.peak_bytes >= MOST_BYTES):
        print(f"missed: under {MOST_S:.0f} s and {MOST_BYTES / 1e6:.0f} MB", file=sys.stderr)
        sys.exit(1)


def _size() -> Size:
    usual = Size()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--requests", type=int, default=usual.requests, help="over all phases")
    parser.add_argument("--chunks", type=int, default=usual.chunks, help="a request")
    parser.add_argument(
        "--conversations", type=int, default=usual.conversations, help="different ones"
    )
    return Size(**vars(parser.parse_args()))


def verify(bundle: Path, key: Path, folder: Path) -> Taken:
    """Verify a bundle by a process of its own; `folder` gets a file of the memory it needed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, folder / "peak", "verify", bundle, "--key", key],
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(
        exit_code=done.returncode,
        said=done.stdout + done.stderr,
        wall_s=wall_s,
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_bytes=int((folder / "peak").read_text()) * 1024,
    )


def make_bundle(folder: Path, size: Size) -> tuple[Path, Path]:
    """Seal the bundle; return its folder, and the file of the signer's public key."""
    text = SPEC.replace(b"draft_length: 2", f"draft_length: {DRAFT_LENGTH}".encode())
    text = text.replace(
        b"concurrency: [1, 2]",
        f"concurrency: {list(LEVELS)}, duration_s: {size.duration_s}".encode(),
    )
    longest = size.chunks * (DRAFT_LENGTH + 1)
    text = text.replace(b"max_tokens: 8", f"max_tokens: {longest}".encode())
    lock = _lock(text, longest, size)
    jobs = tuple(_with_records(make_job(job), size) for job in make_plan(lock).jobs)
    signer = make_signer()
    inputs = inputs_of(text, lock, RunData(jobs=jobs, seed=0), folder)
    key = folder / "signer.pem"
    key.write_bytes(signer.public.pem)
    return seal(inputs, folder / "bundle", signer=signer, now=NOW), key


def _lock(text: bytes, longest: int, size: Size) -> Lock:
    spec = parse_spec(text, path="spec.yaml")
    base = locks.make_lock()
    rows = [
        {
            "id": f"q{number:06}",
            "category": f"category {number % CATEGORIES}",
            "turns": 1,
            "input_tokens": 300,
            "sha256": "6" * 64,
        }
        for number in range(size.conversations)
    ]
    names = [row["id"] for row in rows]
    return locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest},
        dataset={"rows": [{"id": name, "sha256": "8" * 64} for name in names]},
        prompts={"conversations": rows},
        sampling={"max_tokens": longest},
        points={
            "load": {
                **base.points["load"],
                "concurrency": list(LEVELS),
                "duration_s": size.duration_s,
            },
            "warmup": names[:1],
            "conversations": names,
            "draft_length": DRAFT_LENGTH,
        },
    )


def _with_records(job: JobData, size: Size) -> JobData:
    """Return a job with the records of its phases, and counters that agree with them."""
    phases, start_ns = [], 0
    for phase in job.phases:
        level = phase.load.concurrency or 1
        made = records(
            phase.status.phase,
            level,
            job.draft_length,
            requests=size.of_a_phase,
            chunks=size.chunks,
            conversations=size.conversations,
            finish="stop",
            start_ns=start_ns,
        )
        told = tuple(made)
        end_ns = max(record.end_ns for record in told)
        drafts = sum(len(record.chunk_ns) - 1 for record in told) if job.draft_length else 0
        accepted = sum(record.accepted_tokens or 0 for record in told)
        before, after = phase.before, phase.after
        phases.append(
            replace(
                phase,
                records=told,
                status=replace(phase.status, start_ns=start_ns, end_ns=end_ns, requests=len(told)),
                before=before and replace(before, time_ns=start_ns),
                after=after
                and replace(
                    after,
                    time_ns=end_ns,
                    drafts=drafts,
                    draft_tokens=DRAFT_LENGTH * drafts,
                    accepted_tokens=accepted,
                    accepted_per_position=None,
                ),
            )
        )
        start_ns = end_ns
    return replace(job, phases=tuple(phases))


if __name__ == "__main__":
    main()
