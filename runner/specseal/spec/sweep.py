"""Sweeps: from one document to a document a combination of the values that it varies.

Each combination is a document like any other, so that it is read and checked whole. Its positions
are those of the file: what comes from the sweep lies where the sweep's value stands. What is then
found wrong in combinations is put back to where a person can change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

from specseal.digests import canonical
from specseal.spec.document import Document, Finding, Place, Position, dotted
from specseal.spec.endpoint import is_endpoint
from specseal.spec.schema import shown, spec_paths, suggestion

MOST_COMBINATIONS = 256
"""Each is at least one engine launch a repeat: more is a slip, or a run that nobody waits for."""

Scalar = str | int | float | bool

_SWEEPABLE = ("engine", "hardware", "model", "drafter", "baseline", "workload")
_WHOLE = ("apiVersion", "name", "title", "sweep", "claims", "assumptions")
"""Keys that are about the spec as a whole."""
_LIMITS = "workload.slo"
"""Judges what was measured, and is one for the run."""
_OF_RUNNING_SERVER = ("drafter", "hardware")
"""What a spec states of a running server, which nothing changes between two jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One combination of a sweep's values, applied."""

    indices: dict[str, int]
    """Which of its values each path has."""
    setting: dict[str, Scalar]
    """The values by path; what is no scalar as canonical JSON text."""
    document: Document


def sweep_problems(document: Document) -> Iterator[Finding]:
    """Yield what is wrong with a sweep itself, whatever its values do to the spec."""
    sweep = document.at("sweep")
    if not isinstance(sweep, dict):
        return
    for path, choices in sweep.items():
        if wrong := _not_swept(path, sweep) or _not_varied_by_sweep(path, document):
            yield document.at_key(("sweep", path), wrong)
        elif isinstance(choices, list):
            yield from _repeated(document, path, choices)
    count = prod(len(choices) for choices in sweep.values() if isinstance(choices, list))
    if count > MOST_COMBINATIONS:
        message = f"{count} combinations are more than {MOST_COMBINATIONS}: sweep fewer values"
        yield document.at_key(("sweep",), message)


def _not_swept(path: str, sweep: Iterable[str]) -> str | None:
    root = path.partition(".")[0]
    if root in _WHOLE:
        return f"{root} can't be swept: it is about the spec as a whole"
    outer = next((other for other in sweep if path.startswith(f"{other}.")), None)
    inside = f"lies inside {outer}, which is swept too: sweep one of them" if outer else None
    return wrong_path(path) or inside


def wrong_path(path: str) -> str | None:
    """Say why a path is none of what a spec asks to be run; None where it is one."""
    known = {known for known in spec_paths() if known.partition(".")[0] in _SWEEPABLE}
    is_inside_free_form = any(
        path.startswith(free[:-1]) and path != free[:-1] for free in known if free[-1] == "*"
    )
    if path.endswith("*") or not (path in known or is_inside_free_form):
        hint = suggestion(path, known) or "; a path reads like drafter.draft_length"
        return f"no such path in a spec{hint}"
    return None


def _not_varied_by_sweep(path: str, document: Document) -> str | None:
    """Say why a path would get other names for what stays the same."""
    if path == _LIMITS or path.startswith(f"{_LIMITS}."):
        return "limits judge what was measured, one set for the whole run: they can't be swept"
    if is_endpoint(document) and path.partition(".")[0] in _OF_RUNNING_SERVER:
        return "a running server is as it is: nothing varies this between two jobs"
    return None


def _repeated(document: Document, path: str, choices: list[Any]) -> Iterator[Finding]:
    seen: set[bytes] = set()
    for index, value in enumerate(choices):
        text = canonical(_scalar(value))
        if text in seen:
            yield document.at_value(("sweep", path, index), f"{shown(value)} is there twice")
        seen.add(text)


def combinations(document: Document, known: Sequence[Finding]) -> tuple[Combination, ...]:
    """Return every combination, in the order written, the last path varying fastest.

    Without a sweep there is one, the document itself. Paths that a finding is about are left out,
    so that the rest can be checked.

    Args:
        document: the spec.
        known: all that is known to be wrong with its form.
    """
    places = [finding.place for finding in known]
    sweep = document.at("sweep")
    if not isinstance(sweep, dict) or ("sweep",) in places:
        sweep = {}
    wrong = {place[1] for place in places if place[:1] == ("sweep",) and len(place) > 1}
    paths = [path for path in sweep if path not in wrong]
    return tuple(
        Combination(
            indices=dict(zip(paths, indices, strict=True)),
            setting={
                path: _scalar(sweep[path][index])
                for path, index in zip(paths, indices, strict=True)
            },
            document=_applied(document, dict(zip(paths, indices, strict=True))),
        )
        for indices in product(*(range(len(sweep[path])) for path in paths))
    )


