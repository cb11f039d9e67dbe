"""Job folders: written, run, or taken as they are when their job has finished before.

A job's key is the digest of all that decides what it measures: its phases, launch line, inputs and
programs. A folder with that key and `finished.json` is a finished job and never runs again.

    jobs/<number>-<name>-<key>/  in/ job.json prompts-*.jsonl   out/ …   machine.json
                                 finished.json or failed.json, the last
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.engines import Launch, LaunchRequest, engine, request_of
from specseal.errors import RunFailed
from specseal.plan import BASELINE, Job, Phase
from specseal.prepare import SILENCE_TIMEOUT_S, PreparedVariant
from specseal.programs import Programs
from specseal.records import JobStatus, RecordsDamaged, read_status, write_json_atomically
from specseal.runtimes import Inspection, JobRun, Progress, describe_machine
from specseal.spec.locked import Lock

FINISHED = "finished.json"
FAILED = "failed.json"
REFUSED = "refused.json"
MACHINE = "machine.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFolder:
    """One job of a plan, and the folder that is its alone."""

    job: Job
    lock: Lock
    """Of the variant whose flags it is launched with."""
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

    def turns(self, phase: Phase) -> dict[str, int]:
        """Return how many turns each conversation of a phase has, as its prompts have them."""
        path = self.path / "in" / _prompts_name(phase.prompts)
        rows = map(json.loads, path.read_bytes().splitlines())
        return {
            row["id"]: len(row["turns"]) if "turns" in row else 1 + len(row["between"])
            for row in rows
        }

    def refuse(self, why: str, mend: str = "run again: it is measured anew") -> RunFailed:
        """Make the job an unfinished one, and return the error that says why."""
        (self.path / FINISHED).rename(self.path / REFUSED)
        return RunFailed(f"{self.job.name}: {why}", mend=mend)

    def fail(self, reason: str, *, session: str) -> None:
        """Keep why the job failed as its result."""
        (self.path / FINISHED).unlink(missing_ok=True)
        write_json_atomically(
            self.path / FAILED, {"session": session, "key": self.key, "reason": reason}
        )

    def meta(self) -> dict[str, Any]:
        """Return what was noted when the job ended: `session`, `key`, and of a failed `reason`.

        Raises:
            RunFailed: it has not ended.
        """
        for name in (FINISHED, FAILED):
            if (path := self.path / name).is_file():
                meta: dict[str, Any] = json.loads(path.read_bytes())
                return meta
        raise RunFailed(f"{self.path}: this job has not finished")


def job_folder(job: Job, number: int, lock: Lock, programs: Programs, parent: Path) -> JobFolder:
    """Return where a job of a plan lies, and how it is launched.

    Args:
        job: the job.
        number: its place in the plan, from 1.
        lock: of the job's variant.
        programs: what runs it.
        parent: the folder of all jobs of the run.
    """
    request = request_of(job, lock)
    launch = engine(lock.engine["name"]).launch(request)
    plan = {key: value for key, value in job.to_dict().items() if key not in ("name", "variant")}
    key = sha256_value(
        json.loads(
            json.dumps(
                {
                    "job": plan,
                    "launch": asdict(launch),
                    "engine": lock.engine,
                    "hardware": lock.hardware,
                    "client": lock.client,
                    "model": lock.model,
                    "drafter": {} if job.method == BASELINE else lock.drafter,
                    "runtime": programs.runtime.name,
                    "programs": {role: facts["inputs"] for role, facts in programs.facts.items()},
                }
            )
        )
    )
    path = parent / f"{number:02d}-{job.name}-{key[:8]}"
    return JobFolder(job=job, lock=lock, request=request, launch=launch, key=key, path=path)


def adopt(folder: JobFolder, runs: Iterable[Path]) -> bool:
    """Take a finished job of the same key over from an earlier run; return whether there was one.

    Not in place of one that was refused or that failed: an earlier run may have the same bytes.

    Args:
        folder: where the job is to lie.
        runs: folders of earlier runs, those to be preferred first.
    """
    if any((folder.path / name).exists() for name in (REFUSED, FAILED)):
        return False
    for run in runs:
        for marker in sorted(run.glob(f"jobs/*-{folder.key[:8]}/{FINISHED}")):
            if not _is_the_same(folder, marker):
                continue
            partial = folder.path.with_name(f".{folder.path.name}.partial")
            for leftover in (partial, folder.path):
                shutil.rmtree(leftover, ignore_errors=True)
            shutil.copytree(marker.parent, partial, copy_function=_link_or_copy)
            partial.rename(folder.path)
            return True
    return False


def _is_the_same(folder: JobFolder, marker: Path) -> bool:
    """Say whether a finished job is this one, on a machine like this; a damaged one is none."""
    try:
        same_key: bool = json.loads(marker.read_bytes())["key"] == folder.key
        return same_key and _is_of_this_machine(marker.with_name(MACHINE))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _link_or_copy(source: str, target: str) -> None:
    """Share a file's bytes: finished jobs are never written to again. Not every disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _is_of_this_machine(path: Path) -> bool:
    """Say whether a job ran on a machine like this one: its folder may be shared, or have moved."""
    return _identity(json.loads(path.read_bytes())) == _identity(describe_machine())


