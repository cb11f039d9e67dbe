"""Verify a bundle: is it what its signature says, does it hold together, is its signer trusted?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from specseal.bundle.changes import find_change
from specseal.bundle.envelope import raw_signature, unwrap, unwrap_by_one_of
from specseal.bundle.findings import BundleBroken, Finding, broken, nothing_raised
from specseal.bundle.keys import PublicKey, parse_public_key
from specseal.bundle.layout import (
    KEYS,
    PROVENANCE_ATTESTATION,
    RESULT_ATTESTATION,
    TIMESTAMP,
    Tree,
    may_have,
    read_tree,
)
from specseal.bundle.manifest import MANIFEST, compare_digests, parse_manifest
from specseal.bundle.policy import Policy, Signature, Standing, counted, judge, unmet
from specseal.bundle.recompute import Contents, read_contents, recompute
from specseal.bundle.report import Report
from specseal.bundle.reproduction import Reproduction, check_reproductions
from specseal.bundle.statement import (
    Provenance,
    ResultStatement,
    read_provenance,
    read_result_statement,
)
from specseal.bundle.steps import Steps
from specseal.bundle.store import TrustStore
from specseal.bundle.texts import check_texts
from specseal.bundle.timestamp import Timestamp, read_timestamp, unstamped
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError

THE_SIGNER = Policy()
"""The policy that asks for nothing but a trusted signer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """What step 4 found."""

    signer: PublicKey
    keys: dict[Digest, PublicKey]
    """All that lie beside the signatures."""
    manifest: Digest
    statement: ResultStatement


