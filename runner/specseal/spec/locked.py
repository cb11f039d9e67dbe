"""The Lock: every input of a Spec as a content digest. A value, its reader and its writer.

`specseal.lock` makes one; this module only says what it holds and what its digests mean. Sections:

    spec      name and digest of the spec it was made from, and the names it gives to things:
              where model, data set and image were found          (not part of the recipe)
    engine    name, version, accelerator family, and its image: official (index and manifest
              digest), built from wheels (Dockerfile tree, base, wheels), or built on an official
              one (Dockerfile tree, and that image as its base)
    client    source tree and image inputs of the load generator
    model     every file with size and SHA-256; tokenizer and chat template
    drafter   method, its arguments, and its model's files where it has one
    dataset   a digest a row
    encoder   the program that rendered and encoded them; null where text is sent
                                                                  (not part of the recipe)
    prompts   the rendered and encoded prompts: one digest for the file, one a conversation
    sampling  what every request sends
    hardware  what the spec asks of the machine                   (not part of the recipe)
    points    load, inputs, conversations of every phase, repeats, draft length, baseline, seed,
              objectives                                          (not part of the recipe)
    variants  of a sweep: what each sets, and the sections in which it differs from the first,
              whose sections stand above; empty without a sweep
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from specseal.digests import Digest, canonical, sha256_bytes, sha256_value
from specseal.errors import LockError
from specseal.json_schema import Schema

SCHEMA = "specseal/lock/1"
MEND = "make it again with `specseal lock SPEC`"
MESSAGE_CHARACTERS = 300
RECIPE_SECTIONS = (
    "engine", "client", "model", "drafter", "dataset", "prompts", "sampling",
)  # fmt: skip
CONVERSATIONS = "conversations"
"""Which of the prompts were to be sent, in whatever order: no section, but part of the points."""
_VARIED = (*RECIPE_SECTIONS, "spec", "encoder", "hardware", "points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock. Sections are plain JSON objects; `lock.v1.json` names their keys."""

    spec: dict[str, Any]
    engine: dict[str, Any]
    client: dict[str, Any]
    model: dict[str, Any]
    drafter: dict[str, Any]
    dataset: dict[str, Any]
    encoder: dict[str, Any] | None
    prompts: dict[str, Any]
    sampling: dict[str, Any]
    hardware: dict[str, Any]
    points: dict[str, Any]
    variants: list[dict[str, Any]] = field(default_factory=list)
    """`{"setting": {path: value}, "sections": {name: section}}` each."""
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    def to_bytes(self) -> bytes:
        """Return the file's bytes: canonical JSON and a final newline."""
        return canonical(self.to_dict()) + b"\n"

    @property
    def digest(self) -> Digest:
        """SHA-256 of the file's bytes."""
        return sha256_bytes(self.to_bytes())

    @property
    def recipe(self) -> Digest:
        """SHA-256 over what was run, without hardware, point-level fields and what a sweep varies.

        Two results with one recipe digest ran the same thing.
        """
        wholes = [variant.lock.to_dict() for variant in self.variants_in_full()]
        parts = [{key: whole[key] for key in RECIPE_SECTIONS} for whole in wholes]
        return sha256_value(reduce(_common, parts))

    def section_digests(self) -> dict[str, Digest]:
        """Return the SHA-256 of each recipe section, by name.

        Of a sweep whose variants differ in a section, of the list of what they have, each once: so
        that what only other sections vary has no part in it.
        """
        wholes = [variant.lock.to_dict() for variant in self.variants_in_full()]
        digests: dict[str, Digest] = {}
        for name in RECIPE_SECTIONS:
            unlike = {sha256_value(whole[name]): whole[name] for whole in wholes}
            digests[name] = next(iter(unlike))
            if len(unlike) > 1:
                digests[name] = sha256_value(list(unlike.values()))
        return digests

    def input_digests(self) -> dict[str, Digest]:
        """Return all that says of what a figure is: each section's, and `CONVERSATIONS`."""
        variants = self.variants_in_full()
        sent = {name for one in variants for name in one.lock.points["conversations"]}
        return {**self.section_digests(), CONVERSATIONS: sha256_value(sorted(sent))}

    @property
    def prefix_cache(self) -> bool | None:
        """Whether prompts may come from a cache; None of a running server, set by nobody we know.

        Such a server's lock has `false` in its place, which only says that the spec asks for none.
        """
        return None if self.spec["url"] else bool(self.engine["prefix_cache"])

    def variants_in_full(self) -> tuple[Variant, ...]:
        """Return each variant of a sweep with a lock of its own; without a sweep, the lock."""
        if not self.variants:
            return (Variant(setting={}, lock=self),)
        return tuple(
            Variant(
                setting=variant["setting"],
                lock=replace(self, variants=[], **variant["sections"]),
            )
            for variant in self.variants
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One combination of what a sweep varies."""

    setting: dict[str, Any]
    """Value by path in the spec; a value that is no scalar as canonical JSON text."""
    lock: Lock
    """Without variants of its own."""


def joined(variants: Sequence[Variant]) -> Lock:
    """Return one lock of several variants: the first's sections, and where others differ.

    The inverse of `Lock.variants_in_full`.
    """
    first = variants[0].lock
    if len(variants) == 1 and not variants[0].setting:
        return first
    mine = first.to_dict()
    rows = []
    for variant in variants:
        theirs = variant.lock.to_dict()
        sections = {name: theirs[name] for name in _VARIED if theirs[name] != mine[name]}
        rows.append({"setting": variant.setting, "sections": sections})
    return replace(first, variants=rows)


def official_image(pinned: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the official image that a pinned one is, or is built on; None where there is none."""
    for image in (pinned or {}, (pinned or {}).get("base", {})):
        if "repository" in image:
            return image
    return None


def reference_of(official: dict[str, Any]) -> str:
    """Return the reference by digest of a pinned official image."""
    return f"{official['repository']}@sha256:{official['manifest_sha256']}"


def _common(one: Any, other: Any) -> Any:
    """Return what two values share: of objects the equal keys, else the value or None."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _common(one[key], other[key]) for key in one.keys() & other.keys()}
    return one if one == other else None


def lock_path(spec_path: Path) -> Path:
    """Return where the lock of a spec lies: `quickstart.yaml` → `quickstart.lock.json`."""
    return spec_path.with_name(spec_path.stem + ".lock.json")


def parse_lock(data: bytes, *, path: str) -> Lock:
    """Read a lock, strictly.

    Raises:
        LockError: not JSON, duplicate keys, or not of the shape of `lock.v1.json`.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise LockError(f"{path}: key {key!r} appears twice")
            seen[key] = value
        return seen

    def refuse(text: str) -> Any:
        raise LockError(f"{path}: {text} is not a number a lock may hold")

    try:
        value = json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path}: not JSON: {error}", mend=MEND) from error
    said = value.get("schema") if isinstance(value, dict) else None
    if isinstance(said, str) and said != SCHEMA:
        # No minor versions: the recipe's digest is over every field, so that none can be ignored.
        raise LockError(
            f"{path}: is {said[:40]!r}; this version of specseal reads {SCHEMA}", mend=MEND
        )
    _hold_to_schema(value, path)
    lock = Lock(**value)
    if lock.variants:
        # What the schema says of several sections together must hold for each variant's own.
        for variant in lock.variants_in_full():
            _hold_to_schema(variant.lock.to_dict(), path)
    return lock


def _hold_to_schema(value: Any, path: str) -> None:
    wrong = best_match(_schema().errors(value))
    if wrong is not None:
        where = wrong.json_path.removeprefix("$").removeprefix(".")
        message = f"{where}: {wrong.message}" if where else wrong.message
        raise LockError(f"{path}: {message[:MESSAGE_CHARACTERS]}", mend=MEND)


@cache
def _schema() -> Schema:
    return Schema(json.loads((files("specseal.spec") / "lock.v1.json").read_bytes()))


def read_lock(path: Path) -> Lock:
    """Read the lock at `path`. Raises: LockError, OSError."""
    return parse_lock(path.read_bytes(), path=str(path))
