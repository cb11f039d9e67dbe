"""Are two locks about the same model and the same prompts? Finders that take several fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from specseal.compare.fields import Found, counted, short
from specseal.spec.locked import Lock

FORMATS = ("gguf-to-safetensors",)
"""Preparation steps after which a model is the same in another file format."""


def source_files(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of a lock's model or drafter before any preparation step."""
    files: list[dict[str, Any]] = (
        section["steps"][0]["from"] if section["steps"] else section["files"]
    )
    return files


def changes(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that made another model of it: what they did, and how much."""
    return [
        {key: step[key] for key in ("step", "layers") if key in step}
        for step in section["steps"]
        if step["step"] not in FORMATS
    ]


def files_of(name: str) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at a model's files before any step; by content, whatever they are called."""
    path = f"{name}.files"

    def find(first: Lock, second: Lock) -> Iterator[Found]:
        one, other = (source_files(getattr(lock, name)) for lock in (first, second))
        yield from _unlike(path, one, other)

    return find


def made_files_of(name: str) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at the files that the same steps made of the same files."""

    def find(first: Lock, second: Lock) -> Iterator[Found]:
        one, other = getattr(first, name), getattr(second, name)
        steps = [[step["step"] for step in section["steps"]] for section in (one, other)]
        same_origin = _contents(source_files(one)) == _contents(source_files(other))
        if steps[0] and steps[0] == steps[1] and changes(one) == changes(other) and same_origin:
            yield from _unlike(f"{name}.files", one["files"], other["files"])

    return find


def steps_of(name: str) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at what made another model of the files."""

    def find(first: Lock, second: Lock) -> Iterator[Found]:
        one, other = (changes(getattr(lock, name)) for lock in (first, second))
        if one != other:
            yield Found(path=f"{name}.steps", first=_told(one), second=_told(other))

    return find


def format_of(name: str) -> Callable[[Lock, Lock], Iterator[Found]]:
    """Look at the file format into which the files were converted."""

    def find(first: Lock, second: Lock) -> Iterator[Found]:
        one, other = (
            [step["step"] for step in getattr(lock, name)["steps"] if step["step"] in FORMATS]
            for lock in (first, second)
        )
        if one != other:
            yield Found(
                path=f"{name}.steps",
                first=one or ["as it came"],
                second=other or ["as it came"],
            )

    return find


def questions(first: Lock, second: Lock) -> Iterator[Found]:
    """Look at the measured conversations: are there any in both, and with the same texts?"""
    one, other = used_prompts(first), used_prompts(second)
    both = one.keys() & other.keys()
    if not both:
        yield Found(
            path="prompts.conversations",
            first=len(one),
            second=len(other),
            detail="not one conversation is in both: figures are of different work",
        )
    texts = [{row["id"]: row["sha256"] for row in lock.dataset["rows"]} for lock in (first, second)]
    unlike = [name for name in sorted(both) if texts[0].get(name) != texts[1].get(name)]
    if unlike:
        yield Found(
            path="dataset.rows",
            first=[texts[0].get(name) for name in unlike],
            second=[texts[1].get(name) for name in unlike],
            detail=f"{len(unlike)} of {len(both)} have the same id and another text: "
            f"{counted(unlike)}",
        )


def prompts(first: Lock, second: Lock) -> Iterator[Found]:
    """Look at the token ids of the conversations that both measured."""
    one, other = used_prompts(first), used_prompts(second)
    unlike = [name for name in sorted(one.keys() & other.keys()) if one[name] != other[name]]
    if unlike:
        yield Found(
            path="prompts.conversations",
            first=[one[name] for name in unlike],
            second=[other[name] for name in unlike],
            detail=f"{len(unlike)} of {len(one.keys() & other.keys())} conversations have other "
            f"tokens: {counted(unlike)}",
        )


def unused_prompts(first: Lock, second: Lock) -> Iterator[Found]:
    """Look at the whole file of prompts, where what was measured of it is the same."""
    one, other = first.prompts["sha256"], second.prompts["sha256"]
    if one != other and not [*questions(first, second), *prompts(first, second)]:
        yield Found(
            path="prompts.sha256", first=one, second=other, detail="only among those unused"
        )


def conversations(first: Lock, second: Lock) -> Iterator[Found]:
    """Look at which conversations were sent."""
    one, other = (set(lock.points["conversations"]) for lock in (first, second))
    if one != other:
        yield Found(
            path="points.conversations",
            first=len(one),
            second=len(other),
            detail=f"{len(other)} instead of {len(one)}, {len(one & other)} of them in both",
        )


def rows(first: Lock, second: Lock) -> Iterator[Found]:
    """Look at all rows of the data set by id and content, be they measured or not."""
    one, other = (
        {row["id"]: row["sha256"] for row in lock.dataset["rows"]} for lock in (first, second)
    )
    if one != other:
        same = sum(one.get(name) == digest for name, digest in other.items())
        yield Found(
            path="dataset.rows",
            first=len(one),
            second=len(other),
            detail=f"{len(other)} instead of {len(one)}, {same} of them alike",
        )


def used_prompts(lock: Lock) -> dict[str, str]:
    """Return the digest of each measured conversation's prompts, by id."""
    used = set(lock.points["conversations"])
    return {row["id"]: row["sha256"] for row in lock.prompts["conversations"] if row["id"] in used}


def _unlike(
    path: str, one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> Iterator[Found]:
    mine, theirs = _contents(one), _contents(other)
    if mine == theirs:
        return
    only = [
        [
            f"{file['path']} ({short(file['sha256'])})"
            for file in files
            if file["sha256"] not in known
        ]
        for files, known in ((one, theirs), (other, mine))
    ]
    yield Found(path=path, first=only[0], second=only[1])


def _contents(files: Sequence[Mapping[str, Any]]) -> set[str]:
    return {file["sha256"] for file in files}


def _told(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{step['step']} {step.get('layers', '')}".strip() for step in steps]
