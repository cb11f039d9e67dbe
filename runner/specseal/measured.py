"""What jobs left, read back: the engine's proof, the data for the analysis, the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from specseal.analysis import JobData, PhaseData
from specseal.engines import engine
from specseal.errors import EngineFailed, RunFailed
from specseal.jobs import MACHINE, JobFolder
from specseal.plan import Phase
from specseal.records import (
    JobStatus,
    PhaseStatus,
    Record,
    RecordsDamaged,
    Snapshot,
    read_records,
    read_snapshots,
)

_OF_THE_SERVER = ("accelerator", "package_energy_j")
"""Fields of telemetry that are about the machine that the engine runs on."""


def prove(folder: JobFolder) -> None:
    """Hold what the engine of a finished job said of itself against what it was asked.

    Raises:
        EngineFailed: it did something else.
        RunFailed: the job's files are damaged.
    """
    status, _, snapshots = _read_out(folder)
    log = folder.path / "out" / "engine.log"
    said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    against = engine(folder.lock.engine["name"]).proof(folder.request, status, snapshots, said)
    if against:
        raise EngineFailed(
            f"{folder.job.name}: the engine did not do as asked: {'; '.join(against)}",
            mend="this engine version does not honour the spec's flags: name another",
        )


def _read_out(
    folder: JobFolder,
) -> tuple[JobStatus, tuple[Record, ...], tuple[Snapshot, ...]]:
    out = folder.path / "out"
    status = folder.status()
    if status is None:
        raise RunFailed(f"{folder.path}: this job has not finished")
    try:
        records = read_records(out / "records.jsonl")
        counts = out / "counts.jsonl"  # not there where nothing tells counts
        return status, records, read_snapshots(counts) if counts.exists() else ()
    except (RecordsDamaged, OSError) as error:
        raise folder.refuse(str(error)) from error


def read_job(folder: JobFolder) -> JobData:
    """Return what a job measured, or why it failed. Raises: RunFailed where files are damaged."""
    meta = folder.meta()
    failure = meta.get("reason", "")
    phases, said = ((), {}) if failure else _phases(folder)
    adapter = engine(folder.lock.engine["name"])
    is_here = _is_here(folder.launch.url)
    return JobData(
        key=folder.key,
        speculation=folder.job.method,
        draft_length=folder.job.draft_length,
        repeat=folder.job.repeat,
        session=meta["session"],
        cut_at_limit=folder.launch.cut_at_limit,
        one_chunk_a_step=folder.launch.one_chunk_a_step,
        prefix_cache=folder.lock.engine["prefix_cache"],
        devices=folder.lock.hardware["count"],
        accelerator=folder.lock.hardware["accelerator"],
        accelerators_found=_accelerators(folder) if is_here else None,
        engine_version=folder.lock.engine["version"],
        engine_version_found=adapter.version_found(said),
        telemetry=() if failure else tuple(_read_telemetry(folder, is_here=is_here)),
        failure=failure,
        phases=phases,
    )


def _accelerators(folder: JobFolder) -> tuple[str, ...]:
    """Return the names of what a job held; of a running server, of all that its machine has."""
    machine = _machine(folder)
    inspection = machine.get("inspection")  # none in jobs of earlier versions
    held = machine["accelerators"] if folder.launch.url or not inspection else inspection["devices"]
    return tuple(one["name"] for one in held)


def _phases(folder: JobFolder) -> tuple[tuple[PhaseData, ...], dict[str, Any]]:
    status, records, snapshots = _read_out(folder)
    moments = {(one.phase, one.moment): one for one in snapshots}
    planned = {phase.name: phase for phase in folder.job.phases}

    def data(phase: PhaseStatus, plan: Phase) -> PhaseData:
        return PhaseData(
            load=plan.load,
            input=plan.input,
            setting=plan.setting,
            max_tokens=plan.sampling["max_tokens"],
            temperature=float(plan.sampling["temperature"]),
            ignore_eos=plan.sampling["ignore_eos"],
            history_not_rewritten=plan.history_not_rewritten,
            bos_doubled=plan.bos_doubled,
            status=phase,
            records=tuple(record for record in records if record.phase == phase.phase),
            before=moments.get((phase.phase, "before")),
            after=moments.get((phase.phase, "after")),
        )

    measured = [phase for phase in status.phases if phase.measured]
    return tuple(data(phase, planned[phase.phase]) for phase in measured), status.engine


def _read_telemetry(folder: JobFolder, *, is_here: bool) -> list[dict[str, Any]]:
    """Return the samples that the runtime took during a job; none where it took none.

    Of a server on another machine, what this one's accelerators and package used says nothing.
    """
    path = folder.path / "out" / "telemetry.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []
    if is_here:
        return rows
    return [
        {key: value for key, value in row.items() if not key.startswith(_OF_THE_SERVER)}
        for row in rows
    ]


def _is_here(url: str | None) -> bool:
    """Say whether a server runs on this machine: it was started here, or is on the loopback."""
    host = urlsplit(url).hostname if url else "localhost"
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def job_environment(folder: JobFolder) -> dict[str, Any]:
    """Return what was found when a job ran: machine, programs' settings, the engine's words."""
    meta = folder.meta()
    status = None if "reason" in meta else folder.status()
    found = folder.path / "out" / "environment.json"
    return {
        "key": folder.key,
        "name": folder.job.name,
        "session": meta["session"],
        "engine": status.engine if status else {},
        "machine": _machine(folder),
        **(json.loads(found.read_bytes()) if found.is_file() else {}),
    }


def hardware_taken(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Return `any` where a job of these environments might hold what its lock does not name."""
    taken = {job["machine"].get("inspection", {}).get("hardware") for job in jobs}
    return "any" if "any" in taken else "as_locked"


def _machine(folder: JobFolder) -> dict[str, Any]:
    machine: dict[str, Any] = json.loads((folder.path / MACHINE).read_bytes())
    return machine
