"""Make a bundle: write everything beside the target, sign it, and rename it into place.

A bundle appears whole or not at all. While it is being made it is the hidden folder
`.NAME.in-progress` beside its target; what a killed run left there is removed by the next.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from specseal.analysis import Result, analyse
from specseal.bundle.contents import SealInputs, render_texts
from specseal.bundle.envelope import wrap
from specseal.bundle.keys import Signer
from specseal.bundle.layout import KEYS, PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST, render_manifest
from specseal.bundle.sbom import render_sboms
from specseal.bundle.statement import ResultStatement, provenance_statement
from specseal.bundle.tables import write_run
from specseal.digests import Digest, canonical, sha256_bytes, tree_files
from specseal.errors import InputError, RunFailed


def seal(
    inputs: SealInputs,
    target: Path,
    *,
    signer: Signer,
    now: datetime,
    supersedes: Digest | None = None,
) -> Path:
    """Seal a run into the bundle `target`, and return its path.

    Args:
        inputs: all that goes into it.
        target: the bundle's folder, which must not be there yet; folders above are made.
        signer: the key that signs.
        now: the time of sealing, with its zone.
        supersedes: the bundle that this one corrects: digest of its manifest.

    Raises:
        InputError: `target` is there already, or a value has no canonical JSON.
        ValueError: a log's name is none that a bundle may hold.
        RunFailed: it can't be written (a full disk).
    """
    if target.exists():
        raise InputError(f"{target}: there is something already", mend="seal under another name")
    staging = target.with_name(f".{target.name}.in-progress")
    try:
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(parents=True)
        inputs = _redacted(inputs)
        _write_contents(staging, inputs, analyse(inputs.run), signer, now)
        attest(staging, inputs, signer=signer, now=now, supersedes=supersedes)
        _sync(staging)
        staging.rename(target)
    except OSError as error:
        raise RunFailed(
            f"{target}: can't be sealed: {error.strerror}",
            mend="mend that and run again: finished jobs are kept",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def attest(
    folder: Path,
    inputs: SealInputs,
    *,
    signer: Signer,
    now: datetime,
    supersedes: Digest | None = None,
) -> None:
    """Write the manifest of a bundle's contents, and sign it.

    Args:
        folder: holds all the bundle's contents and nothing else.
        inputs: what the statements speak about.
        signer: the key that signs.
        now: the time of signing, with its zone.
        supersedes: the bundle that this one corrects: digest of its manifest.

    Raises:
        OSError: a file can't be written.
    """
    digests = tree_files(folder)
    manifest = render_manifest(digests)
    manifest_digest = sha256_bytes(manifest)
    provenance = provenance_statement(
        manifest=manifest_digest,
        lock=digests["lock.json"],
        name=inputs.lock.spec["name"],
        version=inputs.environment["specseal_version"],
        started=inputs.started,
        finished=inputs.finished,
    )
    statement = ResultStatement(
        name=inputs.lock.spec["name"],
        created=now.astimezone(UTC),
        recipe=inputs.lock.recipe,
        lock=digests["lock.json"],
        result=digests["result.json"],
        provenance=sha256_bytes(provenance),
        supersedes=supersedes,
    )
    (folder / MANIFEST).write_bytes(manifest)
    (folder / KEYS).mkdir(parents=True)
    (folder / PROVENANCE_ATTESTATION).write_bytes(wrap(provenance, signer))
    (folder / RESULT_ATTESTATION).write_bytes(wrap(statement.to_bytes(manifest_digest), signer))
    (folder / KEYS / f"{signer.public.digest}.pem").write_bytes(signer.public.pem)


def _write_contents(
    folder: Path, inputs: SealInputs, result: Result, signer: Signer, now: datetime
) -> None:
    (folder / "spec.yaml").write_bytes(inputs.spec_bytes)
    (folder / "lock.json").write_bytes(inputs.lock.to_bytes())
    (folder / "environment.json").write_bytes(canonical(inputs.environment) + b"\n")
    (folder / "result.json").write_bytes(canonical(result.to_dict()) + b"\n")
    write_run(inputs.run, folder)
    (folder / "env").mkdir()
    for path, data in render_sboms(inputs.environment).items():
        (folder / path).write_bytes(data)
    for name, text in render_texts(inputs, result, signer=signer.public, now=now).items():
        (folder / name).write_text(text, encoding="utf-8")
    if inputs.logs:
        (folder / "logs").mkdir()
    redact = _redactor(inputs.redact)
    for name, source in inputs.logs.items():
        _compress(source, folder / "logs" / f"{name}.gz", redact)


def _compress(source: Path, target: Path, redact: Callable[[bytes], bytes]) -> None:
    # No name and no time in the header: equal logs give equal bytes.
    with (
        source.open("rb") as lines,
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        for line in lines:
            packed.write(redact(line))


def _redacted(inputs: SealInputs) -> SealInputs:
    """Return the inputs with what must not get out redacted, but for the logs, which are large."""
    redact = _redactor(inputs.redact)
    jobs = [replace(job, failure=_redact_strings(job.failure, redact)) for job in inputs.run.jobs]
    return replace(
        inputs,
        environment=_redact_strings(inputs.environment, redact),
        run=replace(inputs.run, jobs=tuple(jobs)),
    )


def _redactor(replacements: Mapping[str, str]) -> Callable[[bytes], bytes]:
    if not replacements:
        return lambda data: data
    table = {secret.encode(): stand_in.encode() for secret, stand_in in replacements.items()}
    # The longest first, so that a folder's stand-in does not hide that of a folder within.
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile(b"|".join(re.escape(secret) for secret in longest_first))
    return lambda data: pattern.sub(lambda match: table[match[0]], data)


def _redact_strings(value: Any, redact: Callable[[bytes], bytes]) -> Any:
    if isinstance(value, str):
        return redact(value.encode()).decode()
    if isinstance(value, dict):
        return {key: _redact_strings(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_strings(item, redact) for item in value]
    return value


def _sync(folder: Path) -> None:
    """Force all of a folder to disk, so that not even a power cut renames a half-written bundle."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
