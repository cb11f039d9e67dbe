"""Verify a bundle: is it what its signature says, does it hold together, is its signer trusted?"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from specseal.bundle.envelope import unwrap
from specseal.bundle.findings import BundleBroken, Finding, broken, printable
from specseal.bundle.keys import PublicKey, parse_public_key
from specseal.bundle.layout import PROVENANCE_ATTESTATION, RESULT_ATTESTATION, Tree, read_tree
from specseal.bundle.manifest import MANIFEST, compare_digests, parse_manifest
from specseal.bundle.recompute import Contents, read_contents, recompute
from specseal.bundle.statement import ResultStatement, check_provenance, read_result_statement
from specseal.bundle.texts import check_texts
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, VerificationFailed

MAX_FINDINGS = 20
"""How many findings of one step are listed."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Check:
    """One step that held, or one finding of a step that did not."""

    code: str
    """The step (`manifest`), or the step and the finding (`manifest.altered`)."""
    holds: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of verifying a bundle."""

    folder: Path
    checks: tuple[Check, ...]
    intact: bool
    """Every step but the last holds: nothing was changed since it was signed, and it adds up."""
    trusted: bool
    """It is signed, and the signer's key is trusted."""
    signer: Digest | None
    """SPKI digest of the key whose signature holds; None where none does."""
    manifest_digest: Digest | None
    """The bundle's identity; None where there is no manifest."""
    contents: Contents | None = field(repr=False)
    """What was verified, from the very bytes that were; None unless intact."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "bundle": self.manifest_digest,
            "intact": self.intact,
            "trusted": self.trusted,
            "signer": self.signer,
            "checks": [
                {"code": check.code, "holds": check.holds, "message": check.message}
                for check in self.checks
            ],
        }

    def to_text(self) -> str:
        """Return a line a check, and the bundle's identity, for people."""
        lines = [
            f"{'yes' if check.holds else 'NO '}  {check.code}: {check.message}"
            for check in self.checks
        ]
        return "\n".join([*lines, f"manifest sha256:{self.manifest_digest}"])

    def demand(self, *, trust: bool) -> Contents:
        """Return the contents of a bundle that holds.

        Args:
            trust: whether the signer must be trusted, too.

        Raises:
            VerificationFailed: it does not hold.
        """
        if not self.intact or self.contents is None:
            first, *others = [
                check.message
                for check in self.checks
                if not check.holds and not check.code.startswith("trust.")
            ]
            more = f" (and {len(others)} more findings: `specseal verify`)" if others else ""
            raise VerificationFailed(
                f"{self.folder}: not intact: {first}{more}",
                mend="get the bundle again from where it was published",
            )
        if trust and not self.trusted:
            raise VerificationFailed(
                f"{self.folder}: intact, but signed by a key that is not trusted here "
                f"(SPKI SHA-256 {self.signer})",
                mend="compare that digest with the one that the signer published; then "
                f"`specseal keys trust {self.folder}/attestations/keys/{self.signer}.pem`, "
                "or name the signer's key with --key",
            )
        return self.contents


def verify(folder: Path, *, trusted: Collection[Digest], now: datetime) -> Report:
    """Verify the bundle in `folder`, which anybody may have prepared.

    1. Layout: regular files only, each with one name, none hidden, no empty folder, plain paths;
       exactly the attestations that are known.
    2. Reading: each file once, through one descriptor; what is hashed is what is parsed. Sizes are
       bounded.
    3. Manifest: strict form, and every file in it with its digest; nothing missing, nothing added.
    4. Signature: one DSSE signature, by the key beside it, over a result statement of this major
       version whose one subject is the manifest.
    5. Provenance: signed by the same key, and the statement that the result statement names.
    6. Schemas: spec, lock, environment, counts, records, result and telemetry parse, and name each
       other by digest.
    7. Texts: README, citation, licence and RO-Crate are what the other contents give.
    8. Recomputation: the records are those of the lock's plan, and give the result.
    9. Policy: the key is trusted.

    Files are listed one by one within a step. Steps 6 to 8 need all before them, for unsigned
    bytes are not worth parsing; a step that could not be run does not hold.

    Args:
        folder: the bundle.
        trusted: SPKI digests of the keys that are trusted.
        now: the time of verifying, with its zone; a statement of the future is refused.

    Raises:
        InputError: `folder` is not a folder, or can't be read.
    """
    steps = _Steps()
    tree = read_tree(folder)
    # (1), (2)
    steps.record("layout", "only plain files, each with one name", _about(tree, "layout."))
    steps.record("read", f"{len(tree.digests)} files read once, as parsed", _about(tree, "read."))
    manifest = tree.contents.get(MANIFEST)
    manifest_digest = None if manifest is None else sha256_bytes(manifest)
    # (3)
    steps.run("manifest", "every file is what the manifest says", lambda: _check_manifest(tree))
    # (4)
    signed = steps.run(
        "signature", "the manifest is what the key signed", lambda: _check_signature(tree, now)
    )
    signer, statement = signed or (None, None)
    # (5)
    steps.run(
        "provenance",
        "the provenance is the one that the result names",
        lambda: _check_provenance(tree, signer, statement),
    )
    # (6), (7), (8)
    contents = _check_contents(steps, tree, signer, statement)
    # (9)
    believed = signer is not None and signer.digest in trusted
    steps.record("trust", "the signer's key is trusted", _distrust(signer, believed=believed))
    return Report(
        folder=folder,
        checks=tuple(steps.checks),
        intact=contents is not None,
        trusted=believed,
        signer=None if signer is None else signer.digest,
        manifest_digest=manifest_digest,
        contents=contents,
    )


