"""What a result says beyond its table: best draft lengths, crossovers, random tokens, failures, and
what no check could watch.

Each sentence comes with the codes of whatever spoils it, for the notes to explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from specseal.analysis import Candidate, Choice, Crossover, Failure, Metric, Result
from specseal.analysis.result import Where
from specseal.digests import canonical
from specseal.words import (
    BASELINE,
    LEVELS,
    apart,
    broken,
    drafting,
    level,
    named,
    printable,
    said,
    settings,
)

_IN_WORDS = {"faster_at_no_level", "faster_at_every_level", "faster_again_at_higher_level"}
"""Codes that say of a crossover what its sentence says."""
_NOT_WATCHED = "not_watched"
_WATCHED = {
    "other_cpu_share": "whether others used its CPUs",
    "accelerator_throttled_share": "whether accelerators throttled their clocks",
}
"""Metric that a check watches → what that would have told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One line under a table."""

    text: str
    reasons: tuple[str, ...] = ()
    """Codes: why it can't be trusted, or why something is not in it."""


def sentences(result: Result) -> tuple[Sentence, ...]:
    """Return all that a result says in words; failures come first."""
    return (
        *map(_failure, result.failures),
        *(_choice(choice) for choice in result.choices if _has_lengths(choice)),
        *map(_crossover, result.crossovers),
        *_overestimates(result.metrics),
        *_not_watched(result.metrics),
    )


def _failure(failure: Failure) -> Sentence:
    return Sentence(text=f"failed: {broken(failure)}: {printable(failure.reason)}")


def _has_lengths(choice: Choice) -> bool:
    """Say whether there was a length to choose: of one alone, the table says all."""
    return sum(candidate.draft_length > 0 for candidate in choice.candidates) > 1


def _choice(choice: Choice) -> Sentence:
    start = f"best draft length at {level(choice.where)} ({apart(choice.where)}): "
    best = next((one for one in choice.candidates if one.draft_length == choice.best), None)
    if best is None:
        text = f"{start}can't be told ({_codes(choice.reasons)})"
        return Sentence(text=text, reasons=choice.reasons)
    text = start + _length(best) + _as_good(choice)
    return Sentence(text=text + _mark(choice), reasons=choice.reasons)


def _length(best: Candidate) -> str:
    if best.draft_length == 0:
        return "0, no speculation"
    if best.speedup is None:
        return f"{best.draft_length}, {best.user_tps or 0.0:.1f} user tok/s"
    return f"{best.draft_length}, {best.speedup:.2f}× the baseline{_ends(best.low, best.high)}"


def _as_good(choice: Choice) -> str:
    if choice.as_good is None:
        return f"; whether others are as good can't be told ({_codes(choice.reasons)})"
    if not choice.as_good:
        return "; every other is significantly slower"
    lengths = [str(length) for length in (choice.best, *choice.as_good)]
    return f"; no significant difference between {', '.join(lengths[:-1])} and {lengths[-1]}"


def _crossover(crossover: Crossover) -> Sentence:
    start = f"crossover ({apart(crossover.where)}): "
    up_to, beyond, along = crossover.faster_up_to, crossover.not_faster_from, crossover.along
    if up_to is None and beyond is None:
        text = f"{start}can't be told ({_codes(crossover.reasons)})"
        return Sentence(text=text, reasons=crossover.reasons)
    if up_to is None:
        text = f"speculation is significantly faster at no {along} measured"
    elif beyond is None:
        text = f"speculation is significantly faster at every {along} measured"
    elif up_to < beyond:
        text = (
            f"speculation is significantly faster up to {along} {up_to:g}, not from {beyond:g} on"
        )
    else:
        text = f"speculation is significantly faster at {along} {up_to:g}, but not at {beyond:g}"
    doubts = tuple(code for code in crossover.reasons if code not in _IN_WORDS)
    return Sentence(text=start + text + _mark(crossover), reasons=doubts)


def _overestimates(metrics: Iterable[Metric]) -> Iterator[Sentence]:
    """Yield a sentence a load level: how far random tokens mislead, without drafting and with."""
    lengths = {canonical(m.where): m for m in metrics if m.name == "acceptance_length"}
    found: dict[bytes, list[Metric]] = {}
    for metric in metrics:
        if metric.name == "random_overestimate" and any(key in metric.where for key in LEVELS):
            found.setdefault(_level_and_setting(metric.where), []).append(metric)
    for group in found.values():
        first = group[0].where
        varied = "".join(f", {key} {said(value)}" for key, value in named(settings(first)).items())
        yield Sentence(
            text=f"random tokens at {level(first)}{varied} overestimate output tok/s: "
            + "; ".join(_overestimate(metric, lengths) for metric in group),
            reasons=tuple(
                code
                for metric in group
                if metric.low is None or not metric.valid
                for code in metric.reasons
            ),
        )


def _overestimate(metric: Metric, lengths: dict[bytes, Metric]) -> str:
    how = drafting(metric.where)
    how = "without drafting" if how == BASELINE else f"with {how}"
    if metric.value is None:
        return f"{how}: can't be told ({_codes(metric.reasons)})"
    ends = _ends(metric.low, metric.high, scale=100, digits=1, sign="+")
    text = f"{how} {100 * metric.value:+.1f}%{ends}"
    random, dataset = (
        lengths.get(canonical({**metric.where, "input": given})) for given in ("random", "dataset")
    )
    if random and dataset and random.value is not None and dataset.value is not None:
        text += f" (AL {random.value:.2f} against {dataset.value:.2f})"
    return text + _mark(metric)


def _not_watched(metrics: Iterable[Metric]) -> Iterator[Sentence]:
    """Yield one sentence of all that nobody could look at: where nothing fires, it may still be."""
    unseen = {metric.name for metric in metrics if _NOT_WATCHED in metric.reasons}
    if told := [what for name, what in _WATCHED.items() if name in unseen]:
        text = f"not watched in every phase: {'; '.join(told)}"
        yield Sentence(text=text, reasons=(_NOT_WATCHED,))


def _level_and_setting(where: Where) -> bytes:
    return canonical({key: where[key] for key in LEVELS if key in where} | settings(where))


def _ends(
    low: float | None, high: float | None, *, scale: int = 1, digits: int = 2, sign: str = ""
) -> str:
    if low is None or high is None:
        return ""
    return f" [{scale * low:{sign}.{digits}f}, {scale * high:{sign}.{digits}f}]"


def _mark(of: Choice | Crossover | Metric) -> str:
    return "" if of.valid else " !"


def _codes(reasons: Iterable[str]) -> str:
    return ", ".join(map(printable, reasons))
