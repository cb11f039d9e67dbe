"""The signed statements: what is said about a bundle's manifest.

Both are in-toto Statements v1 whose one subject is the manifest. The *result* statement says which
recipe, lock and result it is, and names the *provenance* statement (how the run was made) by its
digest, because statements that lie side by side vouch for nothing about each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from specseal.bundle.findings import broken
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST
from specseal.bundle.strict import parse_canonical
from specseal.digests import Digest, canonical, sha256_bytes

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
RESULT_TYPE = "https://specseal.dev/result/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://specseal.dev/run/v1"
BUILDER = "https://specseal.dev/runner"
SCHEMA = "specseal/statement/1"
# Wide enough for a laboratory's wrong clock, too narrow to date a result into next year.
CLOCK_TOLERANCE = timedelta(days=1)
_UTC = "%Y-%m-%dT%H:%M:%SZ"


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

    def to_bytes(self, manifest: Digest) -> bytes:
        """Return the statement over the manifest with that digest, as it is signed."""
        predicate = {
            "schema": SCHEMA,
            "name": self.name,
            "created": self.created.strftime(_UTC),
            "recipe": self.recipe,
            "lock": {"sha256": self.lock},
            "result": {"sha256": self.result},
            "provenance": {"sha256": self.provenance},
        }
        return _statement(manifest, RESULT_TYPE, predicate)


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
    return _statement(manifest, PROVENANCE_TYPE, predicate)


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
    predicate = _read(payload, path, manifest, RESULT_TYPE, "result-statement")
    try:
        created = datetime.strptime(predicate["created"], _UTC).replace(tzinfo=UTC)
    except ValueError as error:
        raise broken("signature.statement", f"{path}: predicate.created: {error}") from error
    if created > now + CLOCK_TOLERANCE:
        raise broken(
            "signature.future", f"{path}: says it was made at {created:{_UTC}}, which is to come"
        )
    return ResultStatement(
        name=predicate["name"],
        created=created,
        recipe=predicate["recipe"],
        lock=predicate["lock"]["sha256"],
        result=predicate["result"]["sha256"],
        provenance=predicate["provenance"]["sha256"],
    )


def check_provenance(payload: bytes, *, manifest: Digest, statement: ResultStatement) -> None:
    """Check that a provenance statement is the one that the result statement names.

    Raises:
        BundleBroken: another statement, about another manifest, or about another lock.
    """
    path = f"{PROVENANCE_ATTESTATION}: payload"
    if sha256_bytes(payload) != statement.provenance:
        raise broken(
            "provenance.other", f"{path}: not the statement that {RESULT_ATTESTATION} names"
        )
    predicate = _read(payload, path, manifest, PROVENANCE_TYPE, "provenance-statement")
    locks = predicate["buildDefinition"]["resolvedDependencies"]
    if {"name": "lock.json", "digest": {"sha256": statement.lock}} not in locks:
        raise broken("provenance.lock", f"{path}: names another lock than the result statement")


def _statement(manifest: Digest, predicate_type: str, predicate: dict[str, Any]) -> bytes:
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": MANIFEST, "digest": {"sha256": manifest}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def _read(
    payload: bytes, path: str, manifest: Digest, predicate_type: str, schema: str
) -> dict[str, Any]:
    value = parse_canonical(payload, path=path, code="signature.statement")
    kind = value.get("predicateType") if isinstance(value, dict) else None
    # Asked before the shape: of another type, or another major version, nothing else is known.
    if kind != predicate_type:
        raise broken(
            "signature.predicate_type",
            f"{path}: predicateType is {kind!r}; this version reads {predicate_type!r}",
        )
    statement: dict[str, Any] = parse_canonical(
        payload, path=path, code="signature.statement", schema=schema
    )
    if statement["subject"][0]["digest"]["sha256"] != manifest:
        raise broken(
            "signature.subject", f"{path}: the subject is another manifest than {MANIFEST} here"
        )
    predicate: dict[str, Any] = statement["predicate"]
    return predicate
