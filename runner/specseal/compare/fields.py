"""What a difference between two setups is, and how one is looked for: rows and finders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from specseal.digests import canonical
from specseal.spec.locked import Lock
from specseal.words import printable, said

NAMED = 3
"""How many of many things are named; the others are counted."""
_DIGITS = 12
_T = TypeVar("_T")


class Kind(StrEnum):
    """What two results are to each other, the least different first."""

    SAME_RECIPE = "same recipe"
    OTHER_POINTS = "same recipe, other points"
    OTHER_HARDWARE = "same recipe, other hardware"
    OTHER_RECIPE = "other recipe"
    OTHER_DRAFTER = "other drafter"
    OTHER_ENGINE = "other engine"
    NOT_COMPARABLE = "not comparable"

    @property
    def rank(self) -> int:
        """Place among all kinds: the greater, the more is different."""
        return list(Kind).index(self)


ACCEPTANCE, OUTPUTS, SPEED, PAIRING = "acceptance", "outputs", "speed", "pairing"
"""What a field may change: how many drafts are accepted, what is generated, how fast, and whether
figures can be paired by prompt."""
EVERYTHING = (ACCEPTANCE, OUTPUTS, SPEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """One thing in which two setups differ."""

    group: str
    path: str
    """In the lock, or in the environment where it begins with `environment.`."""
    first: Any
    """Plain JSON types; None where there is none."""
    second: Any
    sentence: str
    spoils: tuple[str, ...]
    """What may differ because of it; nothing where it only is to be known."""
    makes: Kind | None
    """What it makes of the pair; None where it makes nothing of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        makes = None if self.makes is None else self.makes.value
        return {**asdict(self), "spoils": list(self.spoils), "makes": makes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a finder found to differ."""

    path: str
    first: Any
    second: Any
    detail: str = ""
    """What to say; empty: the two values."""
    key: str = ""
    """Which of several things of one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Generic[_T]):
    """One line of a table of what may differ."""

    group: str
    what: str
    """As a sentence begins."""
    find: Callable[[_T, _T], Iterable[Found]]
    makes: Kind | None
    spoils: tuple[str, ...] = EVERYTHING

    def differences(self, first: _T, second: _T) -> Iterator[FieldDifference]:
        """Yield what differs, in words: the second's instead of the first's."""
        for found in self.find(first, second):
            what = " ".join(filter(None, (self.what, printable(found.key))))
            told = found.detail or f"{shown(found.second)} instead of {shown(found.first)}"
            yield FieldDifference(
                group=self.group,
                path=found.path,
                first=found.first,
                second=found.second,
                sentence=f"{what}: {told}",
                spoils=self.spoils,
                makes=self.makes,
            )


def shown(value: Any) -> str:
    """Return any value in a few words."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(map(said, value))
    return (
        said(value)
        if isinstance(value, str | int | float)
        else printable(canonical(value).decode())
    )


def short(digest: str | None) -> str | None:
    """Return the first digits of a digest, which tell it from any other."""
    return None if digest is None else digest.removeprefix("sha256:")[:_DIGITS]


def counted(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    listed = sorted(names)
    more = len(listed) - NAMED
    told = ", ".join(map(printable, listed[:NAMED]))
    return f"{told} and {more} more" if more > 0 else told


def reads(path: str) -> Callable[[Lock], Any]:
    """Return what reads a field of a lock by its path; None where it is not there."""
    section, *keys = path.split(".")

    def read(lock: Lock) -> Any:
        value: Any = getattr(lock, section)
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return read


def at(path: str) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at one field of a lock: `engine.version`."""
    return value_of(path, reads(path))


def each_at(path: str, *, but: Iterable[str] = ()) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at each key of one object of a lock: `engine.args`."""
    return each_of(path, reads(path), but=but)


def value_of(path: str, read: Callable[[_T], Any]) -> Callable[[_T, _T], Iterator[Found]]:
    """Look at one value, however it is read."""

    def find(first: _T, second: _T) -> Iterator[Found]:
        one, other = read(first), read(second)
        if one != other:
            yield Found(path=path, first=one, second=other)

    return find


def each_of(
    path: str, read: Callable[[_T], Mapping[str, Any] | None], *, but: Iterable[str] = ()
) -> Callable[[_T, _T], Iterator[Found]]:
    """Look at each key of an object."""
    left_out = frozenset(but)

    def find(first: _T, second: _T) -> Iterator[Found]:
        one, other = read(first) or {}, read(second) or {}
        for key in sorted((one.keys() | other.keys()) - left_out):
            if one.get(key) != other.get(key):
                yield Found(
                    path=f"{path}.{key}", first=one.get(key), second=other.get(key), key=key
                )

    return find


def entries_of(
    path: str, read: Callable[[_T], Mapping[str, str] | None], *, kind: str
) -> Callable[[_T, _T], Iterator[Found]]:
    """Look at a list of things by name (files, packages): one finding that counts and names them.

    Args:
        path: of the list.
        read: returns digest or version by name; None where nobody knows, which differs from none.
        kind: what one is: `source file`.
    """

    def find(first: _T, second: _T) -> Iterator[Found]:
        one, other = read(first), read(second)
        if one == other:
            return
        if one is None or other is None:
            yield Found(path=path, first=_size(one), second=_size(other), detail="told of one only")
            return
        names = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
        total = len(one.keys() | other.keys())
        yield Found(
            path=path,
            first={key: one[key] for key in sorted(names & one.keys())},
            second={key: other[key] for key in sorted(names & other.keys())},
            detail=f"{len(names)} of {total} {kind}s differ: {counted(names)}",
        )

    return find


def _size(entries: Mapping[str, str] | None) -> int | None:
    return None if entries is None else len(entries)