def open_bundle(folder: Path) -> Contents:
    """Return the contents of a bundle that is intact, whoever signed it.

    Raises:
        VerificationFailed: it is not intact.
        InputError: `folder` is not a folder, or can't be read.
    """
    return verify(folder, trusted=(), now=datetime.now(UTC)).demand(trust=False)


class _Steps:
    """The steps taken so far, each recorded as held or with its findings."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    @property
    def all_hold(self) -> bool:
        return all(check.holds for check in self.checks)

    def run(self, code: str, sentence: str, step: Callable[[], _T]) -> _T | None:
        """Take a step and record it; return its value, or None where it failed."""
        try:
            value = step()
        except BundleBroken as error:
            self.record(code, sentence, error.findings)
            return None
        self.record(code, sentence, ())
        return value

    def say(self, code: str, step: Callable[[], str]) -> None:
        """Take a step whose outcome is its sentence, and record it."""
        try:
            self.record(code, step(), ())
        except BundleBroken as error:
            self.record(code, "", error.findings)

    def record(self, code: str, sentence: str, findings: Collection[Finding]) -> None:
        """Record a step: its sentence where it held, else its findings, the first 20."""
        if not findings:
            self.checks.append(Check(code, holds=True, message=sentence))
        for finding in list(findings)[:MAX_FINDINGS]:
            message = printable(finding.message)
            self.checks.append(Check(finding.code, holds=False, message=message))
        if len(findings) > MAX_FINDINGS:
            more = f"and {len(findings) - MAX_FINDINGS} more"
            self.checks.append(Check(f"{code}.more", holds=False, message=more))


def _about(tree: Tree, prefix: str) -> list[Finding]:
    return [finding for finding in tree.findings if finding.code.startswith(prefix)]


def _check_manifest(tree: Tree) -> None:
    findings = compare_digests(parse_manifest(_content(tree, MANIFEST)), tree.listed)
    if findings:
        raise BundleBroken(findings)


def _check_signature(tree: Tree, now: datetime) -> tuple[PublicKey, ResultStatement]:
    key = _bundle_key(tree)
    data = _content(tree, RESULT_ATTESTATION)
    payload = unwrap(data, path=RESULT_ATTESTATION, key=key)
    manifest = sha256_bytes(_content(tree, MANIFEST))
    return key, read_result_statement(payload, manifest=manifest, now=now)


def _check_provenance(
    tree: Tree, signer: PublicKey | None, statement: ResultStatement | None
) -> None:
    if signer is None or statement is None:
        raise broken("provenance.not_run", "not run: no signature holds")
    data = _content(tree, PROVENANCE_ATTESTATION)
    payload = unwrap(data, path=PROVENANCE_ATTESTATION, key=signer)
    manifest = sha256_bytes(_content(tree, MANIFEST))
    check_provenance(payload, manifest=manifest, statement=statement)


def _check_contents(
    steps: _Steps, tree: Tree, signer: PublicKey | None, statement: ResultStatement | None
) -> Contents | None:
    """Take steps 6 to 8. Return the contents where every step up to here holds, else None."""
    if not steps.all_hold or signer is None or statement is None:
        for code in ("schemas", "texts", "recompute"):
            steps.record(
                code, "", [Finding(f"{code}.not_run", "not run: the bytes are not sealed")]
            )
        return None
    manifest = sha256_bytes(tree.contents[MANIFEST])
    contents = steps.run(
        "schemas",
        "spec, lock, environment and records are well formed and name each other",
        lambda: read_contents(tree.contents, manifest=manifest, statement=statement),
    )
    if contents is None:
        for code in ("texts", "recompute"):
            steps.record(code, "", [Finding(f"{code}.not_run", "not run: nothing to analyse")])
        return None
    about = contents.described(signer.digest, statement.created.date())
    steps.say("texts", lambda: check_texts(tree.contents, tree.listed, about))
    steps.run(
        "recompute",
        f"{len(contents.result.metrics)} metrics come out of the records again",
        lambda: recompute(contents),
    )
    return contents if steps.all_hold else None


def _distrust(signer: PublicKey | None, *, believed: bool) -> tuple[Finding, ...]:
    if signer is None:
        return (Finding("trust.not_run", "not run: no signature holds"),)
    if not believed:
        return (Finding("trust.unknown", f"the signer's key is not trusted: {signer.digest}"),)
    return ()


def _bundle_key(tree: Tree) -> PublicKey:
    """Return the key beside the signature. Being there makes it the signer's claim, no more."""
    if len(tree.key_paths) != 1:
        raise broken("signature.key", "attestations/keys: not exactly one public key")
    path = tree.key_paths[0]
    try:
        key = parse_public_key(tree.contents[path], path=path)
    except InputError as error:
        raise broken("signature.key", error.message) from error
    if tree.contents[path] != key.pem or Path(path).stem != key.digest:
        raise broken("signature.key", f"{path}: not the key that its name says, in its plain form")
    return key


def _content(tree: Tree, path: str) -> bytes:
    if path not in tree.contents:
        raise broken(
            "manifest.missing" if path == MANIFEST else "signature.missing", f"{path}: missing"
        )
    return tree.contents[path]
