"""What can be wrong with a bundle: findings, each a code and a sentence, raised all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from specseal.errors import InputError, VerificationFailed


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


@contextmanager
def nothing_raised(code: str, what: str) -> Iterator[None]:
    """Turn what hostile contents make their readers raise into a finding: all of it means no.

    Raises:
        BundleBroken: of what the code within has raised, whatever it was.
    """
    try:
        yield
    except (
        ArithmeticError, AttributeError, InputError, LookupError, RecursionError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise broken(code, f"{what}: {type(error).__name__}: {error}") from error
