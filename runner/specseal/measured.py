"""What jobs left, read back: the engine's proof, the data for the analysis, the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from specseal.analysis import JobData, PhaseData
from specseal.engines import Launch, engine
from specseal.engines.counters import ONE_CHUNK_A_STEP, page_read
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
    read_status,
)
from specseal.sent import is_whole, missing_phase

_OF_THE_SERVER = ("accelerator", "package_energy_j")
"""Fields of telemetry that are about the machine that the engine runs on."""


def prove(folder: JobFolder) -> None:
    """Hold what the engine of a finished job said of itself against what it was asked.

    Raises:
        EngineFailed: it did something else.
        RunFailed: the job's files are damaged.
    """
    if against := _against(folder, _read_out(folder)):
        raise EngineFailed(
            f"{folder.job.name}: the engine did not do as asked: {'; '.join(against)}",
            mend="this engine version does not honour the spec's flags: name another",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Out:
    """What a job left under `out/`."""

    status: JobStatus
    records: tuple[Record, ...]
    snapshots: tuple[Snapshot, ...]
    log: str
    """The engine's; empty where it was started by others."""


def _against(folder: JobFolder, out: _Out) -> tuple[str, ...]:
    adapter = engine(folder.lock.engine["name"])
    return adapter.proof(folder.request, out.status, out.snapshots, out.log)


def _read_out(folder: JobFolder) -> _Out:
    status = folder.status()
    if status is None:
        raise RunFailed(f"{folder.path}: this job has not finished")
    try:
        return _files(folder, status)
    except (RecordsDamaged, OSError) as error:
        raise folder.refuse(str(error)) from error


def _files(folder: JobFolder, status: JobStatus) -> _Out:
    """Read what stands beside a status. Raises: RecordsDamaged, OSError."""
    out = folder.path / "out"
    counts, log = out / "counts.jsonl", out / "engine.log"
    return _Out(
        status=status,
        records=read_records(out / "records.jsonl"),
        # Not there where nothing tells counts, or where others started the engine.
        snapshots=read_snapshots(counts) if counts.exists() else (),
        log=log.read_text(encoding="utf-8", errors="replace") if log.exists() else "",
    )


def _read_left(folder: JobFolder) -> _Out | None:
    """Return what a failed job had measured when it broke, or None where that is nothing.

    Its status then has the phases until there. Where it says that all was done, specseal found
    out that the engine did something else than asked: nothing of that is kept.
    """
    path = folder.path / "out"
    try:
        status = read_status(path / "status.json")
        if status is None or status.outcome == "done" or not (path / "records.jsonl").exists():
            return None
        out = _files(folder, status)
    except (RecordsDamaged, OSError):
        return None  # the job's reason stands, and it is measured again by the next run
    return None if _against(folder, out) else out


def has_measured(folder: JobFolder) -> bool:
    """Say whether a job that has ended left anything to analyse. Raises: RunFailed, as `meta`."""
    return folder.status() is not None or bool(read_job(folder).phases)


def read_job(folder: JobFolder) -> JobData:
    """Return what a job measured, and why it failed. Raises: RunFailed where files are damaged."""
    meta = folder.meta()
    failure = meta.get("reason", "")
    out = _read_left(folder) if failure else _read_out(folder)
    phases = _phases(folder, out) if out else ()
    planned = [phase for phase in folder.job.phases if phase.measured]
    is_here = _is_here(folder.launch.url)
    return JobData(
        key=folder.key,
        speculation=folder.job.method,
        draft_length=folder.job.draft_length,
        repeat=folder.job.repeat,
        session=meta["session"],
        cut_at_limit=folder.launch.cut_at_limit,
        one_chunk_a_step=_one_chunk_a_step(folder.launch, out.status.engine if out else {}),
        every_step_drafts=folder.launch.every_step_drafts,
        drafted_a_step=folder.launch.drafted_a_step,
        drafter_remembers=folder.launch.drafter_remembers,
        prefix_cache=folder.lock.prefix_cache,
        devices=folder.lock.hardware["count"],
        accelerator=folder.lock.hardware["accelerator"],
        accelerators_found=_accelerators(folder) if is_here else None,
        engine_version=folder.lock.engine["version"],
        **_seen(folder, out),
        telemetry=tuple(_read_telemetry(folder, is_here=is_here)) if phases else (),
        failure=failure,
        phases=phases,
        missing=tuple(map(missing_phase, planned[len(phases) :] if failure else ())),
    )


