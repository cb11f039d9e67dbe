"""What differs between two locks: the table of it, one row a field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from specseal.compare.fields import (
    ACCEPTANCE,
    EVERYTHING,
    PAIRING,
    SPEED,
    Found,
    Kind,
    Row,
    at,
    each_at,
    each_of,
    entries_of,
    reads,
    short,
    value_of,
)
from specseal.compare.inputs import (
    conversations,
    files_of,
    format_of,
    made_files_of,
    prompts,
    questions,
    rows,
    steps_of,
    unused_prompts,
)
from specseal.digests import sha256_value
from specseal.spec.locked import Lock, official_image

Find = Callable[[Lock, Lock], Iterator[Found]]
_NO_FLAGS = ("name", "version", "family", "image", "args", "model")
"""Keys of a lock's engine that have rows of their own."""


def _seed(lock: Lock) -> int | None:
    """Return the seed of sampling where it decides anything."""
    seed: int = lock.sampling["seed"]
    return seed if lock.sampling["temperature"] > 0 else None


def _draftable(lock: Lock) -> str | None:
    bitmap = lock.drafter["draftable"]
    return None if bitmap is None else short(sha256_value(bitmap))


def _of_one_engine(find: Find) -> Find:
    """Look only where both have the same engine: of what two are made of needs no telling."""

    def found(first: Lock, second: Lock) -> Iterator[Found]:
        if first.engine["name"] == second.engine["name"]:
            yield from find(first, second)

    return found


def _origin(path: str, read: Callable[[Any], str]) -> Find:
    """Look at where files came from, where both tell."""
    value = reads(path)

    def find(first: Lock, second: Lock) -> Iterator[Found]:
        one, other = value(first), value(second)
        if one is not None and other is not None and one != other:
            yield Found(path=path, first=read(one), second=read(other))

    return find


def _archive(value: Mapping[str, str]) -> str:
    return f"{value['filename']} ({short(value['sha256'])})"


def _wheels(path: str) -> Find:
    """Look at the wheels of an image by name, version and digests."""
    read = reads(path)

    def wheels(lock: Lock) -> Mapping[str, str]:
        listed = (read(lock) or {}).get("wheels", ())
        return {one["name"]: f"{one['version']} {sha256_value(one['sha256'])}" for one in listed}

    return entries_of(f"{path}.wheels", wheels, kind="wheel")


def _image(path: str) -> Find:
    """Look at what an image is made of, but for its wheels."""
    read = reads(path)

    def parts(lock: Lock) -> Mapping[str, Any]:
        image = read(lock) or {}
        official = official_image(image) or {}
        return {
            "official image": official.get("repository"),
            "official image's digest": short(official.get("manifest_sha256")),
            "Dockerfile": image.get("folder"),
            "Dockerfile tree": short(image.get("tree_sha256")),
            "base": short(image.get("base", {}).get("sha256")),
        }

    return each_of(path, parts)


def _rows(
    group: str, makes: Kind, spoils: tuple[str, ...], finders: Iterable[tuple[str, Find]]
) -> Iterator[Row[Lock]]:
    for what, find in finders:
        yield Row(group=group, what=what, find=find, makes=makes, spoils=spoils)


