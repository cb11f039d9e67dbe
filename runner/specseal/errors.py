"""All errors a user can meet, each class with its exit code.

An error says what failed, where, why, and how to mend it. `cli.main` catches `SpecsealError`
once, prints it and exits with the class's code; nothing else turns an exception into an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SpecsealError(Exception):
    """Base of every error that is the user's to read.

    Args:
        message: one clear sentence: what failed, where and why.
        mend: what to do about it, as an instruction; shown on a line of its own.
    """

    exit_code = 4

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        """Return the message, and the mend where there is one."""
        return f"{self.message}\n  mend: {self.mend}" if self.mend else self.message


class AnswerIsNo(SpecsealError):
    """The question was understood and the answer is not yes (verification failed, stale lock)."""

    exit_code = 1


class VerificationFailed(AnswerIsNo):
    """A bundle is not what its signature says, or its signer is not trusted."""


class WrongBytes(AnswerIsNo):
    """What was sent is not what its digest says."""


class InputError(SpecsealError):
    """What the user wrote can't be meant: a spec, a flag, a file."""

    exit_code = 2


class Dishonoured(InputError):
    """An engine can't do what a spec asks of it.

    Args:
        place: where the spec asks for it: ("drafter", "draft_length").
        message: what can't be, and what can.
    """

    def __init__(self, place: tuple[str, ...], message: str) -> None:
        super().__init__(f"{'.'.join(place)}: {message}")
        self.place, self.reason = place, message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where it is (1-based) and what was expected."""

    path: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: where: message`, as editors parse it."""
        prefix = f"{self.path}:{self.line}:{self.column}: "
        return prefix + (f"{self.where}: {self.message}" if self.where else self.message)


class SpecError(InputError):
    """A spec (or another file that a person writes) has problems; all of them at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LockError(InputError):
    """A lock is stale, altered, or names something that is not there."""


class RegistryError(InputError):
    """A registry has not got what it was asked for, not for us, or not in a form we can read."""


class MachineLacks(SpecsealError):
    """This machine lacks something the run needs; the mend names it."""

    exit_code = 3


class RunFailed(SpecsealError):
    """The run stopped; finished jobs are kept and `specseal run` goes on from them."""

    exit_code = 4


class ProgramFailed(RunFailed):
    """A program that was run alone ended with an exit code other than 0."""


class JobFailed(RunFailed):
    """What broke is one job's own: that is its result.

    The other jobs of the run go on, and the bundle keeps the reason.
    """


class EngineFailed(JobFailed):
    """An engine died, failed, or did not do as asked."""


class ClientFailed(JobFailed):
    """The load generator of one job was killed, or broke: what it needed was too much there."""
