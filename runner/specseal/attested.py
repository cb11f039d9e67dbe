"""What was attested later about a bundle that has landed: looked at, and added where it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from specseal.bundle import Additions, Report, Trust
from specseal.bundle.layout import MAX_PARSED_BYTES, TIMESTAMP, max_addition_bytes
from specseal.bundle.manifest import path_problem
from specseal.delivery import Entry, Held, Landing, Limits, RegistrySource
from specseal.errors import AnswerIsNo, MachineLacks, RegistryError, VerificationFailed
from specseal.registry import KeepsFailing

_MAX_LATER_FILES = 3

Say = Callable[[str], None]


def add_later(
    landing: Landing, later: Sequence[RegistrySource], report: Report, trust: Trust, say: Say
) -> tuple[Report, int]:
    """Add what was attested later: what holds alone, and of timestamps one.

    Returns:
        The report of what is there now, and how many were added.
    """
    additions = Additions(report, trust)
    stamps: list[tuple[bool, datetime, Held]] = []
    added: list[tuple[Entry, ...]] = []

    def add(one: Held) -> None:
        try:
            added.append(landing.add(one, _later_limits()))
        except AnswerIsNo as error:
            say(f"attestation left out: {error.message}")

    for source in later:
        try:
            held = Held(source, _later_limits())
        except (AnswerIsNo, RegistryError, KeepsFailing) as error:
            say(f"attestation left out: {source.name}: {error.message}")
            continue
        try:
            stamp = additions.check(held.files)
        # Lacking what reads a timestamp is no reason to do without the bundle.
        except (AnswerIsNo, MachineLacks) as error:
            say(f"attestation left out: {source.name}: {error.message}")
            continue
        if stamp is None:
            add(held)
        else:
            stamps.append((not stamp.believed, stamp.time, held))
    # A bundle has one: what the policy asks for before others, and of equals the oldest.
    for place, (_, _, held) in enumerate(sorted(stamps, key=lambda one: one[:2])):
        if place == 0:
            add(held)
        else:
            say(f"attestation left out: {held.name}: there is another timestamp")
    if not added:
        return report, 0
    whole = trust.verify(landing.tree)
    try:
        whole.demand(trust=False, name=landing.origin)
    except VerificationFailed as error:
        landing.remove(entry for entries in added for entry in entries)
        say(f"attestations left out: the bundle would not hold with them: {error.message}")
        return report, 0
    return whole, len(added)


def _later_limits() -> Limits:
    """Return what one statement may bring: with its key, and what it is told with."""
    return Limits(
        max_files=_MAX_LATER_FILES,
        max_bytes=_MAX_LATER_FILES * MAX_PARSED_BYTES[TIMESTAMP],
        max_file_bytes=lambda path: max_addition_bytes(path) or 0,
        path_problem=_later_path_problem,
    )


def _later_path_problem(path: str) -> str | None:
    if problem := path_problem(path):
        return problem
    return "is nothing that is added later" if max_addition_bytes(path) is None else None