def verify(
    folder: Path, *, trusted: TrustStore, now: datetime, policy: Policy = THE_SIGNER
) -> Report:
    """Verify the bundle in `folder`, which anybody may have prepared.

    1. Layout: regular files only, each with one name, none hidden, no empty folder, plain paths;
       exactly the attestations that are known.
    2. Reading: each file once, through one descriptor; what is hashed is what is parsed. Sizes are
       bounded. The folder is looked at again before the answer: one that has changed is a no.
    3. Manifest: strict form, and every file in it with its digest; nothing missing, nothing added,
       and nothing that is no part of a bundle.
    4. Signature: one DSSE signature, which exactly one key beside it fits, over a result statement
       of this major version whose one subject is the manifest.
    5. Provenance: signed by the same key, the statement that the result statement names, and of
       the same spec.
    6. Reproductions: each statement signed by the key that it is named after, over the same
       manifest; no key beside them that has signed nothing.
    7. Timestamp: if there is one, it is over the raw signature of the result, neither from before
       it nor to come. Whose it is, step 12 asks.
    8. Schemas: spec, lock, environment, counts, records, result and telemetry parse, and name each
       other by digest.
    9. Texts: README, citation, licence and RO-Crate are what the other contents give.
    10. Recomputation: the records are those of the lock's plan, and give the result.
    11. Trust: the key that signed the result is trusted, and not revoked.
    12. Policy: the result was signed within the policy's time, and enough different keys vouch for
        it: the signer's, and those that say that they have reproduced it; the timestamp that the
        policy asks for is of one of its authorities.

    Files are listed one by one within a step. Steps 8 to 10 need all before them, for unsigned
    bytes are not worth parsing; a step that could not be run does not hold.

    Args:
        folder: the bundle.
        trusted: the keys that are trusted, and those that are revoked.
        now: the time of verifying, with its zone; a statement of the future is refused.
        policy: what must be signed by whom.

    Raises:
        InputError: `folder` is not a folder, or can't be read.
        MachineLacks: there is a timestamp, and what reads it is not installed.
    """
    steps = Steps()
    tree = read_tree(folder)
    # (1), (2)
    steps.record("layout", "only plain files, each with one name", _about(tree, "layout."))
    steps.record("read", f"{len(tree.digests)} files read once, as parsed", _about(tree, "read."))
    manifest = tree.contents.get(MANIFEST)
    # (3)
    steps.run("manifest", "every file is what the manifest says", lambda: _check_manifest(tree))
    # (4)
    signed = steps.run(
        "signature", "the manifest is what the key signed", lambda: _check_signature(tree, now)
    )
    # (5)
    provenance = steps.run(
        "provenance",
        "the provenance is the one that the result names",
        lambda: _check_provenance(tree, signed),
    )
    # (6)
    reproductions = steps.run(
        "reproductions",
        f"{len(tree.reproductions)} statements of those who ran it again, each signed by its key",
        lambda: _check_reproductions(tree, signed, now),
    )
    # (7)
    timestamp = steps.run(
        "timestamp",
        "over the result's signature" if TIMESTAMP in tree.contents else "there is none",
        lambda: _check_timestamp(tree, signed, now),
    )
    # (8), (9), (10)
    contents = _check_contents(steps, tree, signed, provenance)
    # (11), (12)
    standings = judge(_signatures(signed, reproductions or ()), policy, trusted)
    lacking = unstamped(timestamp, policy)
    believed = _check_policy(steps, standings, policy, lacking)
    # (2) again, as late as can be
    if tree.marks is not None and (changed := find_change(folder, tree.marks)):
        steps.find("read", changed)
        contents = None
    return Report(
        folder=folder,
        checks=tuple(steps.checks),
        intact=contents is not None,
        trusted=believed,
        signer=None if signed is None else signed.signer.digest,
        signers=standings,
        policy=policy,
        has_timestamp=timestamp is not None,
        stamped=timestamp.time if timestamp and policy.authorities and not lacking else None,
        manifest_digest=None if manifest is None else sha256_bytes(manifest),
        supersedes=None if signed is None else signed.statement.supersedes,
        contents=contents,
        within=tree.bundles,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What makes a bundle good enough for whoever asks."""

    store: TrustStore
    """Whose signatures are believed."""
    policy: Policy = THE_SIGNER
    required: bool
    """Whether the policy must be met; else integrity is enough."""
    now: datetime
    """The time of verifying, with its zone."""

    def verify(self, folder: Path) -> Report:
        """Verify a bundle. Raises: as `verify`."""
        return verify(folder, trusted=self.store, now=self.now, policy=self.policy)


def open_bundle(folder: Path) -> Contents:
    """Return the contents of a bundle that is intact, whoever signed it.

    Raises:
        VerificationFailed: it is not intact.
        InputError: `folder` is not a folder, or can't be read.
        MachineLacks: as `verify`.
    """
    return verify(folder, trusted=TrustStore(), now=datetime.now(UTC)).demand(trust=False)


def _about(tree: Tree, prefix: str) -> list[Finding]:
    return [finding for finding in tree.findings if finding.code.startswith(prefix)]


def _check_manifest(tree: Tree) -> None:
    listed = parse_manifest(_content(tree, MANIFEST))
    # What no bundle has was not read, so only whether it is listed can be said of it.
    known = {path: digest for path, digest in listed.items() if may_have(path)}
    added = [path for path in tree.foreign if path not in listed]
    findings = compare_digests(known, {**tree.listed, **dict.fromkeys(added)})
    # Else a signed bundle could carry a program, or the prompts, and still be called intact.
    findings += [
        Finding("manifest.unknown", f"{path}: no file that a bundle has")
        for path in sorted(listed.keys() - known.keys())
    ]
    if findings:
        raise BundleBroken(findings)


def _check_signature(tree: Tree, now: datetime) -> _Signed:
    keys = bundle_keys(tree)
    data = _content(tree, RESULT_ATTESTATION)
    signer, payload = unwrap_by_one_of(data, path=RESULT_ATTESTATION, keys=list(keys.values()))
    manifest = sha256_bytes(_content(tree, MANIFEST))
    statement = read_result_statement(payload, manifest=manifest, now=now)
    return _Signed(signer=signer, keys=keys, manifest=manifest, statement=statement)


def _check_provenance(tree: Tree, signed: _Signed | None) -> Provenance:
    if signed is None:
        raise broken("provenance.not_run", "not run: no signature holds")
    data = _content(tree, PROVENANCE_ATTESTATION)
    payload = unwrap(data, path=PROVENANCE_ATTESTATION, key=signed.signer)
    return read_provenance(payload, manifest=signed.manifest, statement=signed.statement)


def _check_reproductions(
    tree: Tree, signed: _Signed | None, now: datetime
) -> tuple[Reproduction, ...]:
    if signed is None:
        raise broken("reproductions.not_run", "not run: no signature holds")
    return check_reproductions(
        tree.reproductions,
        contents=tree.contents,
        keys=signed.keys,
        signer=signed.signer,
        manifest=signed.manifest,
        result=signed.statement,
        now=now,
    )


def _check_timestamp(tree: Tree, signed: _Signed | None, now: datetime) -> Timestamp | None:
    if TIMESTAMP not in tree.contents:
        return None
    if signed is None:
        raise broken("timestamp.not_run", "not run: no signature holds")
    signature = raw_signature(tree.contents[RESULT_ATTESTATION], path=RESULT_ATTESTATION)
    return read_timestamp(
        tree.contents[TIMESTAMP], signature=signature, statement=signed.statement, now=now
    )


def _check_contents(
    steps: Steps, tree: Tree, signed: _Signed | None, provenance: Provenance | None
) -> Contents | None:
    """Take steps 8 to 10. Return the contents where every step up to here holds, else None."""
    if not steps.all_hold or signed is None or provenance is None:
        for code in ("schemas", "texts", "recompute"):
            steps.record(
                code, "", [Finding(f"{code}.not_run", "not run: the bytes are not sealed")]
            )
        return None
    contents = steps.run(
        "schemas",
        "spec, lock, environment and records are well formed and name each other",
        lambda: _read_contents(tree, signed, provenance),
    )
    if contents is None:
        for code in ("texts", "recompute"):
            steps.record(code, "", [Finding(f"{code}.not_run", "not run: nothing to analyse")])
        return None
    steps.say("texts", lambda: _check_texts(tree, signed, contents))
    steps.run(
        "recompute",
        f"{len(contents.result.metrics)} metrics come out of the records again",
        lambda: recompute(contents),
    )
    return contents if steps.all_hold else None


def _read_contents(tree: Tree, signed: _Signed, provenance: Provenance) -> Contents:
    with nothing_raised("schemas.impossible", "the contents can't be read"):
        return read_contents(
            tree.contents,
            manifest=signed.manifest,
            statement=signed.statement,
            provenance=provenance,
        )


def _check_texts(tree: Tree, signed: _Signed, contents: Contents) -> str:
    with nothing_raised("texts.impossible", "the texts can't be rendered from the other contents"):
        about = contents.described(signed.signer.digest, signed.statement.created.date())
        return check_texts(tree.contents, tree.listed, about)


def _signatures(
    signed: _Signed | None, reproductions: Iterable[Reproduction]
) -> Iterator[Signature]:
    if signed is None:
        return
    yield Signature(role="result", key=signed.signer.digest, created=signed.statement.created)
    for one in reproductions:
        yield Signature(
            role="reproduction",
            key=one.key,
            created=one.statement.created,
            verdict=one.statement.verdict,
            reproduction=one.statement.reproduction,
        )


def _check_policy(
    steps: Steps, standings: Sequence[Standing], policy: Policy, lacking: tuple[Finding, ...]
) -> bool:
    """Take steps 11 and 12; return whether both hold."""
    if not standings:
        for code in ("trust", "policy"):
            steps.record(code, "", [Finding(f"{code}.not_run", "not run: no signature holds")])
        return False
    objection = standings[0].objection
    if objection is not None and objection.code.startswith("trust."):
        steps.record("trust", "", [objection])
        reason = "not run: the signer's key is not trusted"
        steps.record("policy", "", [Finding("policy.not_run", reason)])
        return False
    steps.record("trust", "the signer's key is trusted", ())
    keys = len(counted(standings))
    sentence = f"keys that vouch for it: {keys}, asked for: {policy.signers}"
    missing = (*unmet(standings, policy), *lacking)
    steps.record("policy", sentence, missing)
    return not missing


def bundle_keys(tree: Tree) -> dict[Digest, PublicKey]:
    """Return the keys beside the signatures. Being there makes them the signers' claim, no more.

    Raises:
        BundleBroken: there is none, or one is not what its name says.
    """
    if not tree.keys:
        raise broken("signature.key", f"{KEYS}: no public key")
    return {digest: _bundle_key(tree, digest, path) for digest, path in tree.keys.items()}


def _bundle_key(tree: Tree, digest: Digest, path: str) -> PublicKey:
    try:
        key = parse_public_key(tree.contents[path], path=path)
    except InputError as error:
        raise broken("signature.key", error.message) from error
    if tree.contents[path] != key.pem or digest != key.digest:
        raise broken("signature.key", f"{path}: not the key that its name says, in its plain form")
    return key


def _content(tree: Tree, path: str) -> bytes:
    if path not in tree.contents:
        raise broken(
            "manifest.missing" if path == MANIFEST else "signature.missing", f"{path}: missing"
        )
    return tree.contents[path]
