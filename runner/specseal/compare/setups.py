"""What differs between what two results were measured with: locks and environments, in words.

Plan:
    1. pair the variants of two sweeps by what they set; without common ones, each with the variant
       of the other in which least differs
    2. hold each pair of locks against each other, by the table below, and the environments by that
       in `environments`
    3. what two results are to each other is the most that any difference makes of them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from specseal.compare.environments import ENVIRONMENT
from specseal.compare.fields import (
    ACCEPTANCE,
    EVERYTHING,
    OUTPUTS,
    PAIRING,
    SPEED,
    FieldDifference,
    Kind,
    Row,
    at,
    each_of,
    entries_of,
    short,
    shown,
    value_of,
)
from specseal.compare.inputs import (
    conversations,
    files_of,
    format_of,
    made_files_of,
    prompts,
    rows,
    source_files,
    steps_of,
    unused_prompts,
    used_prompts,
)
from specseal.compare.side import Side
from specseal.digests import canonical, sha256_value
from specseal.spec.locked import Lock, Variant, official_image

_OTHER = Kind.NOT_COMPARABLE
_FLAGS = ("name", "version", "family", "image", "args", "model")


def _row(
    group: str, what: str, find: Any, makes: Kind | None, spoils: tuple[str, ...] = EVERYTHING
) -> Row[Lock]:
    return Row(group=group, what=what, find=find, makes=makes, spoils=spoils)


def _seed(lock: Lock) -> int | None:
    """Return the seed of sampling where it decides anything."""
    seed: int = lock.sampling["seed"]
    return seed if lock.sampling["temperature"] > 0 else None


def _served(lock: Lock) -> str | None:
    """Return what a running server calls its model, whose files nobody pins."""
    name: str | None = lock.engine.get("model")
    return name


def _wheels(image: dict[str, Any] | None) -> dict[str, str]:
    return {
        one["name"]: f"{one['version']} {sha256_value(one['sha256'])}"
        for one in (image or {}).get("wheels", ())
    }


def _image(lock: Lock) -> dict[str, Any]:
    """Return what an engine's image is made of, but for its wheels."""
    image = lock.engine["image"] or {}
    official = official_image(lock.engine["image"]) or {}
    return {
        "official image": official
        and f"{official['repository']} {short(official['manifest_sha256'])}",
        "Dockerfile": image.get("folder"),
        "Dockerfile tree": short(image.get("tree_sha256")),
        "base": short(image.get("base", {}).get("sha256")),
    }


_LOAD = ("mode", "concurrency", "rate", "arrival", "requests", "duration_s")
_ENGINE, _DRAFTER, _RECIPE, _POINTS = (
    Kind.OTHER_ENGINE, Kind.OTHER_DRAFTER, Kind.OTHER_RECIPE, Kind.OTHER_POINTS,
)  # fmt: skip

