"""`counts.json`: all of a run that is not per request: jobs, phases, counter snapshots.

With `records.parquet` it is the whole `RunData`. Clock readings are decimal strings: a monotonic
clock passes 2⁵³ ns, the largest integer that every JSON reader keeps, after 104 days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle.findings import broken
from specseal.bundle.strict import parse_file
from specseal.digests import canonical
from specseal.records import PhaseStatus, Snapshot

COUNTS = "counts.json"
SCHEMA = "specseal/counts/1"
CLOCK_FIELDS = ("time_ns", "start_ns", "end_ns")
_RUN_FIELDS = [field.name for field in fields(RunData) if field.name != "jobs"]
_JOB_FIELDS = [field.name for field in fields(JobData) if field.name != "phases"]


def encode_counts(run: RunData) -> bytes:
    """Return the file's bytes.

    Raises:
        InputError: a value that JSON has no form for (NaN).
    """
    jobs = [
        {
            **_pick(job, _JOB_FIELDS),
            "phases": [
                {
                    "concurrency": phase.concurrency,
                    "status": _clocks(phase.status.to_dict(), str),
                    "before": _encode_snapshot(phase.before),
                    "after": _encode_snapshot(phase.after),
                }
                for phase in job.phases
            ],
        }
        for job in run.jobs
    ]
    return canonical({"schema": SCHEMA, "run": _pick(run, _RUN_FIELDS), "jobs": jobs}) + b"\n"


def decode_counts(data: bytes) -> RunData:
    """Read `counts.json` into a run whose phases have no records yet.

    Raises:
        BundleBroken: not of the schema, or a job's key or a phase's name comes twice.
    """
    value = parse_file(data, path=COUNTS, code="schemas.counts", schema="counts")
    _refuse_twice((job["key"] for job in value["jobs"]), "job")
    for job in value["jobs"]:
        _refuse_twice((phase["status"]["phase"] for phase in job["phases"]), "phase of one job")
    run = {**value["run"], "temperature": float(value["run"]["temperature"])}
    return RunData(jobs=tuple(_decode_job(job) for job in value["jobs"]), **run)


def _decode_job(job: Mapping[str, Any]) -> JobData:
    phases = tuple(
        PhaseData(
            concurrency=phase["concurrency"],
            status=_decode_status(phase["status"]),
            records=(),
            before=_decode_snapshot(phase["before"]),
            after=_decode_snapshot(phase["after"]),
        )
        for phase in job["phases"]
    )
    return JobData(**{**job, "phases": phases})


def _decode_status(status: Mapping[str, Any]) -> PhaseStatus:
    # Canonical JSON writes 1.0 as 1.
    share = float(status["client_cpu_share"])
    return PhaseStatus(**{**_clocks(status, int), "client_cpu_share": share})


def _encode_snapshot(snapshot: Snapshot | None) -> dict[str, Any] | None:
    return None if snapshot is None else _clocks(snapshot.to_dict(), str)


def _decode_snapshot(snapshot: Mapping[str, Any] | None) -> Snapshot | None:
    return None if snapshot is None else Snapshot.from_dict(_clocks(snapshot, int))


def _clocks(value: Mapping[str, Any], convert: type[str] | type[int]) -> dict[str, Any]:
    return {name: convert(item) if name in CLOCK_FIELDS else item for name, item in value.items()}


def _pick(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _refuse_twice(names: Iterable[str], what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise broken("schemas.counts", f"{COUNTS}: {what} {name!r} comes twice")
        seen.add(name)
