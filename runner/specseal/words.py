"""What a figure of a result is of, in words: how drafts were made, at which load, of what input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from specseal.analysis import Failure
from specseal.analysis.result import Where
from specseal.digests import canonical
from specseal.spec.figures import BASELINE as BASELINE
from specseal.spec.figures import LEVELS as LEVELS
from specseal.terminal import printable as printable  # where most look for it

Scalar = str | int | float | bool

ABSENT = "–"
USUAL_INPUT = "dataset"
_OF_A_RUN = {
    "speculation", "draft_length", "input", "category", "tier", "turn", "repeat", "job", *LEVELS,
}  # fmt: skip


def settings(where: Where) -> Where:
    """Return what a sweep varies, by path in the spec."""
    return {key: value for key, value in where.items() if key not in _OF_A_RUN}


def level(where: Where) -> str:
    """Return the load level: `concurrency 4`; empty where it is over all of them."""
    return " ".join(f"{name} {said(where[name])}" for name in LEVELS if name in where)


def drafting(where: Where) -> str:
    """Return method and draft length, as they stand in a table: `ngram 4`, or `none`."""
    method = said(where["speculation"])
    return f"{method} {said(where['draft_length'])}" if "draft_length" in where else method


def apart(where: Where) -> str:
    """Return what tells it from others of its load and draft length: `ngram, random, seed 3`."""
    return ", ".join((said(where["speculation"]), *_unusual(where)))


def broken(failure: Failure) -> str:
    """Return which job failed, and at which loads: `ngram 4, num 3, concurrency 4, repeat 1`."""
    where = failure.where
    levels = dict.fromkeys(filter(None, map(level, failure.missing)))
    repeat = f"repeat {int(where['repeat']) + 1}"
    return ", ".join((drafting(where), *_unusual(where), *levels, repeat))


def _unusual(where: Where) -> Iterator[str]:
    """Yield the input, unless it is the usual one, and what a sweep varies."""
    given = where.get("input", USUAL_INPUT)
    if given != USUAL_INPUT:
        yield said(given)
    for name, value in named(settings(where)).items():
        yield f"{name} {said(value)}"


def said(value: Scalar | None) -> str:
    """Return a value as people are shown it; nothing in it commands a terminal."""
    if value is None:
        return ABSENT
    return printable(value if isinstance(value, str) else canonical(value).decode())


def named(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return values by the last part of their path, where that tells them apart."""
    return {short: values[path] for path, short in short_names(values).items()}


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return the last part of each path by path; the whole path where two end alike."""
    ends = {path: path.rpartition(".")[2] for path in paths}
    taken = list(ends.values())
    return {
        path: printable(path if taken.count(end) > 1 or end in _OF_A_RUN else end)
        for path, end in ends.items()
    }