def _scalar(value: Any) -> Scalar:
    return value if isinstance(value, Scalar) else canonical(value).decode()


def _applied(document: Document, indices: dict[str, int]) -> Document:
    """Return the document with the sweep's values in place, and without the sweep."""
    if not indices:
        return document
    value = deepcopy({key: item for key, item in document.value.items() if key != "sweep"})
    keys, values = dict(document.keys), dict(document.values)
    for path, index in indices.items():
        source: Place = ("sweep", path, index)
        target: Place = tuple(path.split("."))
        keys = _moved(keys, source, target)
        values = _moved(values, source, target)
        keys[target] = values[target]
        node = value
        for depth, key in enumerate(target[:-1], 1):
            if not isinstance(node.get(key), dict):
                # Not said in the spec; or no mapping, which the schema has told.
                node[key] = {}
                keys[target[:depth]] = values[target[:depth]] = document.keys["sweep", path]
            node = node[key]
        node[target[-1]] = deepcopy(document.value["sweep"][path][index])
    return Document(value=value, keys=keys, values=values, findings=())


def _moved(positions: dict[Place, Position], source: Place, target: Place) -> dict[Place, Position]:
    """Return the positions with those at and below `target` replaced by those of `source`."""
    kept = {place: where for place, where in positions.items() if not _is_in(place, target)}
    moved = {
        (*target, *place[len(source) :]): where
        for place, where in positions.items()
        if _is_in(place, source)
    }
    return kept | moved


def _is_in(place: Place, outer: Place) -> bool:
    return place[: len(outer)] == outer


def merged(document: Document, found: Sequence[tuple[Combination, list[Finding]]]) -> list[Finding]:
    """Return the findings of all combinations as findings of the file, each once.

    What is wrong in every combination is wrong with the spec, and stays where it is. The rest is
    shown at the sweep's value that brings it about, with the others that it takes named.

    Args:
        document: the spec.
        found: every combination and what is wrong with it.
    """
    cases: dict[tuple[Place, str], list[tuple[Combination, Finding]]] = {}
    for combination, findings in found:
        for finding in findings:
            cases.setdefault((finding.place, finding.message), []).append((combination, finding))
    every = [combination for combination, _ in found]
    unique: dict[tuple[Place, Place], Finding] = {}
    for (place, _), these in cases.items():
        for finding in _at_sweep(document, these, every):
            unique.setdefault((finding.place, place), finding)
    return list(unique.values())


def _at_sweep(
    document: Document, these: list[tuple[Combination, Finding]], every: list[Combination]
) -> Iterator[Finding]:
    """Yield one finding, which several combinations have, a value of the sweep to blame for it."""
    finding = these[0][1]
    path = _blamed(finding.place, [combination for combination, _ in these], every)
    if path is None:
        yield finding
        return
    by_index: dict[int, list[tuple[Combination, Finding]]] = {}
    for case in these:
        by_index.setdefault(case[0].indices[path], []).append(case)
    for index, cases in by_index.items():
        combination, finding = cases[0]
        among = [other for other in every if other.indices[path] == index]
        yield _blaming(document, path, combination, finding, always=len(cases) == len(among))


def _blamed(place: Place, having: list[Combination], every: list[Combination]) -> str | None:
    """Return the path whose value a finding is about, or depends on; None where it is on none."""
    paths = list(every[0].indices)
    for path in paths:
        if _is_in(place, tuple(path.split("."))):
            return path
    if len(having) == len(every):
        return None
    depends = (
        path
        for path in paths
        if len({one.indices[path] for one in having}) < len({one.indices[path] for one in every})
    )
    return next(depends, paths[0])


def _blaming(
    document: Document, path: str, combination: Combination, finding: Finding, *, always: bool
) -> Finding:
    """Return a finding at the sweep's value of `path`; `always`: whatever the others are."""
    target = tuple(path.split("."))
    seat: Place = ("sweep", path, combination.indices[path])
    is_inside = _is_in(finding.place, target)
    named = [
        f"{other} {shown(document.value['sweep'][other][index])}"
        for other, index in combination.indices.items()
        if (not is_inside if other == path else not always)
    ]
    about = "" if is_inside else f"{dotted(finding.place)}: "
    return replace(
        finding,
        place=(*seat, *finding.place[len(target) :]) if is_inside else seat,
        position=finding.position if is_inside else document.values[seat],
        message=(f"with {', '.join(named)}: " if named else "") + about + finding.message,
        meant=None,
    )
