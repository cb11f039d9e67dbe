"""Job folders: written, run, or taken as they are when their job has finished before.

A job's key is the digest of all that decides what it measures: its plan, launch line, inputs and
programs. A folder with that key and `finished.json` is a finished job and never runs again.

    jobs/<number>-<name>-<key>/  in/ job.json prompts.jsonl   out/ …   finished.json, the last
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specseal.analysis import JobData, PhaseData
from specseal.digests import Digest, sha256_value
from specseal.engines import Launch, LaunchRequest, engine
from specseal.errors import RunFailed
from specseal.plan import Job
from specseal.prepare import HEALTH_DEADLINE_S, SILENCE_TIMEOUT_S, Prepared
from specseal.programs import Programs
from specseal.records import (
    JobStatus,
    Record,
    RecordsDamaged,
    Snapshot,
    read_records,
    read_snapshots,
    read_status,
    write_json_atomically,
)
from specseal.runtimes import JobRun, Progress
from specseal.spec.locked import Lock

FINISHED = "finished.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFolder:
    """One job of a plan, and the folder that is its alone."""

    job: Job
    request: LaunchRequest
    launch: Launch
    key: Digest
    path: Path

    def status(self) -> JobStatus | None:
        """Return the status of a finished job, else None.

        Finished is what specseal itself has seen to its end: a client that outlived a killed
        specseal may leave a status, but no telemetry and no logs.

        Raises:
            RunFailed: it is damaged; the job is then no longer a finished one.
        """
        if not (self.path / FINISHED).is_file():
            return None
        try:
            return read_status(self.path / "out" / "status.json")
        except RecordsDamaged as error:
            raise self.refuse(str(error)) from error

    def refuse(self, why: str, mend: str = "run again: it is measured anew") -> RunFailed:
        """Make the job an unfinished one, and return the error that says why."""
        (self.path / FINISHED).rename(self.path / "refused.json")
        return RunFailed(f"{self.job.name}: {why}", mend=mend)


def job_folder(job: Job, number: int, lock: Lock, programs: Programs, parent: Path) -> JobFolder:
    """Return where a job of a plan lies, and how it is launched."""
    request = LaunchRequest(
        method=job.method,
        draft_length=job.draft_length,
        drafter_args=lock.drafter["args"],
        max_concurrency=job.max_concurrency,
        context_length=lock.engine["context_length"],
    )
    launch = engine(lock.engine["name"]).launch(request)
    key = sha256_value(
        {
            "job": json.loads(json.dumps(job.to_dict())),
            "launch": list(launch.args),
            "recipe": lock.recipe,
            "runtime": programs.runtime.name,
            "programs": {role: facts["inputs"] for role, facts in programs.facts.items()},
        }
    )
    path = parent / f"{number:02d}-{job.name}-{key[:8]}"
    return JobFolder(job=job, request=request, launch=launch, key=key, path=path)


def run_job(
    folder: JobFolder,
    prepared: Prepared,
    programs: Programs,
    *,
    session: str,
    watch: Callable[[Progress], None],
) -> JobStatus:
    """Run a job from the start, in place of whatever an unfinished one left.

    Raises:
        RunFailed: the job failed.
    """
    shutil.rmtree(folder.path, ignore_errors=True)
    for name in ("in", "out"):
        (folder.path / name).mkdir(parents=True)
    _write_inputs(folder, prepared)
    status = programs.runtime.run(
        JobRun(
            launch=folder.launch,
            model=prepared.model,
            model_file=prepared.lock.model["load"],
            folder=folder.path,
            name=folder.job.name,
        ),
        watch,
    )
    # Last, when logs and telemetry are there too.
    write_json_atomically(folder.path / FINISHED, {"session": session, "key": folder.key})
    return status


def _write_inputs(folder: JobFolder, prepared: Prepared) -> None:
    lock, launch = prepared.lock, folder.launch
    shutil.copyfile(prepared.prompts, folder.path / "in" / "prompts.jsonl")
    write_json_atomically(
        folder.path / "in" / "job.json",
        {
            "schema": "specseal/job/1",
            "task": "measure",
            "server": {"health_path": launch.health_path, "deadline_s": HEALTH_DEADLINE_S},
            "dialect": launch.dialect,
            "counts": launch.counts,
            "readback": launch.readback,
            "sampling": lock.sampling,
            "stop_ids": lock.model["stop_ids"],
            "silence_timeout_s": SILENCE_TIMEOUT_S,
            "phases": [
                {
                    "name": phase.name,
                    "measured": phase.measured,
                    "concurrency": phase.concurrency,
                    "conversations": list(phase.conversations),
                }
                for phase in folder.job.phases
            ],
        },
    )


def prove(folder: JobFolder, lock: Lock) -> None:
    """Hold what the engine of a finished job said of itself against what it was asked.

    Raises:
        RunFailed: it did something else; the job is then no longer a finished one.
    """
    status, _, snapshots = _read_out(folder)
    against = engine(lock.engine["name"]).proof(folder.request, status, snapshots)
    if against:
        raise folder.refuse(
            f"the engine did not do as asked: {'; '.join(against)}",
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
        return status, read_records(out / "records.jsonl"), read_snapshots(out / "counts.jsonl")
    except (RecordsDamaged, OSError) as error:
        raise folder.refuse(str(error)) from error


def read_job(folder: JobFolder) -> JobData:
    """Return what a finished job measured. Raises: RunFailed where its files are damaged."""
    status, records, snapshots = _read_out(folder)
    moments = {(one.phase, one.moment): one for one in snapshots}
    return JobData(
        key=folder.key,
        speculation=folder.job.method,
        draft_length=folder.job.draft_length,
        repeat=folder.job.repeat,
        session=read_meta(folder)["session"],
        cut_at_limit=folder.launch.cut_at_limit,
        one_chunk_a_step=folder.launch.one_chunk_a_step,
        phases=tuple(
            PhaseData(
                concurrency=phase.concurrency,
                status=phase,
                records=tuple(record for record in records if record.phase == phase.phase),
                before=moments.get((phase.phase, "before")),
                after=moments.get((phase.phase, "after")),
            )
            for phase in status.phases
            if phase.measured
        ),
    )


def read_meta(folder: JobFolder) -> dict[str, Any]:
    """Return what was noted when a job had finished: its session and its key."""
    meta: dict[str, Any] = json.loads((folder.path / FINISHED).read_bytes())
    return meta


def read_telemetry(folder: JobFolder) -> list[dict[str, Any]]:
    """Return the samples that the runtime took during a job; none where it took none."""
    path = folder.path / "out" / "telemetry.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []


def job_environment(folder: JobFolder) -> dict[str, Any]:
    """Return what was found when a finished job ran: its programs' settings, its engine's words."""
    status = folder.status()
    return {
        "key": folder.key,
        "name": folder.job.name,
        "session": read_meta(folder)["session"],
        "engine": status.engine if status else {},
        **json.loads((folder.path / "out" / "environment.json").read_bytes()),
    }
