"""Reproduction statements: what others, or the signer again, say about a bundle later.

Whoever has run a bundle's lock again, and compared, may sign a verdict. Its subject is the manifest
of the bundle that was reproduced, so that it can be added there without touching anything:

    attestations/reproductions/<spki-sha256>-<manifest>.sigstore.json
    attestations/keys/<spki-sha256>.pem

named after the key that signed, and the manifest of the reproduction's own bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from specseal.bundle.envelope import unwrap, wrap
from specseal.bundle.findings import BundleBroken, Finding, broken
from specseal.bundle.keys import PublicKey, Signer
from specseal.bundle.layout import NamedReproduction, key_path, reproduction_path
from specseal.bundle.recompute import Contents
from specseal.bundle.statement import (
    CLOCK_TOLERANCE,
    ResultStatement,
    read_created,
    read_statement,
    render_statement,
)
from specseal.bundle.times import render_time
from specseal.digests import Digest

REPRODUCTION_TYPE = "https://specseal.dev/reproduction/v1"
SCHEMA = "specseal/reproduction/1"
_STEP = "reproductions"

Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not comparable"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionStatement:
    """What somebody says of having run a bundle's lock again."""

    created: datetime
    """UTC, whole seconds."""
    reproduction: Digest
    """The reproduction's own bundle: digest of its manifest."""
    recipe: Digest
    """Of the reproduction."""
    lock: Digest
    """SHA-256 of the reproduction's `lock.json`."""
    verdict: Verdict
    version: str
    """Of specseal, which came to the verdict."""

    def to_bytes(self, manifest: Digest) -> bytes:
        """Return the statement over the original's manifest, as it is signed."""
        predicate = {
            "schema": SCHEMA,
            "created": render_time(self.created),
            "reproduction": {"sha256": self.reproduction},
            "recipe": self.recipe,
            "lock": {"sha256": self.lock},
            "verdict": self.verdict,
            "version": self.version,
        }
        return render_statement(manifest, REPRODUCTION_TYPE, predicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A signed reproduction statement, and the key that it needs beside it."""

    statement: ReproductionStatement
    key: PublicKey
    envelope: bytes
    """The statement's file."""

    @property
    def files(self) -> dict[str, bytes]:
        """{path in the bundle that was reproduced: bytes}: the key first."""
        return {
            key_path(self.key.digest): self.key.pem,
            reproduction_path(self.key.digest, self.statement.reproduction): self.envelope,
        }


def attest_reproduction(
    *,
    original: Contents,
    reproduction: Contents,
    verdict: Verdict,
    version: str,
    signer: Signer,
    now: datetime,
) -> Attestation:
    """Sign what came of running a bundle's lock again.

    Args:
        original: the bundle that was reproduced, verified.
        reproduction: the bundle of the second run, verified.
        verdict: what comparing the two came to.
        version: of specseal, which compared them.
        signer: the key of whoever ran it again.
        now: the time, with its zone.

    Raises:
        BundleBroken: no reader would accept it: a bundle as its own reproduction, or "reproduced"
            said of another recipe.
    """
    statement = ReproductionStatement(
        created=now.replace(microsecond=0),
        reproduction=reproduction.manifest,
        recipe=reproduction.lock.recipe,
        lock=reproduction.lock.digest,
        verdict=verdict,
        version=version,
    )
    path = reproduction_path(signer.public.digest, reproduction.manifest)
    _check(statement, path=path, manifest=original.manifest, recipe=original.lock.recipe)
    envelope = wrap(statement.to_bytes(original.manifest), signer)
    return Attestation(statement=statement, key=signer.public, envelope=envelope)


def read_reproduction(
    envelope: bytes,
    *,
    path: str,
    key: PublicKey,
    manifest: Digest,
    recipe: Digest,
    sealed: datetime,
    now: datetime,
) -> ReproductionStatement:
    """Read a reproduction statement.

    Args:
        envelope: its file.
        path: named in messages.
        key: that must have signed it.
        manifest: of the bundle that it must be about.
        recipe: of that bundle.
        sealed: when that bundle was made, as its signer says.
        now: the time of reading, with its zone.

    Raises:
        BundleBroken: not signed by that key, of another type or major version, about another
            bundle, of the future, from before that bundle was made, of itself, or "reproduced"
            said of another recipe.
    """
    payload = unwrap(envelope, path=path, key=key, step=_STEP)
    path = f"{path}: payload"
    predicate = read_statement(
        payload,
        path=path,
        manifest=manifest,
        predicate_type=REPRODUCTION_TYPE,
        schema="reproduction-statement",
        step=_STEP,
    )
    statement = ReproductionStatement(
        created=read_created(predicate, path=path, now=now, step=_STEP),
        reproduction=predicate["reproduction"]["sha256"],
        recipe=predicate["recipe"],
        lock=predicate["lock"]["sha256"],
        verdict=predicate["verdict"],
        version=predicate["version"],
    )
    _check(statement, path=path, manifest=manifest, recipe=recipe)
    if statement.created + CLOCK_TOLERANCE < sealed:
        raise broken(
            f"{_STEP}.before",
            f"{path}: of {render_time(statement.created)}, before there was what it reproduced",
        )
    return statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A reproduction statement that a bundle has, and the key that signed it."""

    key: Digest
    statement: ReproductionStatement


def check_reproductions(
    named: list[NamedReproduction],
    *,
    contents: Mapping[str, bytes],
    keys: Mapping[Digest, PublicKey],
    signer: PublicKey,
    manifest: Digest,
    result: ResultStatement,
    now: datetime,
) -> tuple[Reproduction, ...]:
    """Read the reproduction statements of a bundle, each alone.

    Args:
        named: the files.
        contents: their bytes, by path.
        keys: all that lie in `attestations/keys`, by SPKI digest.
        signer: of the result.
        manifest: of this bundle.
        result: what the result statement says.
        now: the time of reading, with its zone.

    Raises:
        BundleBroken: a statement is broken or foreign, is not the one that its name says, or a key
            has signed nothing here.
    """
    findings: list[Finding] = []
    read: list[Reproduction] = []
    for one in named:
        try:
            read.append(_read_named(one, contents[one.path], keys, manifest, result, now))
        except BundleBroken as error:
            findings += error.findings
    for key in sorted(set(keys) - {signer.digest} - {one.key for one in named}):
        text = f"{key_path(key)}: the key has signed nothing here"
        findings.append(Finding(f"{_STEP}.key", text))
    if findings:
        raise BundleBroken(findings)
    return tuple(read)


def _read_named(
    named: NamedReproduction,
    envelope: bytes,
    keys: Mapping[Digest, PublicKey],
    manifest: Digest,
    result: ResultStatement,
    now: datetime,
) -> Reproduction:
    if named.key not in keys:
        raise broken(f"{_STEP}.key", f"{named.path}: its key is not in attestations/keys")
    statement = read_reproduction(
        envelope,
        path=named.path,
        key=keys[named.key],
        manifest=manifest,
        recipe=result.recipe,
        sealed=result.created,
        now=now,
    )
    if statement.reproduction != named.manifest:
        raise broken(f"{_STEP}.name", f"{named.path}: names another reproduction than its name")
    return Reproduction(key=named.key, statement=statement)


def _check(
    statement: ReproductionStatement, *, path: str, manifest: Digest, recipe: Digest
) -> None:
    if statement.reproduction == manifest:
        raise broken(f"{_STEP}.itself", f"{path}: the bundle is said to reproduce itself")
    if statement.verdict == "reproduced" and statement.recipe != recipe:
        raise broken(
            f"{_STEP}.recipe",
            f"{path}: says that another recipe ({statement.recipe}) has reproduced this one",
        )
