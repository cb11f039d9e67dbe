"""Time `specseal verify` and the memory it needs: `make bench-verify`, from the repository.

A sealed bundle is made from a seed: a run of its lock's plan, one launch with speculation and one
without, at three load levels, 100,000 requests of 100 chunks in all. Then it is verified by a
process of its own, so that the peak memory is that of verifying alone. Nothing here decides a test.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.made import CATEGORIES, DRAFT_LENGTH, LEVELS, records

import locks
from attacks.builder import NOW, SPEC, inputs_of, make_job, make_signer
from specseal.analysis import JobData, RunData
from specseal.bundle import seal
from specseal.plan import make_plan
from specseal.spec import parse_spec
from specseal.spec.locked import Lock

DURATION_S = 36_000.0
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


def main() -> None:
    """Make the bundle, verify it, print what that took."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        bundle, key = make_bundle(folder, arguments)
        seal_s = time.perf_counter() - began
        size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", VERIFY, folder / "peak", "verify", bundle, "--key", key],
            capture_output=True,
            text=True,
            check=False,
        )
        verify_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak_bytes = int((folder / "peak").read_text()) * 1024
    print(done.stdout + done.stderr, file=sys.stderr)
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}, "
        f"{platform.machine()}; exit code {done.returncode}"
    )
    print("| requests | chunks each | bundle MB | seal s | verify s | its CPU s | its peak MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {arguments.requests:,} | {arguments.chunks} | {size / 1e6:.0f} | {seal_s:.1f} | "
        f"{verify_s:.1f} | {used.ru_utime + used.ru_stime:.1f} | {peak_bytes / 1e6:.0f} |"
    )
    sys.exit(done.returncode)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="over all phases")
    parser.add_argument("--chunks", type=int, default=100, help="a request")
    parser.add_argument("--conversations", type=int, default=880, help="different ones")
    return parser.parse_args()


def make_bundle(folder: Path, arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Seal the bundle; return its folder, and the file of the signer's public key."""
    text = SPEC.replace(b"draft_length: 2", f"draft_length: {DRAFT_LENGTH}".encode())
    text = text.replace(
        b"concurrency: [1, 2]",
        f"concurrency: {list(LEVELS)}, duration_s: {DURATION_S:.0f}".encode(),
    )
    longest = arguments.chunks * (DRAFT_LENGTH + 1)
    text = text.replace(b"max_tokens: 8", f"max_tokens: {longest}".encode())
    lock = _lock(text, longest, arguments.conversations)
    jobs = tuple(_with_records(make_job(job), arguments) for job in make_plan(lock).jobs)
    signer = make_signer()
    inputs = inputs_of(text, lock, RunData(jobs=jobs, seed=0), folder)
    key = folder / "signer.pem"
    key.write_bytes(signer.public.pem)
    return seal(inputs, folder / "bundle", signer=signer, now=NOW), key


def _lock(text: bytes, longest: int, conversations: int) -> Lock:
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
        for number in range(conversations)
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
                "duration_s": int(DURATION_S),
            },
            "warmup": names[:1],
            "conversations": names,
            "draft_length": DRAFT_LENGTH,
        },
    )


def _with_records(job: JobData, arguments: argparse.Namespace) -> JobData:
    """Return a job with the records of its phases, and counters that agree with them."""
    phases = []
    for phase in job.phases:
        level = phase.load.concurrency or 1
        made = records(
            phase.status.phase,
            level,
            job.draft_length,
            requests=arguments.requests // (2 * len(LEVELS)),
            chunks=arguments.chunks,
            conversations=arguments.conversations,
            finish="stop",
        )
        told = tuple(made)
        drafts = sum(len(record.chunk_ns) - 1 for record in told) if job.draft_length else 0
        accepted = sum(record.accepted_tokens or 0 for record in told)
        after = phase.after
        phases.append(
            replace(
                phase,
                records=told,
                status=replace(
                    phase.status,
                    end_ns=max(record.end_ns for record in told),
                    requests=len(told),
                ),
                after=after
                and replace(
                    after,
                    drafts=drafts,
                    draft_tokens=DRAFT_LENGTH * drafts,
                    accepted_tokens=accepted,
                    accepted_per_position=None,
                ),
            )
        )
    return replace(job, phases=tuple(phases))


if __name__ == "__main__":
    main()
