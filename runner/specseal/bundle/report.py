"""What came of verifying a bundle: each check and its outcome, the signers, and what they count."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from specseal.bundle.manifest import MANIFEST
from specseal.bundle.policy import Policy, Standing, counted
from specseal.bundle.recompute import Contents
from specseal.bundle.times import render_time
from specseal.digests import Digest
from specseal.errors import VerificationFailed
from specseal.words import printable

SCHEMA = "specseal/verification/1"
POLICY_STEPS = ("trust", "policy")
"""The steps that ask whose word it is; all others ask whether the bundle holds."""


@dataclass(frozen=True, slots=True)
class Check:
    """One step that held, or one finding of a step that did not."""

    code: str
    """The step (`manifest`), or the step and the finding (`manifest.altered`)."""
    holds: bool
    message: str

    @property
    def is_policy(self) -> bool:
        """Whether it is of a step that asks whose word it is."""
        return self.code.partition(".")[0] in POLICY_STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of verifying a bundle."""

    folder: Path
    checks: tuple[Check, ...]
    intact: bool
    """Every step but the last two holds: nothing changed since it was signed, and it adds up."""
    trusted: bool
    """It is signed, and the policy is met: the signer's key is trusted, enough others are, too."""
    signer: Digest | None
    """SPKI digest of the key whose signature holds; None where none does."""
    signers: tuple[Standing, ...]
    """Every signature that holds, that of the result first, and what it is worth."""
    policy: Policy
    has_timestamp: bool
    """There is one, over the result's signature; whose it is, is the policy's to ask."""
    stamped: datetime | None
    """What it says, where it is of an authority that the policy names, and of the policy's time.
    Of any other nothing is told: its signature is checked against no one's."""
    manifest_digest: Digest | None
    """The bundle's identity; None where there is no manifest."""
    supersedes: Digest | None
    """The bundle that this one corrects, as its signer says."""
    contents: Contents | None = field(repr=False)
    """What was verified, from the very bytes that were; None unless intact."""
    within: tuple[str, ...] = ()
    """Folders in it that have a manifest of their own, where it has none: bundles, it seems."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: `schemas/verification.schema.json` says of which shape."""
        return {
            "schema": SCHEMA,
            "bundle": self.manifest_digest,
            "intact": self.intact,
            "trusted": self.trusted,
            "signer": self.signer,
            "signers": [one.to_dict() for one in self.signers],
            "policy": {**self.policy.to_dict(), "counted": sorted(counted(self.signers))},
            "timestamp": {
                "time": self.stamped and render_time(self.stamped),
                "believed": self.stamped is not None,
            }
            if self.has_timestamp
            else None,
            "supersedes": self.supersedes,
            "checks": [
                {"code": check.code, "holds": check.holds, "message": check.message}
                for check in self.checks
            ],
        }

    def to_text(self, *, trust: bool = True) -> str:
        """Return a line a check, a line a signer, and the bundle's identity, for people.

        Args:
            trust: whether the policy must be met, too; else its steps are told as not asked.
        """
        lines = [
            f"{'yes' if check.holds else 'NO '}  {check.code}: {check.message}"
            for check in self.checks
            if trust or not check.is_policy
        ]
        if not trust:
            lines += [f"–    {step}: not asked" for step in POLICY_STEPS]
        lines += [_signer_line(one) for one in self.signers]
        if self.stamped is not None:
            lines.append(f"timestamp {render_time(self.stamped)}, of an authority of the policy")
        elif self.has_timestamp and not self.policy.authorities:
            lines.append("timestamp not checked: no authority was asked about")
        if self.supersedes is not None:
            lines.append(f"supersedes sha256:{self.supersedes}")
        if self.manifest_digest is None:
            return "\n".join([*lines, "no manifest"])
        return "\n".join([*lines, f"manifest sha256:{self.manifest_digest}"])

    def demand(self, *, trust: bool, name: str | None = None) -> Contents:
        """Return the contents of a bundle that holds.

        Args:
            trust: whether the policy must be met, too.
            name: what errors call the bundle; its folder where none is given.

        Raises:
            VerificationFailed: it does not hold.
        """
        called = name or str(self.folder)
        if self.manifest_digest is None:
            raise self._no_bundle(called)
        if self.contents is None:
            first, *others = [
                check.message for check in self.checks if not check.holds and not check.is_policy
            ]
            findings = "finding" if len(others) == 1 else "findings"
            more = f" (and {len(others)} more {findings}: `specseal verify`)" if others else ""
            changed = any(check.code == "read.changed" for check in self.checks)
            raise VerificationFailed(
                f"{called}: not intact: {first}{more}",
                mend="verify it again when nothing else writes there"
                if changed
                else "get the bundle again from where it was published",
            )
        if trust and not self.trusted:
            raise self._distrusted()
        return self.contents

    def _no_bundle(self, called: str) -> VerificationFailed:
        if self.within:
            some = ", ".join(printable(one) for one in self.within[:3])
            more = f" and {len(self.within) - 3} more" if len(self.within) > 3 else ""
            return VerificationFailed(
                f"{called}: no bundle, but a folder of bundles: {some}{more}",
                mend="name one of them",
            )
        return VerificationFailed(
            f"{called}: no bundle: it has no {MANIFEST}, or none that is a plain file",
            mend="name the bundle's folder, which `specseal run` prints last; if it is that, "
            "get the bundle again from where it was published",
        )

    def _distrusted(self) -> VerificationFailed:
        first = next(check for check in self.checks if not check.holds)
        if first.code == "trust.unknown" and self.policy.keys is None:
            return VerificationFailed(
                f"{self.folder}: intact, but signed by a key that is not trusted here "
                f"(SPKI SHA-256 {self.signer})",
                mend="compare that digest with the one that the signer published; then "
                f"`specseal keys trust {self.folder}/attestations/keys/{self.signer}.pem`, "
                "or name the signer's key with --key",
            )
        mends = {
            "trust.unknown": "use a bundle signed by one of the policy's keys, or another policy",
            "trust.revoked": "use another bundle: what a revoked key signed can't be dated",
            "policy.created": "use another bundle, or another policy",
            "policy.timestamp": "use another bundle, or another policy",
            "policy.signers": "add reproduction statements of other trusted keys "
            "(`specseal attest add`), or use another policy",
        }
        return VerificationFailed(
            f"{self.folder}: intact, but {first.message}", mend=mends[first.code]
        )


def _signer_line(standing: Standing) -> str:
    signature = standing.signature
    what = (
        "result"
        if signature.role == "result"
        else f"{signature.verdict} by sha256:{signature.reproduction}"
    )
    worth = "counts" if standing.objection is None else "does not count"
    line = (
        f"signer {signature.key} ({standing.status}, {worth}): {what}, "
        f"{render_time(signature.created)}"
    )
    why = standing.objection
    return printable(line if why is None else f"{line}: {why.message}")