LOCK: tuple[Row[Lock], ...] = (
    _row("model", "model files that only one has", files_of("model"), _OTHER),
    _row("model", "layers kept", steps_of("model"), _OTHER),
    _row("model", "files that the same steps made of it", made_files_of("model"), _OTHER),
    _row("model", "model that the running server names", value_of("engine.model", _served), _OTHER),
    _row("model", "tokens that end an answer", at("model.stop_ids"), _OTHER),
    _row("model", "file format", format_of("model"), _RECIPE),
    _row("model", "chat template", at("model.chat_template_sha256"), _RECIPE),
    _row("model", "template argument", each_of("model.template_args", lambda lock: lock.model["template_args"]), _RECIPE),
    _row("model", "revision of the repository", at("model.revision"), _RECIPE, ()),
    _row("model", "archive that the files came in", at("model.archive"), _RECIPE, ()),
    _row("prompts", "prompts (token ids)", prompts, _OTHER, (*EVERYTHING, PAIRING)),
    _row("prompts", "prompts (token ids)", unused_prompts, _RECIPE, ()),
    _row("prompts", "rows of the data set", rows, _RECIPE, ()),
    _row("prompts", "random tokens", at("prompts.random"), _RECIPE),
    _row("sampling", "sampling", each_of("sampling", lambda lock: lock.sampling, but=["seed"]), _OTHER),
    _row("sampling", "sampling seed", value_of("sampling.seed", _seed), _OTHER),
    _row("engine", "engine", at("engine.name"), _ENGINE),
    _row("engine", "engine version", at("engine.version"), _ENGINE),
    _row("engine", "built for", at("engine.family"), _ENGINE),
    _row("engine", "engine's", each_of("engine", lambda lock: lock.engine, but=_FLAGS), _ENGINE),
    _row("engine", "engine argument", each_of("engine.args", lambda lock: lock.engine.get("args")), _ENGINE),
    _row("engine", "engine's image:", each_of("engine.image", _image), _ENGINE),
    _row("engine", "engine's image", entries_of("engine.image.wheels", lambda lock: _wheels(lock.engine["image"]), kind="wheel"), _ENGINE),
    _row("drafter", "drafting method", at("drafter.method"), _DRAFTER),
    _row("drafter", "drafter argument", each_of("drafter.args", lambda lock: lock.drafter["args"]), _DRAFTER),
    _row("drafter", "drafter files that only one has", files_of("drafter"), _DRAFTER),
    _row("drafter", "drafter's layers kept", steps_of("drafter"), _DRAFTER),
    _row("drafter", "files that the same steps made of the drafter", made_files_of("drafter"), _DRAFTER),
    _row("drafter", "drafter's file format", format_of("drafter"), _RECIPE),
    _row("drafter", "tokens that the drafter can draft", value_of("drafter.draftable", lambda lock: lock.drafter["draftable"] and short(sha256_value(lock.drafter["draftable"]))), _DRAFTER),
    _row("drafter", "revision of the drafter's repository", at("drafter.revision"), _RECIPE, ()),
    _row("drafter", "archive that the drafter's files came in", at("drafter.archive"), _RECIPE, ()),
    _row("load generator", "load generator", entries_of("client.source", lambda lock: lock.client["source"], kind="source file"), _RECIPE, (SPEED,)),
    _row("load generator", "load generator's image", entries_of("client.image.wheels", lambda lock: _wheels(lock.client["image"]), kind="wheel"), _RECIPE, (SPEED,)),
    _row("load generator", "load generator's Dockerfile tree", value_of("client.image.tree_sha256", lambda lock: short(lock.client["image"]["tree_sha256"])), _RECIPE, (SPEED,)),
    _row("load generator", "load generator's base", value_of("client.image.base", lambda lock: short(lock.client["image"]["base"]["sha256"])), _RECIPE, (SPEED,)),
    _row("hardware asked for", "accelerator", at("hardware.accelerator"), Kind.OTHER_HARDWARE, (SPEED,)),
    _row("hardware asked for", "devices", at("hardware.count"), Kind.OTHER_HARDWARE, (SPEED,)),
    _row("hardware asked for", "driver", at("hardware.driver"), Kind.OTHER_HARDWARE, (SPEED,)),
    _row("points", "draft length", at("points.draft_length"), _POINTS, (ACCEPTANCE, SPEED)),
    *(_row("points", f"load: {key}", at(f"points.load.{key}"), _POINTS, (SPEED,)) for key in _LOAD),
    _row("points", "conversations", conversations, _POINTS),
    _row("points", "warm-up", at("points.warmup"), _POINTS, (SPEED,)),
    _row("points", "inputs", at("points.inputs"), _POINTS, ()),
    _row("points", "repeats", at("points.repeats"), _POINTS, ()),
    _row("points", "baseline", at("points.baseline"), _POINTS, ()),
    _row("points", "seed", at("points.seed"), _POINTS, (SPEED,)),
    _row("points", "limits on latency", at("points.objectives"), _POINTS, ()),
)  # fmt: skip
"""What may differ between two locks: group, how to say it, how it is found, what it makes of two
results, and what it may change."""


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
        why = ", ".join(dict.fromkeys(field.path for field in self.deciding))
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
    names = (first.name, second.name)
    # (1)
    pairs = list(_paired(first.lock, second.lock))
    # (2)
    found = [*_sweeps(first.lock, second.lock, names)]
    for one, other in pairs:
        found += _lock_differences(one.lock, other.lock, names)
    for row in ENVIRONMENT:
        found += row.differences(first, second, names)
    fields = tuple({(field.path, field.sentence): field for field in found}.values())
    # (3)
    kinds = [field.makes for field in fields if field.makes is not None]
    if any(one.lock.recipe != other.lock.recipe for one, other in pairs):
        kinds.append(Kind.OTHER_RECIPE)
    kind = max(kinds, key=lambda kind: kind.rank, default=Kind.SAME_RECIPE)
    return SetupDifferences(kind=kind, fields=fields, equal=tuple(_equal(pairs)))


def _lock_differences(
    first: Lock, second: Lock, names: tuple[str, str]
) -> Iterator[FieldDifference]:
    for row in LOCK:
        yield from row.differences(first, second, names)


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
        # One of two sweeps, or neither, has what the other has: the nearest are held together.
        yield min(
            ((one, other) for one in ones for other in others),
            key=lambda pair: len(list(_lock_differences(pair[0].lock, pair[1].lock, ("", "")))),
        )


def _sweeps(first: Lock, second: Lock, names: tuple[str, str]) -> Iterator[FieldDifference]:
    settings = [
        {canonical(one.setting).decode() for one in lock.variants_in_full()} - {"{}"}
        for lock in (first, second)
    ]
    if settings[0] == settings[1]:
        return
    told = [
        f"{len(setting)} variants in {name}" if setting else f"none in {name}"
        for setting, name in zip(settings, names, strict=True)
    ]
    yield FieldDifference(
        group="points",
        path="sweep",
        first=sorted(settings[0]),
        second=sorted(settings[1]),
        sentence=f"sweep: {', '.join(told)}, {len(settings[0] & settings[1])} in both",
        spoils=(),
        makes=Kind.OTHER_POINTS,
    )


def _drafting(lock: Lock) -> list[Any]:
    return [lock.drafter["method"], lock.points["draft_length"], lock.drafter["args"]]


_SHARED = {
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


__all__ = ["LOCK", "OUTPUTS", "SetupDifferences", "setup_differences", "shown"]
