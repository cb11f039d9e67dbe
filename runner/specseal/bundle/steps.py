"""The steps of a verification as they are taken: each holds, or has findings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from specseal.bundle.findings import BundleBroken, Finding
from specseal.bundle.report import Check
from specseal.words import printable

MAX_FINDINGS = 20
"""How many findings of one step are listed."""

_T = TypeVar("_T")


class Steps:
    """The steps taken so far, each recorded as held or with its findings."""

    def __init__(self) -> None:
        """Begin, with no step taken."""
        self.checks: list[Check] = []

    @property
    def all_hold(self) -> bool:
        """Whether every step so far holds."""
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

    def find(self, code: str, finding: Finding) -> None:
        """Record what was found of a step after it had been taken: if it held, it does no more."""
        place, check = next(
            (place, check)
            for place, check in enumerate(self.checks)
            if check.code.partition(".")[0] == code
        )
        found = Check(finding.code, holds=False, message=printable(finding.message))
        self.checks[place : place + check.holds] = [found]

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
