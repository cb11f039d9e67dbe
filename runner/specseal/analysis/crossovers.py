"""Up to which load level speculation pays: read off the choices at all levels.

In: choices, each at one load level. Out: for each method, input and setting the largest level at
which speculation at its best length is significantly faster than the baseline, and the smallest at
which it is not. Significant: the interval of the speedup, which is corrected for all lengths of
the level, lies above 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specseal.analysis.result import Candidate, Choice, Crossover
from specseal.digests import canonical

_LEVELS = ("concurrency", "rate")
_BASELINE_LENGTH = 0


def crossovers(choices: Iterable[Choice]) -> tuple[Crossover, ...]:
    """Return the crossover of all choices that differ in their load level alone."""
    groups: dict[bytes, list[Choice]] = {}
    for choice in choices:
        rest = {key: value for key, value in choice.where.items() if key not in _LEVELS}
        groups.setdefault(canonical([rest, _along(choice)]), []).append(choice)
    return tuple(_crossover(group) for group in groups.values() if len(group) > 1)


def _along(choice: Choice) -> str:
    return next(level for level in _LEVELS if level in choice.where)


def _crossover(group: Sequence[Choice]) -> Crossover:
    along = _along(group[0])
    told = {_level(choice, along): _is_faster(choice) for choice in group}
    faster = [level for level, is_faster in told.items() if is_faster is True]
    not_faster = [level for level, is_faster in told.items() if is_faster is False]
    reasons = dict.fromkeys(code for choice in group for code in choice.reasons)
    return Crossover(
        where={key: value for key, value in group[0].where.items() if key != along},
        along=along,
        faster_up_to=max(faster, default=None),
        not_faster_from=min(not_faster, default=None),
        valid=all(choice.valid for choice in group),
        reasons=(*reasons, *_why(group, faster, not_faster, told=None not in told.values())),
    )


def _why(
    group: Sequence[Choice],
    faster: Sequence[float],
    not_faster: Sequence[float],
    *,
    told: bool,
) -> tuple[str, ...]:
    if any(choice.candidates[0].draft_length != _BASELINE_LENGTH for choice in group):
        return ("no_baseline",)
    if faster and not_faster:
        return ("faster_again_at_higher_level",) if max(faster) > min(not_faster) else ()
    if not told:
        return ()  # the choice that can't tell says why
    if faster:
        return ("faster_at_every_level",)
    return ("faster_at_no_level",) if not_faster else ()


def _level(choice: Choice, along: str) -> int | float:
    level = choice.where[along]
    if not isinstance(level, int | float):
        raise TypeError(f"a load level is a number, not {level!r}")
    return level


def _is_faster(choice: Choice) -> bool | None:
    """Tell whether the best length that speculates is significantly faster; None: can't tell."""
    speculating = [one for one in choice.candidates if one.draft_length != _BASELINE_LENGTH]
    low = max(speculating, key=_user_tps).low
    return None if low is None else low > 1


def _user_tps(candidate: Candidate) -> float:
    return candidate.user_tps or 0.0
