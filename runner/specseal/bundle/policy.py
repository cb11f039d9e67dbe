"""Verification policy: whose signatures, how many different ones, from when to when.

In: what the verified signatures of a bundle say, a policy, and the trust stores. Out: of each
signature whether it counts, and why not. Pure, but for reading a policy's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from specseal.bundle.findings import Finding
from specseal.bundle.store import Revocation, TrustStore
from specseal.bundle.strict import schema_of
from specseal.bundle.times import parse_time, render_time
from specseal.digests import Digest
from specseal.errors import InputError, Problem, SpecError
from specseal.spec.document import MAX_BYTES, Document, read_document
from specseal.spec.schema import violations

SCHEMA = "specseal/policy/1"

Role = Literal["result", "reproduction"]
Status = Literal["trusted", "unknown", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What must be signed by whom. Without any demand of its own: the result, by a trusted key."""

    keys: frozenset[Digest] | None = None
    """The only keys that count; None: those of the trust stores. None that is revoked counts."""
    signers: int = 1
    """How many different keys must vouch for the result."""
    created_from: datetime | None = None
    """When statements that count were made at the earliest, by their own word."""
    created_until: datetime | None = None
    """When at the latest."""
    authorities: tuple[Certificate, ...] = ()
    """Root certificates; if any, the result must bear the timestamp of one of these."""

    def __post_init__(self) -> None:
        """Refuse what no bundle, or every bundle, would fulfil. Raises: InputError."""
        if self.signers < 1:
            raise InputError(f"a policy that asks for {self.signers} signers asks for nothing")
        if self.keys is not None and self.signers > len(self.keys):
            raise InputError(
                f"a policy with {_number_of_keys(len(self.keys))} can't have {self.signers} "
                "signers",
                mend="name more keys, or ask for fewer signers: a key counts once",
            )
        if self.created_from and self.created_until and self.created_from > self.created_until:
            raise InputError("a policy's time ends before it begins")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, all demands filled in."""
        return {
            "keys": None if self.keys is None else sorted(self.keys),
            "signers": self.signers,
            "created": {
                "from": self.created_from and render_time(self.created_from),
                "until": self.created_until and render_time(self.created_until),
            },
            "authorities": [one.fingerprint(SHA256()).hex() for one in self.authorities],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that holds, and what a policy asks about."""

    role: Role
    key: Digest
    created: datetime
    verdict: str | None = None
    """Of a reproduction."""
    reproduction: Digest | None = None
    """Of a reproduction: the manifest of its own bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a signature is worth."""

    signature: Signature
    status: Status
    """Of its key."""
    revocation: Revocation | None
    objection: Finding | None
    """Why it does not count; None where it does."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "role": self.signature.role,
            "key": self.signature.key,
            "created": render_time(self.signature.created),
            "verdict": self.signature.verdict,
            "reproduction": self.signature.reproduction,
            "status": self.status,
            "revoked": self.revocation and self.revocation.to_dict(),
            "counts": self.objection is None,
            "objection": self.objection and self.objection.message,
        }


def judge(
    signatures: Iterable[Signature], policy: Policy, store: TrustStore
) -> tuple[Standing, ...]:
    """Return what each signature is worth under a policy.

    A key that has signed several verdicts vouches for the result only if all of them do: else it
    would be enough to run again until it comes out.
    """
    all_of_them = tuple(signatures)
    otherwise = {
        one.key: one.verdict
        for one in all_of_them
        if one.verdict not in (None, "reproduced") and _within(one.created, policy)
    }
    return tuple(
        _standing(one, policy, store, otherwise=otherwise.get(one.key)) for one in all_of_them
    )


def counted(standings: Iterable[Standing]) -> frozenset[Digest]:
    """Return the keys that count: each once, however often and under whatever role it signed."""
    return frozenset(one.signature.key for one in standings if one.objection is None)


def unmet(standings: Sequence[Standing], policy: Policy) -> tuple[Finding, ...]:
    """Return what a policy asks that the signatures don't give, the result's being the first."""
    objection, keys = standings[0].objection, counted(standings)
    findings = [] if objection is None else [objection]
    if len(keys) < policy.signers:
        findings.append(
            Finding(
                "policy.signers",
                f"{_number_of_keys(policy.signers, 'different ')} must vouch for the result, and "
                f"{len(keys) or 'none'} {'do' if len(keys) > 1 else 'does'}",
            )
        )
    return tuple(findings)


def _number_of_keys(number: int, kind: str = "") -> str:
    return "1 key" if number == 1 else f"{number} {kind}keys"


def _standing(
    signature: Signature, policy: Policy, store: TrustStore, *, otherwise: str | None
) -> Standing:
    revocation = store.revoked.get(signature.key)
    believed = store.trusted if policy.keys is None else policy.keys
    if revocation is not None:
        status: Status = "revoked"
    else:
        status = "trusted" if signature.key in believed else "unknown"
    return Standing(
        signature=signature,
        status=status,
        revocation=revocation,
        objection=_objection(signature, policy, status, revocation, otherwise),
    )


def _objection(
    signature: Signature,
    policy: Policy,
    status: Status,
    revocation: Revocation | None,
    otherwise: str | None,
) -> Finding | None:
    whose = "the signer's key" if signature.role == "result" else "the key"
    created = signature.created
    if revocation is not None:
        return Finding(
            "trust.revoked",
            f"{whose} was revoked on {render_time(revocation.revoked)} ({revocation.reason}); "
            f"nothing that it signed is believed, whatever its date: {signature.key}",
        )
    if status == "unknown":
        among = "is not trusted" if policy.keys is None else "is not one of the policy's"
        return Finding("trust.unknown", f"{whose} {among}: {signature.key}")
    if not _within(created, policy):
        return Finding(
            "policy.created",
            f"the {signature.role} statement was made at {render_time(created)}, which is not "
            "within the policy's time",
        )
    if signature.role == "reproduction" and signature.verdict != "reproduced":
        return Finding("policy.verdict", f"the verdict is: {signature.verdict}")
    if signature.role == "reproduction" and otherwise is not None:
        return Finding("policy.verdict", f"another verdict by the same key is: {otherwise}")
    return None


def _within(created: datetime, policy: Policy) -> bool:
    """Say whether a statement was made within a policy's time."""
    return (policy.created_from is None or created >= policy.created_from) and (
        policy.created_until is None or created <= policy.created_until
    )


