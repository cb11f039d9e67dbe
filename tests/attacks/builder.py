"""A small good bundle, and the means to spoil one: change it, then sign it again or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

import locks
from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle import Report, SealInputs, Signer, seal, verify
from specseal.bundle.manifest import ATTESTATIONS, MANIFEST
from specseal.bundle.seal import attest
from specseal.plan import Job, Phase, make_plan
from specseal.records import PhaseStatus, Record, Snapshot
from specseal.spec import parse_spec
from specseal.spec.locked import Lock

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SPEC = b"""\
apiVersion: specseal/v1
name: tiny
title: A tiny run
engine: {name: llamacpp, version: "2026.10.11549", context_length: 4096}
hardware: {accelerator: cpu}
model: {source: path, path: model.gguf}
drafter: {method: ngram, draft_length: 2}
baseline: autoregressive
workload:
  dataset: {source: builtin, name: speed-mini, split: qualitative}
  sampling: {temperature: 0, max_tokens: 8}
  load: {mode: closed, concurrency: [1, 2]}
  repeats: 1
  seed: 0
"""
TOKENS = 5


def make_signer() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


def make_lock() -> Lock:
    spec = parse_spec(SPEC, path="spec.yaml")
    return locks.make_lock(spec={"name": spec.name, "sha256": spec.digest})


def make_run(lock: Lock) -> RunData:
    """A run in which speculation needs 3 steps for 5 tokens (4 decoded, 1 accepted a request)."""
    jobs = tuple(_job(job) for job in make_plan(lock).jobs)
    return RunData(jobs=jobs, max_tokens=8, temperature=0.0, devices=1, seed=0)


def _job(job: Job) -> JobData:
    return JobData(
        key=f"key-{job.name}",
        speculation=job.method,
        draft_length=job.draft_length,
        repeat=job.repeat,
        session="session",
        cut_at_limit=False,
        one_chunk_a_step=False,
        phases=tuple(_phase(job, phase) for phase in job.phases if phase.measured),
    )


def _phase(job: Job, phase: Phase) -> PhaseData:
    accepted = 1 if job.draft_length else 0
    records = tuple(
        _record(phase, order, name, accepted) for order, name in enumerate(phase.conversations)
    )
    total = accepted * len(records)
    return PhaseData(
        concurrency=phase.concurrency,
        status=PhaseStatus(
            phase=phase.name,
            measured=True,
            concurrency=phase.concurrency,
            start_ns=0,
            end_ns=records[-1].end_ns,
            requests=len(records),
            failed=0,
            loop_lag_p99_ns=1000,
            loop_lag_max_ns=2000,
            client_cpu_share=0.25,
        ),
        records=records,
        before=_snapshot(phase.name, "before", 0, drafts=0),
        after=_snapshot(phase.name, "after", total, drafts=2 * total),
    )


def _record(phase: Phase, order: int, conversation: str, accepted: int) -> Record:
    submit = order * 1_000_000_000
    pace = 10_000_000 if accepted else 15_000_000
    chunks = tuple(submit + 50_000_000 + pace * index for index in range(TOKENS))
    return Record(
        phase=phase.name,
        conversation=conversation,
        category=conversation.split("-")[0],
        turn=0,
        submit_ns=submit,
        chunk_ns=chunks,
        chunk_tokens=(1,) * TOKENS,
        end_ns=chunks[-1] + 1_000_000 * (1 + order),
        input_tokens=11,
        input_sha256="3" * 64,
        output_tokens=TOKENS,
        output_ids=tuple(range(100, 100 + TOKENS)),
        finish="length",
        error=None,
        draft_tokens=4 * accepted,
        accepted_tokens=accepted,
        cached_tokens=0,
    )


def _snapshot(phase: str, moment: str, accepted: int, *, drafts: int) -> Snapshot:
    return Snapshot(
        phase=phase,
        moment=moment,
        time_ns=10**17 if moment == "after" else 0,
        settled=True,
        drafts=drafts,
        draft_tokens=2 * drafts,
        accepted_tokens=accepted,
        accepted_per_position=(accepted, 0),
        output_tokens=None,
        prompt_tokens=None,
    )


def make_inputs(folder: Path) -> SealInputs:
    """All that the good bundle is made of; `folder` gets its one log."""
    lock = make_lock()
    run = make_run(lock)
    log = folder / "engine.log"
    log.write_text(f"model at {folder}/model.gguf\nready\n", encoding="utf-8")
    return SealInputs(
        spec_bytes=SPEC,
        lock=lock,
        environment={
            "lock_sha256": lock.digest,
            "recipe": lock.recipe,
            "runtime": "native",
            "isolation": "none",
            "specseal_version": "0.1.0",
            "images": {},
            "packages": {"engine": ["wheel-1.0"]},
            "machine": {"cpu": "a processor", "cache": f"{folder}/cache"},
            "jobs": [{"key": job.key, "session": job.session} for job in run.jobs],
        },
        run=run,
        telemetry=[
            {"time_ns": 1, "job": "r1-none", "cpu_percent": 12.5},
            {"time_ns": 2, "job": "r1-ngram", "memory_bytes": 4096},
        ],
        logs={"r1-ngram.engine.log": log},
        started="2026-11-23T11:00:00Z",
        finished="2026-11-23T11:30:00Z",
        redact={str(folder): "<run>"},
    )


class GoodBundle:
    """A good bundle, its key, and copies of it to spoil."""

    def __init__(self, folder: Path) -> None:
        self.signer = make_signer()
        self.inputs = make_inputs(folder)
        self.path = seal(self.inputs, folder / "good", signer=self.signer, now=NOW)

    def copy(self, target: Path) -> Path:
        return Path(shutil.copytree(self.path, target))

    def verify(self, folder: Path, **changes: Any) -> Report:
        asked = {"trusted": {self.signer.public.digest}, "now": NOW, **changes}
        return verify(folder, **asked)

    def sign_again(
        self, folder: Path, *, signer: Signer | None = None, inputs: SealInputs | None = None
    ) -> None:
        """Sign whatever lies in `folder` now, as if it had been sealed so."""
        shutil.rmtree(folder / ATTESTATIONS)
        (folder / MANIFEST).unlink()
        attest(folder, inputs or self.inputs, signer=signer or self.signer, now=NOW)


def codes(report: Report) -> set[str]:
    """The codes of all findings that another finding did not cause."""
    return {
        check.code
        for check in report.checks
        if not check.holds and not check.code.endswith(".not_run")
    }


def alter_records(run: RunData, change: Callable[[Record], Record]) -> RunData:
    """A run in which every record is changed."""
    jobs = tuple(
        replace(
            job,
            phases=tuple(
                replace(phase, records=tuple(map(change, phase.records))) for phase in job.phases
            ),
        )
        for job in run.jobs
    )
    return replace(run, jobs=jobs)