def _accelerators(folder: JobFolder) -> tuple[str, ...]:
    """Return the names of what a job held; of a running server, of all that its machine has."""
    machine = _machine(folder)
    inspection = machine.get("inspection")  # none in jobs of earlier versions
    held = machine["accelerators"] if folder.launch.url or not inspection else inspection["devices"]
    return tuple(one["name"] for one in held)


def _seen(folder: JobFolder, out: _Out | None) -> dict[str, Any]:
    """Return what was seen of an engine, its log among the sources, by fields of `JobData`."""
    adapter = engine(folder.lock.engine["name"])
    said, log = (out.status.engine, out.log) if out else ({}, "")
    snapshots = out.snapshots if out else ()
    return {
        "engine_version_found": adapter.version_found(said, log),
        "method_found": adapter.method_found(said, log),
        "draft_length_found": adapter.draft_length_found(folder.request, said, snapshots),
    }


def _phases(folder: JobFolder, out: _Out) -> tuple[PhaseData, ...]:
    """Return the measured phases; of a job that failed, those before the one that broke."""
    planned = {phase.name: phase for phase in folder.job.phases}
    phases = (_phase(one, planned[one.phase], out) for one in out.status.phases if one.measured)
    if out.status.outcome == "done":
        return tuple(phases)
    return tuple(takewhile(lambda phase: _is_whole(folder, phase), phases))


def _phase(status: PhaseStatus, plan: Phase, out: _Out) -> PhaseData:
    moments = {one.moment: one for one in out.snapshots if one.phase == status.phase}
    return PhaseData(
        load=plan.load,
        input=plan.input,
        setting=plan.setting,
        max_tokens=plan.sampling["max_tokens"],
        temperature=float(plan.sampling["temperature"]),
        ignore_eos=plan.sampling["ignore_eos"],
        history_not_rewritten=plan.history_not_rewritten,
        bos_doubled=plan.bos_doubled,
        status=status,
        records=tuple(record for record in out.records if record.phase == status.phase),
        before=moments.get("before"),
        after=moments.get("after"),
    )


def _is_whole(folder: JobFolder, phase: PhaseData) -> bool:
    """Say whether a phase of a job that broke was measured to its end.

    In the one that broke, each conversation that was still to be sent may have ended in an error:
    counters that were read before it and not after it, or no answer at all, give it away.
    """
    broke = phase.before is not None and phase.after is None
    if broke or all(record.error is not None for record in phase.records):
        return False
    (plan,) = (one for one in folder.job.phases if one.name == phase.status.phase)
    return is_whole(phase.records, phase.status.client_processes, plan, folder.turns(plan))


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


def _one_chunk_a_step(launch: Launch, said: Mapping[str, Any]) -> bool:
    """Say whether a chunk is a step: as the adapter says, or of a running server, its metrics."""
    if launch.url is None:
        return launch.one_chunk_a_step
    return page_read(launch.counts, said) in ONE_CHUNK_A_STEP


def _is_here(url: str | None) -> bool:
    """Say whether a server runs on this machine: it was started here, or is on the loopback."""
    host = urlsplit(url).hostname if url else "localhost"
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def job_environment(folder: JobFolder, data: JobData) -> dict[str, Any]:
    """Return what was found when a job ran: machine, programs' settings, the engine's words.

    Args:
        folder: the job's.
        data: what `read_job` returned of it; what it has of the engine is told here too.
    """
    status = read_status(folder.path / "out" / "status.json") if data.phases else None
    found = folder.path / "out" / "environment.json"
    return {
        "key": folder.key,
        "name": folder.job.name,
        "session": data.session,
        "engine": status.engine if status else {},
        "engine_version_found": data.engine_version_found,
        "method_found": data.method_found,
        "draft_length_found": data.draft_length_found,
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
