"""A small good bundle, and the means to spoil one: change it, then sign it again or not."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

import locks
from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle import (
    Contents,
    Report,
    SealInputs,
    Signer,
    TrustStore,
    open_bundle,
    seal,
    verify,
)
from specseal.bundle.manifest import ATTESTATIONS, MANIFEST
from specseal.bundle.seal import attest, describe, describe_crate
from specseal.errors import SpecsealError
from specseal.image_inputs import inputs_digest
from specseal.plan import Job, Phase, make_plan
from specseal.records import PhaseStatus, Record, Snapshot
from specseal.sent import missing_phase
from specseal.spec import parse_spec
from specseal.spec.locked import Lock, parse_lock

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
DESCRIBED = ("key", "session", "engine_version_found", "method_found", "draft_length_found")
"""What `environment.json` must have of a job."""


def make_signer() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


def trusting(*signers: Signer) -> TrustStore:
    return TrustStore(trusted=frozenset(signer.public.digest for signer in signers))


def make_lock() -> Lock:
    spec = parse_spec(SPEC, path="spec.yaml")
    return locks.make_lock(spec={"name": spec.name, "sha256": spec.digest})


def make_run(lock: Lock) -> RunData:
    """A run in which speculation needs 3 steps for 5 tokens (4 decoded, 1 accepted a request)."""
    return RunData(jobs=tuple(make_job(job) for job in make_plan(lock).jobs), seed=0)


def make_job(job: Job) -> JobData:
    return JobData(
        key=f"key-{job.name}",
        speculation=job.method,
        draft_length=job.draft_length,
        repeat=job.repeat,
        session="session",
        cut_at_limit=False,
        one_chunk_a_step=False,
        prefix_cache=False,
        devices=1,
        accelerator="cpu",
        accelerators_found=(),
        engine_version="2026.10.11549",
        engine_version_found="2026.10.11549",
        method_found=job.method,
        draft_length_found=None,
        telemetry=_telemetry(),
        failure="",
        phases=tuple(_phase(job, phase) for phase in job.phases if phase.measured),
        missing=(),
    )


def make_failed_job(job: Job, reason: str, *, measured: int = 0) -> JobData:
    """A job that failed when it had measured so many of its phases."""
    planned = [phase for phase in job.phases if phase.measured]
    whole = make_job(job)
    return replace(
        whole,
        failure=reason,
        phases=whole.phases[:measured],
        missing=tuple(map(missing_phase, planned[measured:])),
        telemetry=whole.telemetry if measured else (),
    )


def _telemetry() -> tuple[dict[str, Any], ...]:
    """A sample a second of a package that draws 20 W, and of a machine that is busy with the job.

    The first has no CPU times: nothing had been started yet.
    """
    samples = [
        {
            "time_ns": second * 1_000_000_000,
            "cpu_percent": 50.0,
            "engine_cpu_s": 0.9 * second,
            "client_cpu_s": 0.1 * second,
            "package_energy_j": 20.0 * second,
        }
        for second in range(8)
    ]
    first = {name: samples[0][name] for name in ("time_ns", "cpu_percent", "package_energy_j")}
    return (first, *samples[1:])


def _phase(job: Job, phase: Phase) -> PhaseData:
    accepted = 1 if job.draft_length else 0
    records = tuple(
        _record(phase, order, name, accepted) for order, name in enumerate(phase.conversations)
    )
    total = accepted * len(records)
    data = PhaseData(
        load=phase.load,
        input=phase.input,
        setting=phase.setting,
        max_tokens=phase.sampling["max_tokens"],
        temperature=float(phase.sampling["temperature"]),
        ignore_eos=phase.sampling["ignore_eos"],
        history_not_rewritten=phase.history_not_rewritten,
        bos_doubled=phase.bos_doubled,
        status=PhaseStatus(
            phase=phase.name,
            measured=True,
            start_ns=0,
            end_ns=0,
            requests=0,
            failed=0,
            loop_lag_p99_ns=1000,
            loop_lag_max_ns=2000,
            send_lag_p99_ns=0,
            send_lag_max_ns=0,
            client_cpu_share=0.25,
            client_cpu_total=0.25,
            client_cpus=2,
            client_memory_bytes=50_000_000,
            client_processes=1,
        ),
        records=records,
        before=_snapshot(phase.name, "before", 0, drafts=0),
        after=_snapshot(phase.name, "after", total, drafts=2 * total),
    )
    return as_recorded(data)


def as_recorded(phase: PhaseData) -> PhaseData:
    """The phase, with all that is told of it as its records give it."""
    records, status = phase.records, phase.status
    if not records:
        return phase
    late = sorted(
        one.submit_ns - one.connect_ns - one.due_ns for one in records if one.due_ns is not None
    )
    status = replace(
        status,
        start_ns=min(one.submit_ns for one in records),
        end_ns=max(one.end_ns for one in records),
        requests=len(records),
        failed=sum(one.error is not None for one in records),
        send_lag_p99_ns=late[math.ceil(0.99 * len(late)) - 1] if late else 0,
        send_lag_max_ns=max(late, default=0),
    )
    return replace(phase, status=status)


def sent_at(record: Record, submit_ns: int) -> Record:
    """The record, sent at that instant and due then, with all that came of it as much later."""
    by_ns = submit_ns - record.submit_ns
    return replace(
        record,
        due_ns=submit_ns - record.connect_ns,
        submit_ns=submit_ns,
        chunk_ns=tuple(instant + by_ns for instant in record.chunk_ns),
        end_ns=record.end_ns + by_ns,
    )


def _record(phase: Phase, order: int, conversation: str, accepted: int) -> Record:
    offsets = phase.offsets_ns
    submit = offsets[order] if order < len(offsets) else order * 1_000_000_000
    pace = 10_000_000 if accepted else 15_000_000
    chunks = tuple(submit + 50_000_000 + pace * index for index in range(TOKENS))
    return Record(
        phase=phase.name,
        conversation=conversation,
        category=conversation.split("-")[0],
        turn=0,
        cycle=0,
        due_ns=submit,
        connect_ns=0,
        submit_ns=submit,
        chunk_ns=chunks,
        chunk_tokens=(1,) * TOKENS,
        end_ns=chunks[-1] + 1_000_000 * (1 + order),
        input_tokens=7,
        engine_input_tokens=7,
        input_sha256="3" * 64,
        output_tokens=TOKENS,
        output_ids=tuple(range(100, 100 + TOKENS)),
        finish="stop",
        error=None,
        draft_tokens=4 * accepted,
        accepted_tokens=accepted,
        verify_steps=TOKENS - 1 - accepted if accepted else None,
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
        cached_tokens=None,
    )


def make_inputs(folder: Path) -> SealInputs:
    """All that the good bundle is made of; `folder` gets its one log."""
    lock = make_lock()
    return inputs_of(SPEC, lock, make_run(lock), folder)


CLIENT_IMAGE: dict[str, Any] = {
    "inputs": "1" * 64,
    "packages": [{"type": "pypi", "name": "wheel", "version": "1.0"}],
    "wheels": {"wheel-1.0-py3-none-any.whl": "3" * 64},
}
ENGINE_IMAGE: dict[str, Any] = {
    **CLIENT_IMAGE,
    "debian": {"libc6_2.36-9": "4" * 64},
}


def images_of(lock: Lock) -> dict[str, Any]:
    """What engine and client of a lock were made of."""
    engine, client = lock.engine["image"], lock.client["image"]
    made = inputs_digest(client, CLIENT_IMAGE["wheels"], lock.client["source"])
    images: dict[str, Any] = {"client": {**CLIENT_IMAGE, "inputs": made}}
    if engine is not None:
        made = inputs_digest(engine, ENGINE_IMAGE["wheels"], {})
        images["engine"] = {**ENGINE_IMAGE, "inputs": made}
    return images


def packages_of(images: dict[str, Any]) -> dict[str, Any]:
    """What is told to be installed for a run whose programs are these."""
    return {
        role: deepcopy(facts.get("wheels", {}))
        for role, facts in images.items()
        if role != "variants"
    }


def inputs_of(spec: bytes, lock: Lock, run: RunData, folder: Path) -> SealInputs:
    """All that the bundle of a run is made of; `folder` gets its one log."""
    log = folder / "engine.log"
    log.write_text(f"model at {folder}/model.gguf\nready\n", encoding="utf-8")
    images = images_of(lock)
    return SealInputs(
        spec_bytes=spec,
        lock=lock,
        environment={
            "schema": "specseal/environment/1",
            "lock_sha256": lock.digest,
            "recipe": lock.recipe,
            "runtime": "native",
            "isolation": "none",
            "pinned": "yes" if lock.engine["image"] else "no",
            "hardware": "as_locked",
            "specseal_version": "0.1.0",
            "images": images,
            "packages": packages_of(images),
            "machine": {"cpu": "a processor", "cache": f"{folder}/cache"},
            "jobs": [{name: getattr(job, name) for name in DESCRIBED} for job in run.jobs],
        },
        run=run,
        logs={"r1-ngram.engine.log": log},
        started="2026-11-23T11:00:00Z",
        finished="2026-11-23T11:30:00Z",
        redact={str(folder): "<run>"},
    )


class GoodBundle:
    """A good bundle, its key, and copies of it to spoil."""

    now = NOW
    """When it is verified."""

    def __init__(self, folder: Path) -> None:
        self.signer = make_signer()
        self.inputs = make_inputs(folder)
        self.path = seal(self.inputs, folder / "good", signer=self.signer, now=NOW)

    @cached_property
    def contents(self) -> Contents:
        return open_bundle(self.path)

    def copy(self, target: Path) -> Path:
        return Path(shutil.copytree(self.path, target))

    def verify(self, folder: Path, **changes: Any) -> Report:
        asked = {"trusted": trusting(self.signer), "now": self.now, **changes}
        return verify(folder, **asked)

    def sign_again(
        self, folder: Path, *, signer: Signer | None = None, inputs: SealInputs | None = None
    ) -> None:
        """Describe and sign whatever lies in `folder` now, as if it had been sealed so."""
        shutil.rmtree(folder / ATTESTATIONS)
        (folder / MANIFEST).unlink()
        with contextlib.suppress(
            SpecsealError, LookupError, RecursionError, TypeError, ValueError, OSError
        ):
            # What can't be read can't be described either, and is found before the texts are.
            lock = parse_lock((folder / "lock.json").read_bytes(), path="lock.json")
            describe(folder, lock=lock, signer=signer or self.signer, now=NOW)
        self.sign_as_is(folder, signer=signer, inputs=inputs)

    def sign_again_but_for(self, folder: Path, kept: str) -> None:
        """Describe and sign what lies in `folder`, with one of the texts as it is."""
        data = (folder / kept).read_bytes()
        self.sign_again(folder)
        (folder / kept).write_bytes(data)
        lock = parse_lock((folder / "lock.json").read_bytes(), path="lock.json")
        shutil.rmtree(folder / ATTESTATIONS)
        (folder / MANIFEST).unlink()
        describe_crate(folder, lock=lock, signer=self.signer, now=NOW)
        self.sign_as_is(folder)

    def sign_as_is(
        self, folder: Path, *, signer: Signer | None = None, inputs: SealInputs | None = None
    ) -> None:
        """Sign whatever lies in `folder`, texts that describe something else among it."""
        shutil.rmtree(folder / ATTESTATIONS, ignore_errors=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        attest(folder, inputs or self.inputs, signer=signer or self.signer, now=NOW)


def codes(report: Report) -> set[str]:
    """The codes of all findings that another finding did not cause."""
    return {
        check.code
        for check in report.checks
        if not check.holds and not check.code.endswith(".not_run")
    }


def alter_records(run: RunData, change: Callable[[Record], Record]) -> RunData:
    """A run in which every record is changed, and what is told of its phases with them."""
    jobs = tuple(
        replace(
            job,
            phases=tuple(
                as_recorded(replace(phase, records=tuple(map(change, phase.records))))
                for phase in job.phases
            ),
        )
        for job in run.jobs
    )
    return replace(run, jobs=jobs)