def _identity(machine: dict[str, Any]) -> list[Any]:
    accelerators = [one["name"] for one in machine["accelerators"]]
    return [machine["cpu"], machine["cpus"], accelerators]


def run_job(
    folder: JobFolder,
    variant: PreparedVariant,
    prompts: Mapping[Digest, Path],
    programs: Programs,
    *,
    inspection: Inspection,
    session: str,
    watch: Callable[[Progress], None],
) -> JobStatus:
    """Run a job from the start, in place of whatever an unfinished one left.

    Args:
        folder: the job's.
        variant: whose model it runs on.
        prompts: the files that its phases name.
        programs: what runs it.
        inspection: of this machine for this job, just now: its devices are the job's to hold.
        session: of this run of specseal.
        watch: is told how far the job is.

    Raises:
        JobFailed: the engine or the client died or failed.
        RunFailed: something broke that is not this job's own.
    """
    shutil.rmtree(folder.path, ignore_errors=True)
    for name in ("in", "out"):
        (folder.path / name).mkdir(parents=True)
    _write_inputs(folder, prompts)
    write_json_atomically(
        folder.path / MACHINE, {**describe_machine(), "inspection": inspection.to_dict()}
    )
    status = programs.runtime.run(
        JobRun(
            launch=folder.launch,
            model=variant.model,
            model_file=folder.lock.model["load"],
            streams=max(map(_streams, folder.job.phases)),
            drafter=variant.drafter if folder.request.has_drafter_model else None,
            drafter_file=folder.lock.drafter["load"],
            folder=folder.path,
            name=folder.job.name,
            devices=inspection.addresses,
        ),
        watch,
    )
    # Last, when logs and telemetry are there too.
    write_json_atomically(folder.path / FINISHED, {"session": session, "key": folder.key})
    return status


_OPEN_LATENCY_NS = 30 * 10**9
"""For how long a conversation of an open load is taken to last, as the client reckons."""


def _streams(phase: Phase) -> int:
    """Return how many conversations a phase has in flight at once, at most."""
    if phase.load.mode == "open":
        return max(1, sum(offset < _OPEN_LATENCY_NS for offset in phase.offsets_ns))
    return phase.load.concurrency or 1


def _write_inputs(folder: JobFolder, prompts: Mapping[Digest, Path]) -> None:
    lock, launch, inputs = folder.lock, folder.launch, folder.path / "in"
    for digest in {phase.prompts for phase in folder.job.phases}:
        shutil.copyfile(prompts[digest], inputs / _prompts_name(digest))
    write_json_atomically(
        inputs / "job.json",
        {
            "schema": "specseal/job/1",
            "task": "measure",
            "server": {"health_path": launch.health_path, "deadline_s": launch.deadline_s},
            "dialect": launch.dialect,
            "model": launch.model,
            "counts": launch.counts,
            "readback": launch.readback,
            "readback_after": launch.readback_after,
            "stop_ids": lock.model["stop_ids"],
            "silence_timeout_s": SILENCE_TIMEOUT_S,
            "phases": [
                {
                    "name": phase.name,
                    "measured": phase.measured,
                    "load": asdict(phase.load),
                    "prompts": _prompts_name(phase.prompts),
                    "sampling": phase.sampling,
                    "conversations": list(phase.conversations),
                    "offsets_ns": list(phase.offsets_ns),
                }
                for phase in folder.job.phases
            ],
        },
    )


def _prompts_name(digest: Digest) -> str:
    return f"prompts-{digest[:12]}.jsonl"
