"""`counts.json`: all of a run that is not a row of a table: jobs, phases, counter snapshots.

With `records.parquet` and `telemetry.parquet` it is the whole `RunData`. Clock readings are decimal
strings: a monotonic clock passes 2⁵³ ns, the largest integer that every JSON reader keeps, after
104 days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from specseal.analysis import JobData, MissingPhase, Objectives, PhaseData, RunData
from specseal.bundle.findings import broken
from specseal.bundle.strict import parse_file
from specseal.digests import canonical
from specseal.records import Load, PhaseStatus, Snapshot

COUNTS = "counts.json"
SCHEMA = "specseal/counts/2"
CLOCK_FIELDS = ("time_ns", "start_ns", "end_ns")
_SHARES = ("client_cpu_share", "client_cpu_total")
_T = TypeVar("_T")


def _names(kind: type, *, but: Iterable[str]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in but)


_RUN_FIELDS = _names(RunData, but=("jobs", "objectives"))
_JOB_FIELDS = _names(JobData, but=("accelerators_found", "telemetry", "phases", "missing"))
_PHASE_FIELDS = _names(PhaseData, but=("load", "status", "records", "before", "after"))


def encode_counts(run: RunData) -> bytes:
    """Return the file's bytes.

    Raises:
        InputError: a value that JSON has no form for (NaN).
    """
    value = {
        "schema": SCHEMA,
        "run": {**_pick(run, _RUN_FIELDS), "objectives": asdict(run.objectives)},
        "jobs": [_encode_job(job) for job in run.jobs],
    }
    return canonical(value) + b"\n"


def decode_counts(data: bytes) -> RunData:
    """Read `counts.json` into a run that has no records and no telemetry yet.

    Raises:
        BundleBroken: not of the schema, or a job's key or a phase's name comes twice.
    """
    value = parse_file(data, path=COUNTS, code="schemas.counts", schema="counts")
    _refuse_twice((job["key"] for job in value["jobs"]), "job")
    for job in value["jobs"]:
        _refuse_twice((phase["status"]["phase"] for phase in job["phases"]), "phase of one job")
    run = {**value["run"], "objectives": Objectives(**value["run"]["objectives"])}
    return RunData(jobs=tuple(_decode_job(job) for job in value["jobs"]), **run)


def _encode_job(job: JobData) -> dict[str, Any]:
    found = job.accelerators_found
    return {
        **_pick(job, _JOB_FIELDS),
        "accelerators_found": None if found is None else list(found),
        "phases": [_encode_phase(phase) for phase in job.phases],
        "missing": [asdict(phase) for phase in job.missing],
    }


def _decode_job(job: Mapping[str, Any]) -> JobData:
    found = job["accelerators_found"]
    parts = {
        "accelerators_found": None if found is None else tuple(found),
        "telemetry": (),
        "phases": tuple(_decode_phase(phase) for phase in job["phases"]),
        "missing": tuple(
            MissingPhase(**{**phase, "load": _decode_load(phase["load"])})
            for phase in job["missing"]
        ),
    }
    return JobData(**{**job, **parts})


def _encode_phase(phase: PhaseData) -> dict[str, Any]:
    return {
        **_pick(phase, _PHASE_FIELDS),
        "load": phase.load.to_dict(),
        "status": _clocks(phase.status.to_dict(), str),
        "before": _encode_snapshot(phase.before),
        "after": _encode_snapshot(phase.after),
    }


def _decode_phase(phase: Mapping[str, Any]) -> PhaseData:
    parts = {
        "load": _decode_load(phase["load"]),
        "status": _with_floats(PhaseStatus, _clocks(phase["status"], int), _SHARES),
        "records": (),
        "before": _decode_snapshot(phase["before"]),
        "after": _decode_snapshot(phase["after"]),
    }
    return _with_floats(PhaseData, {**phase, **parts}, ("temperature",))


def _decode_load(load: Mapping[str, Any]) -> Load:
    return _with_floats(Load, load, ("rate", "duration_s"))


def _encode_snapshot(snapshot: Snapshot | None) -> dict[str, Any] | None:
    return None if snapshot is None else _clocks(snapshot.to_dict(), str)


def _decode_snapshot(snapshot: Mapping[str, Any] | None) -> Snapshot | None:
    return None if snapshot is None else Snapshot.from_dict(_clocks(snapshot, int))


def _clocks(value: Mapping[str, Any], convert: type[str] | type[int]) -> dict[str, Any]:
    return {name: convert(item) if name in CLOCK_FIELDS else item for name, item in value.items()}


def _with_floats(kind: type[_T], value: Mapping[str, Any], names: Iterable[str]) -> _T:
    """Build a value whose named fields are floats, of which canonical JSON writes 1.0 as 1."""
    floats = {name: float(value[name]) for name in names if value[name] is not None}
    return kind(**{**value, **floats})


def _pick(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _refuse_twice(names: Iterable[str], what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise broken("schemas.counts", f"{COUNTS}: {what} {name!r} comes twice")
        seen.add(name)
