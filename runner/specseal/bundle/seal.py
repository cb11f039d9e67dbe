"""Make a bundle: write everything beside the target, sign it, and rename it into place.

A bundle appears whole or not at all. While it is being made it is the hidden folder
`.NAME.in-progress` beside its target; what a killed run left there is removed by the next.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from specseal.analysis import Result, analyse
from specseal.atomic import sync_tree
from specseal.bundle.contents import Described, SealInputs, render_texts
from specseal.bundle.crate import CRATE, render_crate
from specseal.bundle.envelope import wrap
from specseal.bundle.keys import Signer
from specseal.bundle.layout import KEYS, PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST, render_manifest
from specseal.bundle.redaction import Redaction
from specseal.bundle.sbom import render_sboms
from specseal.bundle.statement import ResultStatement, provenance_statement
from specseal.bundle.tables import write_run
from specseal.bundle.texts import RENDERED
from specseal.bundle.withheld import Outputs, is_restricted, withhold_ids
from specseal.bundle.withheld import attest as attest_withheld
from specseal.digests import Digest, canonical, sha256_bytes, tree_files
from specseal.errors import InputError, RunFailed
from specseal.spec.locked import Lock


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
        InputError: `target` is there already, a value has no canonical JSON, or the spec quotes a
            prompt that may not be passed on.
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
        outputs = Outputs(inputs.run) if is_restricted(inputs.lock) else None
        redaction = Redaction(inputs.redact, inputs.prompts, outputs)
        inputs = _as_found(redaction.of_inputs(inputs))
        inputs, result = _as_licensed(inputs, redaction)
        _write_contents(staging, inputs, result)
        _write_logs(staging, inputs.logs, redaction)
        describe(staging, lock=inputs.lock, signer=signer, now=now)
        attest(staging, inputs, signer=signer, now=now, supersedes=supersedes)
        sync_tree(staging)
        staging.rename(target)
    except OSError as error:
        raise RunFailed(
            f"{target}: can't be sealed: {error.strerror}",
            mend="mend that and run again: finished jobs are kept",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def describe(folder: Path, *, lock: Lock, signer: Signer, now: datetime) -> None:
    """Write the texts that describe all the other files, from what is read back of them.

    Args:
        folder: holds all of a bundle's contents but these.
        lock: the one in the folder.
        signer: the key that signs.
        now: the time of signing, with its zone.

    Raises:
        OSError: a file can't be read or written.
    """
    for name, text in render_texts(_described(folder, lock, signer, now)).items():
        (folder / name).write_bytes(text)
    describe_crate(folder, lock=lock, signer=signer, now=now)


def describe_crate(folder: Path, *, lock: Lock, signer: Signer, now: datetime) -> None:
    """Write the RO-Crate of all the other files; arguments as those of `describe`.

    Raises:
        OSError: a file can't be read or written.
    """
    about = _described(folder, lock, signer, now)
    (folder / CRATE).write_bytes(render_crate(about, tree_files(folder)))


def _described(folder: Path, lock: Lock, signer: Signer, now: datetime) -> Described:
    return Described(
        lock=lock,
        environment=json.loads((folder / "environment.json").read_bytes()),
        result=Result.from_dict(json.loads((folder / "result.json").read_bytes())),
        signer=signer.public.digest,
        date=now.astimezone(UTC).date(),
    )


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


def _write_contents(folder: Path, inputs: SealInputs, result: Result) -> None:
    (folder / "spec.yaml").write_bytes(inputs.spec_bytes)
    (folder / "lock.json").write_bytes(inputs.lock.to_bytes())
    (folder / "environment.json").write_bytes(canonical(inputs.environment) + b"\n")
    (folder / "result.json").write_bytes(canonical(result.to_dict()) + b"\n")
    write_run(inputs.run, folder)
    (folder / "env").mkdir()
    for path, data in render_sboms(inputs.environment).items():
        (folder / path).write_bytes(data)


def _write_logs(folder: Path, logs: Mapping[str, Path], redaction: Redaction) -> None:
    if logs:
        (folder / "logs").mkdir()
    for name, source in logs.items():
        _compress(source, folder / "logs" / f"{name}.gz", redaction)


def _as_found(inputs: SealInputs) -> SealInputs:
    """Return the inputs with what the texts are rendered from, and by, in their environment."""
    told = {"started": inputs.started, "finished": inputs.finished, "rendered": RENDERED}
    return replace(inputs, environment={**inputs.environment, **told})


def _as_licensed(inputs: SealInputs, redaction: Redaction) -> tuple[SealInputs, Result]:
    """Return the inputs with what their data set lets one pass on, and the result.

    Raises:
        InputError: the spec quotes a prompt that may not be passed on.
    """
    result = analyse(inputs.run)
    if not is_restricted(inputs.lock):
        return inputs, result
    if redaction.quotes_a_prompt(inputs.spec_bytes.decode()):
        raise InputError(
            "the spec quotes a prompt of its data set, which may not be passed on",
            mend="take the prompt out of the spec, and lock and run it again",
        )
    withheld = withhold_ids(inputs.run)
    return replace(inputs, run=withheld), attest_withheld(analyse(withheld), result)


def _compress(source: Path, target: Path, redaction: Redaction) -> None:
    # No name and no time in the header: equal logs give equal bytes.
    with (
        source.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines,
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        for line in redaction.lines(lines):
            packed.write(line.encode("utf-8", "surrogateescape"))
