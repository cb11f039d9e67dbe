"""What the engine's counters say happened in a phase: after − before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from specseal.records import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterChange:
    """Counters over one phase; None where the engine has no such counter or it can't be trusted."""

    told: bool
    """There is a snapshot. There is none where the engine has no counters at all, which is no fault
    of the phase; a source that there is and that fails leaves one, or fails the job."""
    settled: bool
    """Both snapshots are there, both were read at rest, and no counter went down."""
    drafts: int | None = None
    draft_tokens: int | None = None
    accepted_tokens: int | None = None
    accepted_per_position: tuple[int, ...] | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens that came from a cache."""


def counter_change(before: Snapshot | None, after: Snapshot | None) -> CounterChange:
    """Subtract two snapshots. A counter that went down has no change, and nothing is settled."""
    if before is None or after is None:
        return CounterChange(told=before is not after, settled=False)
    drafts = _difference(before.drafts, after.drafts)
    draft_tokens = _difference(before.draft_tokens, after.draft_tokens)
    accepted = _difference(before.accepted_tokens, after.accepted_tokens)
    output = _difference(before.output_tokens, after.output_tokens)
    prompt = _difference(before.prompt_tokens, after.prompt_tokens)
    # Like a position, it may appear only with the first token that it counts.
    cached = _difference(before.cached_tokens or 0, after.cached_tokens)
    positions = _position_differences(before.accepted_per_position, after.accepted_per_position)
    went_down = any(
        change is not None and change < 0
        for change in (drafts, draft_tokens, accepted, output, prompt, cached, *(positions or ()))
    )
    if went_down:
        return CounterChange(told=True, settled=False)
    return CounterChange(
        told=True,
        settled=before.settled and after.settled,
        drafts=drafts,
        draft_tokens=draft_tokens,
        accepted_tokens=accepted,
        accepted_per_position=positions,
        output_tokens=output,
        prompt_tokens=prompt,
        cached_tokens=cached,
    )


def total(changes: Iterable[int | None]) -> int | None:
    """Return the sum, or None where there is nothing or a part is unknown."""
    known = []
    for change in changes:
        if change is None:
            return None
        known.append(change)
    return sum(known) if known else None


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _position_differences(
    before: tuple[int, ...] | None, after: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    if before is None or after is None:
        return None
    # A counter that appears with its first event is absent, not zero, in the earlier snapshot.
    return tuple(late - early for early, late in zip_longest(before, after, fillvalue=0))
