"""What can be wrong with a bundle: findings, each a code and a sentence, raised all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specseal.errors import VerificationFailed


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: `step.what` as a code, and a sentence that names the file and the reason."""

    code: str
    message: str


class BundleBroken(VerificationFailed):
    """A bundle, or a part of it, does not hold. Carries every finding of the step that failed."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(finding.message for finding in self.findings))


def broken(code: str, message: str) -> BundleBroken:
    """Return the error of a single finding."""
    return BundleBroken((Finding(code, message),))
