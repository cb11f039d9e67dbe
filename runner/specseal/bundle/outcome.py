"""What makes a run that has its bundle still not a good one: jobs that failed, figures spoilt."""

from __future__ import annotations

from specseal.analysis import Choice, Crossover, Metric, Result
from specseal.analysis.validity import CHECKS
from specseal.errors import RunFailed
from specseal.words import broken


def demand_outcome(result: Result, *, strict: bool) -> None:
    """Raise for what is wrong with a result, everything having been written.

    Args:
        result: of the run.
        strict: whether a validity check that fires is as bad as a job that failed.

    Raises:
        RunFailed: a job failed; or, if strict, a check fired.
    """
    if result.failures:
        jobs = [f"{broken(failure)}: {failure.reason}" for failure in result.failures]
        raise RunFailed(
            f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} failed, and the bundle says so:\n  "
            + "\n  ".join(jobs),
            mend="mend that and run again: finished jobs are kept, failed ones are tried again",
        )
    if strict and (codes := fired(result)):
        raise RunFailed(
            f"--strict: not every figure is valid: {', '.join(codes)}",
            mend="`specseal show` on the bundle says which, and what each code means",
        )


def fired(result: Result) -> tuple[str, ...]:
    """Return the codes of the validity checks that spoil something, in the order of the checks.

    Codes that only say why there is no figure or no interval are not among them.
    """
    parts: tuple[Metric | Choice | Crossover, ...] = (
        *result.metrics,
        *result.choices,
        *result.crossovers,
    )
    found = {reason for part in parts for reason in part.reasons}
    return tuple(check.code for check in CHECKS if check.code in found)
