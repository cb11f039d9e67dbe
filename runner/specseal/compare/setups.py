"""What differs between what two results were measured with: locks and environments, in words.

Plan:

1. Pair the variants of two sweeps by what they set; where none are alike, take the two in which
   least differs.
2. Hold each pair of locks against each other by the table in `locks`, and the environments by that
   in `environments`.
3. What two results are to each other is the most that any difference makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from specseal.compare.environments import ENVIRONMENT
from specseal.compare.fields import FieldDifference, Kind, short
from specseal.compare.inputs import source_files, used_prompts
from specseal.compare.locks import LOCK
from specseal.compare.side import Side
from specseal.digests import canonical, sha256_value
from specseal.spec.locked import RECIPE_SECTIONS, Lock, Variant
from specseal.words import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupDifferences:
    """All that differs between what two results were measured with."""

    kind: Kind
    fields: tuple[FieldDifference, ...]
    """Grouped, in the order of the tables."""
    equal: tuple[str, ...]
    """What figures must share to be about the same thing, and do share, with its digest."""

    @property
    def deciding(self) -> tuple[FieldDifference, ...]:
        """The differences that make the pair what it is."""
        return tuple(field for field in self.fields if field.makes == self.kind)

    def sentences(self) -> tuple[str, ...]:
        """Return what the two are to each other and why, and then a line a group."""
        why = ", ".join(dict.fromkeys(printable(field.path) for field in self.deciding))
        grouped = groupby(self.fields, key=lambda field: field.group)
        return (
            f"{self.kind}{f': {why}' if why else ''}",
            *(f"{name}: {'; '.join(field.sentence for field in group)}" for name, group in grouped),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "kind": self.kind.value,
            "deciding": list(dict.fromkeys(field.path for field in self.deciding)),
            "fields": [field.to_dict() for field in self.fields],
            "equal": list(self.equal),
        }


def setup_differences(first: Side, second: Side) -> SetupDifferences:
    """Return what differs between two results' locks and environments."""
    # (1)
    pairs = list(_paired(first.lock, second.lock))
    # (2)
    found = [*_sweeps(first.lock, second.lock)]
    for one, other in pairs:
        found += _lock_differences(one.lock, other.lock)
    for row in ENVIRONMENT:
        found += row.differences(first, second)
    groups = [*(row.group for row in LOCK), *(row.group for row in ENVIRONMENT)]
    once = {(field.path, field.sentence): field for field in found}.values()
    fields = tuple(sorted(once, key=lambda field: groups.index(field.group)))
    # (3)
    kinds = [field.makes for field in fields if field.makes is not None]
    if any(one.lock.recipe != other.lock.recipe for one, other in pairs):
        kinds.append(Kind.OTHER_RECIPE)
    kind = max(kinds, key=lambda kind: kind.rank, default=Kind.SAME_RECIPE)
    return SetupDifferences(kind=kind, fields=fields, equal=tuple(_equal(pairs)))


def _lock_differences(first: Lock, second: Lock) -> Iterator[FieldDifference]:
    for row in LOCK:
        yield from row.differences(first, second)


def _paired(first: Lock, second: Lock) -> Iterator[tuple[Variant, Variant]]:
    ones, others = first.variants_in_full(), second.variants_in_full()
    by_setting = {canonical(one.setting): one for one in ones}
    common = [
        (by_setting[canonical(other.setting)], other)
        for other in others
        if canonical(other.setting) in by_setting
    ]
    if common:
        yield from common
    else:
        pairs = ((one, other) for one in ones for other in others)
        yield min(pairs, key=lambda pair: _apart(pair[0].lock, pair[1].lock))


def _apart(first: Lock, second: Lock) -> int:
    """Return in how many keys of their sections two locks differ."""
    return sum(
        mine.get(key) != theirs.get(key)
        for mine, theirs in (
            (getattr(first, name), getattr(second, name))
            for name in (*RECIPE_SECTIONS, "hardware", "points")
        )
        for key in mine.keys() | theirs.keys()
    )


def _sweeps(first: Lock, second: Lock) -> Iterator[FieldDifference]:
    settings = [
        {canonical(one.setting).decode() for one in lock.variants_in_full()} - {"{}"}
        for lock in (first, second)
    ]
    if settings[0] == settings[1]:
        return
    told = [f"{len(setting)} variants" if setting else "none" for setting in settings]
    yield FieldDifference(
        group="points",
        path="sweep",
        first=sorted(settings[0]),
        second=sorted(settings[1]),
        sentence=f"sweep: {told[1]} instead of {told[0]}, {len(settings[0] & settings[1])} in both",
        spoils=(),
        makes=Kind.OTHER_POINTS,
    )


def _drafting(lock: Lock) -> list[Any]:
    return [lock.drafter["method"], lock.points["draft_length"], lock.drafter["args"]]


_SHARED: dict[str, Callable[[Lock], Any]] = {
    "prompts (token ids)": used_prompts,
    "model files before any step": lambda lock: sorted(
        file["sha256"] for file in source_files(lock.model)
    ),
    "drafting": _drafting,
    "sampling": lambda lock: lock.sampling,
    "load": lambda lock: lock.points["load"],
    "load generator": lambda lock: lock.client,
}
"""What is named where it is equal: what figures must share to be about the same thing."""


def _equal(pairs: Iterable[tuple[Variant, Variant]]) -> Iterator[str]:
    both = [(one.lock, other.lock) for one, other in pairs]
    for what, read in _SHARED.items():
        values = [(read(one), read(other)) for one, other in both]
        if all(one == other for one, other in values):
            digest = sha256_value([one for one, _ in values] if len(values) > 1 else values[0][0])
            yield f"{what}: equal ({short(digest)})"
