"""The signed statements: what is said about a bundle's manifest.

All are in-toto Statements v1 whose one subject is the manifest. The *result* statement says which
recipe, lock and result it is, and names the *provenance* statement (how the run was made) by its
digest, because statements that lie side by side vouch for nothing about each other. Those of
*reproductions*, which others add later, are in `reproduction`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from specseal.bundle.findings import broken
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST
from specseal.bundle.strict import check_schema, parse_canonical
from specseal.bundle.times import parse_moment, parse_time, render_time
from specseal.digests import Digest, canonical, sha256_bytes

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
RESULT_TYPE = "https://specseal.dev/result/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://specseal.dev/run/v1"
BUILDER = "https://specseal.dev/runner"
SCHEMA = "specseal/statement/1"
# Wide enough for a laboratory's wrong clock, too narrow to date a result into next year.
CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultStatement:
    """What the signer says about a result."""

    name: str
    """The spec's name."""
    created: datetime
    """UTC, whole seconds."""
    recipe: Digest
    lock: Digest
    """SHA-256 of `lock.json`."""
    result: Digest
    """SHA-256 of `result.json`."""
    provenance: Digest
    """SHA-256 of the provenance statement that must accompany this one."""
    supersedes: Digest | None = None
    """The bundle that this one corrects: digest of its manifest."""

    def to_bytes(self, manifest: Digest) -> bytes:
        """Return the statement over the manifest with that digest, as it is signed."""
        predicate: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "created": render_time(self.created),
            "recipe": self.recipe,
            "lock": {"sha256": self.lock},
            "result": {"sha256": self.result},
            "provenance": {"sha256": self.provenance},
        }
        if self.supersedes is not None:
            predicate["supersedes"] = {"sha256": self.supersedes}
        return render_statement(manifest, RESULT_TYPE, predicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the signer says about how a run was made."""

    version: str
    """Of specseal."""
    started: str
    finished: str


def provenance_statement(
    *, manifest: Digest, lock: Digest, name: str, version: str, started: str, finished: str
) -> bytes:
    """Return the SLSA provenance of a run.

    Args:
        manifest: digest of the manifest.
        lock: digest of `lock.json`, which pins every other input.
        name: the spec's name.
        version: of specseal.
        started: UTC, ISO 8601.
        finished: UTC, ISO 8601.

    Source: SLSA provenance v1.
    """
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"spec": name},
            "resolvedDependencies": [{"name": "lock.json", "digest": {"sha256": lock}}],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"specseal": version}},
            "metadata": {"startedOn": started, "finishedOn": finished},
        },
    }
    return render_statement(manifest, PROVENANCE_TYPE, predicate)


def read_result_statement(payload: bytes, *, manifest: Digest, now: datetime) -> ResultStatement:
    """Read a result statement.

    Args:
        payload: the signed bytes.
        manifest: digest of the manifest that lies beside it.
        now: the time of reading, UTC.

    Raises:
        BundleBroken: of another type or major version, about another manifest, or of the future.
    """
    path = f"{RESULT_ATTESTATION}: payload"
    predicate = read_statement(
        payload,
        path=path,
        manifest=manifest,
        predicate_type=RESULT_TYPE,
        schema="result-statement",
        step="signature",
    )
    created = read_created(predicate, path=path, now=now, step="signature")
    supersedes = predicate["supersedes"]["sha256"] if "supersedes" in predicate else None
    if supersedes == manifest:
        raise broken("signature.statement", f"{path}: the bundle says that it supersedes itself")
    return ResultStatement(
        name=predicate["name"],
        created=created,
        recipe=predicate["recipe"],
        lock=predicate["lock"]["sha256"],
        result=predicate["result"]["sha256"],
        provenance=predicate["provenance"]["sha256"],
        supersedes=supersedes,
    )


def read_provenance(payload: bytes, *, manifest: Digest, statement: ResultStatement) -> Provenance:
    """Read a provenance statement, which must be the one that the result statement names.

    Raises:
        BundleBroken: another statement, about another manifest, lock or spec, or of a run that
            ended before it began, or after its result was signed.
    """
    path = f"{PROVENANCE_ATTESTATION}: payload"
    if sha256_bytes(payload) != statement.provenance:
        raise broken(
            "provenance.other", f"{path}: not the statement that {RESULT_ATTESTATION} names"
        )
    predicate = read_statement(
        payload,
        path=path,
        manifest=manifest,
        predicate_type=PROVENANCE_TYPE,
        schema="provenance-statement",
        step="signature",
    )
    inputs = predicate["buildDefinition"]["resolvedDependencies"]
    locks = [one for one in inputs if one.get("name") == "lock.json"]
    # In full, and it alone: of a second digest, or a second lock, nothing would be known.
    if locks != [{"name": "lock.json", "digest": {"sha256": statement.lock}}]:
        raise broken("provenance.lock", f"{path}: names another lock than the result statement")
    spec = predicate["buildDefinition"]["externalParameters"]["spec"]
    if spec != statement.name:
        text = f"{path}: of the spec {spec!r}, the result statement is of {statement.name!r}"
        raise broken("provenance.spec", text)
    details = predicate["runDetails"]
    provenance = Provenance(
        version=details["builder"]["version"]["specseal"],
        started=details["metadata"]["startedOn"],
        finished=details["metadata"]["finishedOn"],
    )
    _check_times(provenance, statement.created, path)
    return provenance


def _check_times(provenance: Provenance, created: datetime, path: str) -> None:
    try:
        started, finished = map(parse_moment, (provenance.started, provenance.finished))
    except ValueError as error:
        raise broken("provenance.times", f"{path}: startedOn or finishedOn: {error}") from error
    if not started <= finished <= created + CLOCK_TOLERANCE:
        raise broken(
            "provenance.times",
            f"{path}: a run from {provenance.started} to {provenance.finished}, signed at "
            f"{render_time(created)}",
        )


def render_statement(manifest: Digest, predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """Return the statement that says `predicate` of the manifest with that digest."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": MANIFEST, "digest": {"sha256": manifest}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def read_statement(
    payload: bytes, *, path: str, manifest: Digest, predicate_type: str, schema: str, step: str
) -> dict[str, Any]:
    """Return the predicate of a statement.

    Args:
        payload: the signed bytes.
        path: named in messages.
        manifest: digest of the manifest that must be its one subject.
        predicate_type: of the only kind and major version that is read.
        schema: of that kind, by its name in `schemas/`.
        step: the step of verification, with which findings' codes start.

    Raises:
        BundleBroken: of another type or major version, of another shape, or about another manifest.
    """
    value = parse_canonical(payload, path=path, code=f"{step}.statement")
    kind = value.get("predicateType") if isinstance(value, dict) else None
    # Asked before the shape: of another type, or another major version, nothing else is known.
    if kind != predicate_type:
        raise broken(
            f"{step}.predicate_type",
            f"{path}: predicateType is {kind!r}; this version reads {predicate_type!r}",
        )
    check_schema(value, path=path, code=f"{step}.statement", schema=schema)
    if value["subject"][0]["digest"]["sha256"] != manifest:
        raise broken(
            f"{step}.subject", f"{path}: the subject is another manifest than {MANIFEST} here"
        )
    predicate: dict[str, Any] = value["predicate"]
    return predicate


def read_created(predicate: dict[str, Any], *, path: str, now: datetime, step: str) -> datetime:
    """Return when a statement says that it was made; else as `read_statement`.

    Raises:
        BundleBroken: no such time, or one that is to come.
    """
    try:
        created = parse_time(predicate["created"])
    except ValueError as error:
        raise broken(f"{step}.statement", f"{path}: predicate.created: {error}") from error
    if created > now + CLOCK_TOLERANCE:
        raise broken(
            f"{step}.future",
            f"{path}: says it was made at {render_time(created)}, which is to come",
        )
    return created
