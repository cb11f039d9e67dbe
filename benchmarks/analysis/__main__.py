"""Time the analysis and the memory it needs: `python -m benchmarks.analysis`, from the repository.

One launch with speculation and one without, at three load levels, 100,000 requests of 100 chunks
in all. The records are made from a seed, written as a job writes them and read as specseal reads
them, so that the peak memory is that of the records, too. Nothing here decides a test.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from benchmarks.made import DRAFT_LENGTH, LEVELS, records

from specseal.analysis import JobData, PhaseData, RunData, analyse
from specseal.records import Load, PhaseStatus, Record, Snapshot, append_jsonl, read_records

START_NS = 10**15
ROWS_A_WRITE = 1_000


def main() -> None:
    """Make the records, analyse them, print what that took."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        paths = _write(Path(folder), arguments)
        began = time.perf_counter()
        run = _read(paths)
        read_s, records_bytes = time.perf_counter() - began, _resident_bytes()
    began = time.perf_counter()
    result = analyse(run)
    analyse_s = time.perf_counter() - began
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    requests = sum(len(phase.records) for job in run.jobs for phase in job.phases)
    print(f"python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    print(
        f"{requests:,} requests of {arguments.chunks} chunks, {arguments.conversations:,} "
        f"conversations, {len(result.metrics):,} metrics"
    )
    print("| reading s | analysis s | records MB | peak MB |")
    print("| ---: | ---: | ---: | ---: |")
    megabytes = f"{records_bytes / 1e6:.0f} | {peak_bytes / 1e6:.0f}"
    print(f"| {read_s:.1f} | {analyse_s:.1f} | {megabytes} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="over all phases")
    parser.add_argument("--chunks", type=int, default=100, help="a request")
    parser.add_argument("--conversations", type=int, default=880, help="different ones")
    return parser.parse_args()


def _write(folder: Path, arguments: argparse.Namespace) -> dict[tuple[bool, int], Path]:
    paths = {}
    for speculates in (False, True):
        for level in LEVELS:
            path = folder / f"{speculates}-{level}.jsonl"
            rows: list[dict[str, object]] = []
            for record in _records(speculates, level, arguments):
                rows.append(record.to_dict())
                if len(rows) == ROWS_A_WRITE:
                    append_jsonl(path, rows)
                    rows.clear()
            append_jsonl(path, rows)
            paths[speculates, level] = path
    return paths


def _records(speculates: bool, level: int, arguments: argparse.Namespace) -> Iterator[Record]:
    return records(
        f"c{level}",
        level,
        DRAFT_LENGTH if speculates else 0,
        requests=arguments.requests // (2 * len(LEVELS)),
        chunks=arguments.chunks,
        conversations=arguments.conversations,
        finish="length",
        start_ns=START_NS,
    )


def _read(paths: dict[tuple[bool, int], Path]) -> RunData:
    return RunData(jobs=tuple(_job(speculates, paths) for speculates in (False, True)), seed=0)


def _job(speculates: bool, paths: dict[tuple[bool, int], Path]) -> JobData:
    return JobData(
        key=f"job-{speculates}",
        speculation="eagle3" if speculates else "none",
        draft_length=DRAFT_LENGTH if speculates else 0,
        repeat=0,
        session="one",
        cut_at_limit=True,
        one_chunk_a_step=True,
        prefix_cache=False,
        devices=1,
        accelerator="any",
        accelerators_found=(),
        engine_version="",
        engine_version_found=None,
        method_found=None,
        draft_length_found=None,
        telemetry=(),
        failure="",
        phases=tuple(_phase(level, read_records(paths[speculates, level])) for level in LEVELS),
        missing=(),
    )


def _phase(level: int, records: tuple[Record, ...]) -> PhaseData:
    drafted = sum(record.draft_tokens or 0 for record in records)
    accepted = sum(record.accepted_tokens or 0 for record in records)
    return PhaseData(
        load=Load(mode="closed", concurrency=level),
        input="dataset",
        max_tokens=DRAFT_LENGTH * len(records[0].chunk_ns),
        temperature=0.0,
        ignore_eos=False,
        history_not_rewritten=False,
        bos_doubled=False,
        status=PhaseStatus(
            phase=f"c{level}",
            measured=True,
            start_ns=START_NS,
            end_ns=max(record.end_ns for record in records),
            requests=len(records),
            failed=0,
            loop_lag_p99_ns=0,
            loop_lag_max_ns=0,
            send_lag_p99_ns=0,
            send_lag_max_ns=0,
            client_cpu_share=0.1,
            client_cpu_total=0.1,
            client_cpus=1,
            client_memory_bytes=0,
            client_processes=1,
        ),
        records=records,
        before=_snapshot("before", 0, 0),
        after=_snapshot("after", drafted, accepted),
    )


def _snapshot(moment: str, drafted: int, accepted: int) -> Snapshot:
    return Snapshot(
        phase="",
        moment=moment,
        time_ns=0,
        settled=True,
        drafts=drafted // DRAFT_LENGTH,
        draft_tokens=drafted,
        accepted_tokens=accepted,
        accepted_per_position=None,
        output_tokens=None,
        prompt_tokens=None,
        cached_tokens=None,
    )


def _resident_bytes() -> int:
    """Return the memory that this process holds now. Source: proc(5), /proc/self/statm."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