def load_policy(path: Path) -> Policy:
    """Read a policy's file, in YAML (or JSON, which is YAML).

    Raises:
        SpecError: it can't be read, is not of the schema's shape, or asks for nothing.
        InputError: it asks for what no bundle could fulfil.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise SpecError([Problem(str(path), 1, 1, "", reason)]) from error
    document = read_document(data, path=str(path))
    findings = [*document.findings, *violations(document, schema_of("policy"))]
    if findings:
        findings.sort(key=lambda finding: finding.position)
        raise SpecError([_plain(document, finding.problem(str(path))) for finding in findings])
    value = document.value
    created = {end: _time(document, end, str(path)) for end in value.get("created", {})}
    try:
        return Policy(
            keys=frozenset(value["keys"]) if "keys" in value else None,
            signers=value.get("signers", 1),
            created_from=created.get("from"),
            created_until=created.get("until"),
            authorities=_authorities(document, str(path)),
        )
    except InputError as error:
        raise InputError(f"{path}: {error.message}", mend=error.mend) from error


def _plain(document: Document, problem: Problem) -> Problem:
    if document.value != {"schema": SCHEMA}:
        return problem
    reason = "asks for nothing: give keys, signers, created or timestamp"
    return Problem(problem.path, problem.line, problem.column, problem.where, reason)


def _time(document: Document, end: str, path: str) -> datetime:
    try:
        return parse_time(document.value["created"][end])
    except ValueError as error:
        finding = document.at_value(("created", end), f"no such time: {error}")
        raise SpecError([finding.problem(path)]) from error


def _authorities(document: Document, path: str) -> tuple[Certificate, ...]:
    read = []
    for number, pem in enumerate(document.value.get("timestamp", {}).get("authorities", [])):
        try:
            read.append(load_pem_x509_certificate(pem.encode()))
        except ValueError as error:
            place = ("timestamp", "authorities", number)
            finding = document.at_value(place, "is not a certificate in PEM")
            raise SpecError([finding.problem(path)]) from error
    return tuple(read)
