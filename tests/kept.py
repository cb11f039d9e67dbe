"""Makes a bundle that has all that one may have, to be kept: `python tests/kept.py FOLDER`.

A sweep in which a job died, which corrects an earlier bundle, was reproduced by another key, and
has a timestamp. FOLDER gets the archive, and the certificate and keys by which it is believed. Its
times are those of a client that sends one request after the other: what a later version asks of
records must not make a kept bundle a no.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attacks.authority import Authority
from attacks.builder import inputs_of, make_signer
from attacks.spoiling import read, signature_of
from attacks.test_sweep import SWEEP, lock_of, run_of
from specseal.analysis import JobData, PhaseData
from specseal.bundle import (
    Signer,
    add_reproduction,
    add_timestamp,
    attest_reproduction,
    open_bundle,
    seal,
)
from specseal.bundle.layout import RESULT_ATTESTATION
from specseal.bundle.times import render_time
from specseal.digests import Digest
from specseal.records import Record

MS = 1_000_000
FIRST_NS, CONNECT_NS, LATE_NS = 1_500 * MS, 100_000, 1_000
STAMPED = datetime(2026, 11, 29, tzinfo=UTC)
"""What all files in the archive are said to be of."""


def main() -> None:
    into = Path(sys.argv[1])
    into.mkdir()
    signer, reproducer = make_signer(), make_signer()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "authority").mkdir()
        hour = timedelta(hours=1)
        authority = Authority(work / "authority", starts=-hour, ends=hour)
        earlier = open_bundle(_seal(work / "earlier", signer, measured=1)).manifest
        bundle = _seal(work / "bundle", signer, supersedes=earlier)
        again = _seal(work / "again", reproducer, step_ns=11 * MS)
        statement = attest_reproduction(
            original=open_bundle(bundle),
            reproduction=open_bundle(again),
            verdict="reproduced",
            version="0.1.0",
            signer=reproducer,
            now=datetime.now(UTC),
        )
        add_reproduction(bundle, statement.envelope, reproducer.public, now=datetime.now(UTC))
        stamp = authority.stamp(signature_of(read(bundle / RESULT_ATTESTATION)))
        add_timestamp(bundle, stamp, now=datetime.now(UTC))
        _pack(bundle, into / "whole.zip")
    (into / "whole.pem").write_bytes(signer.public.pem)
    (into / "reproducer.pem").write_bytes(reproducer.public.pem)
    (into / "authority.pem").write_text(authority.pem, encoding="ascii")


def _seal(
    folder: Path,
    signer: Signer,
    *,
    measured: int = 2,
    step_ns: int = 10 * MS,
    supersedes: Digest | None = None,
) -> Path:
    """Seal the sweep, of which one job died when it had measured so many of its phases."""
    work = folder.with_name(f"{folder.name}-inputs")
    work.mkdir()
    lock = lock_of(SWEEP)
    run = run_of(lock, "r1-ngram-3", measured=measured)
    run = replace(run, jobs=tuple(_in_turn(job, step_ns) for job in run.jobs))
    now = datetime.now(UTC).replace(microsecond=0)
    inputs = inputs_of(SWEEP, lock, run, work)
    installed = {role: facts["wheels"] for role, facts in inputs.environment["images"].items()}
    inputs = replace(
        inputs,
        environment={**inputs.environment, "packages": installed},
        logs=_logs(work),
        started=render_time(now - timedelta(minutes=2)),
        finished=render_time(now - timedelta(minutes=1)),
    )
    return seal(inputs, folder, signer=signer, now=now, supersedes=supersedes)


def _logs(folder: Path) -> dict[str, Path]:
    logs = {}
    for job in ("r1-none", "r1-ngram-2", "r1-ngram-3"):
        logs[f"{job}.engine.log"] = folder / f"{job}.log"
        logs[f"{job}.engine.log"].write_text(f"{job}: ready\n", encoding="utf-8")
    return logs


def _in_turn(job: JobData, step_ns: int) -> JobData:
    """Return a job whose phases, and the requests of each, came one after the other."""
    phases, ready_ns = [], FIRST_NS
    for phase in job.phases:
        phases.append(_from(phase, ready_ns, step_ns))
        ready_ns = phases[-1].status.end_ns + 200 * MS
    return replace(job, phases=tuple(phases))


def _from(phase: PhaseData, ready_ns: int, step_ns: int) -> PhaseData:
    records: list[Record] = []
    due_ns = ready_ns
    for record in phase.records:
        records.append(_due(record, due_ns, step_ns))
        due_ns = records[-1].end_ns
    moments: dict[str, Any] = {
        "before": phase.before and replace(phase.before, time_ns=ready_ns - 50 * MS),
        "after": phase.after and replace(phase.after, time_ns=due_ns + 50 * MS),
    }
    status = replace(
        phase.status,
        start_ns=records[0].submit_ns,
        end_ns=due_ns,
        send_lag_p99_ns=LATE_NS,
        send_lag_max_ns=LATE_NS,
    )
    return replace(phase, records=tuple(records), status=status, **moments)


def _due(record: Record, due_ns: int, step_ns: int) -> Record:
    submit_ns = due_ns + CONNECT_NS + LATE_NS
    pace_ns = step_ns if record.draft_tokens else 3 * step_ns // 2
    chunks = tuple(submit_ns + 50 * MS + pace_ns * number for number in range(len(record.chunk_ns)))
    return replace(
        record,
        due_ns=due_ns,
        connect_ns=CONNECT_NS,
        submit_ns=submit_ns,
        chunk_ns=chunks,
        end_ns=chunks[-1] + MS,
    )


def _pack(bundle: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(path.relative_to(bundle).as_posix(), STAMPED.timetuple()[:6])
            info.external_attr = 0o644 << 16
            packed.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