_MODEL: dict[Kind, tuple[tuple[str, Find], ...]] = {
    Kind.NOT_COMPARABLE: (
        ("model files that only one has", files_of("model")),
        ("layers kept", steps_of("model")),
        ("files that the same steps made of it", made_files_of("model")),
        ("model, by a running server's name", at("engine.model")),
        ("tokens that end an answer", at("model.stop_ids")),
    ),
    Kind.OTHER_RECIPE: (
        ("file format", format_of("model")),
        ("chat template", at("model.chat_template_sha256")),
        ("template argument", each_at("model.template_args")),
    ),
}
_DRAFTER: dict[Kind, tuple[tuple[str, Find], ...]] = {
    Kind.OTHER_DRAFTER: (
        ("drafting method", at("drafter.method")),
        ("drafter argument", each_at("drafter.args")),
        ("drafter files that only one has", files_of("drafter")),
        ("drafter's layers kept", steps_of("drafter")),
        ("files that the same steps made of the drafter", made_files_of("drafter")),
        ("tokens that the drafter can draft", value_of("drafter.draftable", _draftable)),
    ),
    Kind.OTHER_RECIPE: (("drafter's file format", format_of("drafter")),),
}
_ORIGIN = (
    ("revision of the model's repository", _origin("model.revision", str)),
    ("archive that the model came in", _origin("model.archive", _archive)),
    ("revision of the drafter's repository", _origin("drafter.revision", str)),
    ("archive that the drafter came in", _origin("drafter.archive", _archive)),
    ("rows of the data set", rows),
    ("prompts that were not sent", unused_prompts),
)
_ENGINE = (
    ("engine", at("engine.name")),
    ("engine version", at("engine.version")),
    ("engine built for", at("engine.family")),
    ("engine's", each_at("engine", but=_NO_FLAGS)),
    ("engine argument", each_at("engine.args")),
    ("engine's image:", _of_one_engine(_image("engine.image"))),
    ("engine's image", _of_one_engine(_wheels("engine.image"))),
)
_CLIENT = (
    ("load generator", entries_of("client.source", reads("client.source"), kind="source file")),
    ("load generator's image:", _image("client.image")),
    ("load generator's image", _wheels("client.image")),
)
_HARDWARE = (
    ("accelerator", at("hardware.accelerator")),
    ("devices", at("hardware.count")),
    ("driver", at("hardware.driver")),
)
_LOAD = (
    *(
        (f"load's {key}", at(f"points.load.{key}"))
        for key in ("mode", "concurrency", "rate", "arrival", "requests", "duration_s")
    ),
    ("warm-up", at("points.warmup")),
    ("seed", at("points.seed")),
)
_EXTENT = (
    ("inputs", at("points.inputs")),
    ("repeats", at("points.repeats")),
    ("baseline", at("points.baseline")),
    ("limits on latency", at("points.objectives")),
)

LOCK: tuple[Row[Lock], ...] = (
    *(row for makes, found in _MODEL.items() for row in _rows("model", makes, EVERYTHING, found)),
    *_rows("prompts", Kind.NOT_COMPARABLE, (*EVERYTHING, PAIRING), [("conversations", questions)]),
    *_rows(
        "prompts",
        Kind.OTHER_RECIPE,
        EVERYTHING,
        [("prompts (token ids)", prompts), ("random tokens", at("prompts.random"))],
    ),
    *_rows(
        "sampling",
        Kind.NOT_COMPARABLE,
        EVERYTHING,
        [
            ("sampling", each_at("sampling", but=["seed"])),
            ("sampling seed", value_of("sampling.seed", _seed)),
        ],
    ),
    *_rows("engine", Kind.OTHER_ENGINE, EVERYTHING, _ENGINE),
    *(
        row
        for makes, found in _DRAFTER.items()
        for row in _rows("drafter", makes, EVERYTHING, found)
    ),
    *_rows("load generator", Kind.OTHER_RECIPE, (SPEED,), _CLIENT),
    *_rows("where things came from", Kind.OTHER_RECIPE, (), _ORIGIN),
    *_rows("hardware asked for", Kind.OTHER_HARDWARE, (SPEED,), _HARDWARE),
    *_rows(
        "points",
        Kind.OTHER_POINTS,
        (ACCEPTANCE, SPEED),
        [("draft length", at("points.draft_length"))],
    ),
    *_rows("points", Kind.OTHER_POINTS, EVERYTHING, [("conversations sent", conversations)]),
    *_rows("points", Kind.OTHER_POINTS, (SPEED,), _LOAD),
    *_rows("points", Kind.OTHER_POINTS, (), _EXTENT),
)
"""What may differ between two locks: group, how to say it, how it is found, what it makes of two
results, and what it may change."""
