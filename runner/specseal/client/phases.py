"""The phases of a measuring job, as `job.json` states them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from specseal.client.errors import InputRefused
from specseal.client.fields import Fields
from specseal.records import Load

_PROMPTS = re.compile(r"prompts-[0-9a-f]{12}\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What every request asks of the sampler; `top_k` 0 means off."""

    temperature: float
    top_p: float
    top_k: int
    seed: int
    stop: tuple[str, ...]
    ignore_eos: bool
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One interval: conversations in the order in which they are taken, and how."""

    name: str
    measured: bool
    load: Load
    prompts: str
    """Name of the file of prompts, in `in/`."""
    sampling: Sampling
    conversations: tuple[str, ...]
    offsets_ns: tuple[int, ...]
    """Open load: when each conversation begins, from the start of the phase, in order."""


def read_phases(fields: Fields) -> tuple[Phase, ...]:
    """Take `phases` out of a job. Raises: InputRefused."""
    phases = tuple(_phase(inner) for inner in fields.take_objects("phases"))
    if len({phase.name for phase in phases}) < len(phases):
        raise InputRefused(f"{fields.where}: two phases have one name")
    return phases


def _phase(fields: Fields) -> Phase:
    phase = Phase(
        name=fields.take("name", str),
        measured=fields.take("measured", bool),
        load=_load(fields.take_object("load")),
        prompts=fields.take("prompts", str),
        sampling=_sampling(fields.take_object("sampling")),
        conversations=fields.take_list("conversations", str),
        offsets_ns=fields.take_list("offsets_ns", int),
    )
    fields.end()
    if not _PROMPTS.fullmatch(phase.prompts):
        raise InputRefused(f"{fields.where}.prompts: {phase.prompts!r} names no file of prompts")
    if not phase.conversations:
        raise InputRefused(f"{fields.where}.conversations: is empty")
    _check_offsets(phase, fields.where)
    return phase


def _load(fields: Fields) -> Load:
    load = Load(
        mode=fields.take_one_of("mode", tuple(_NEEDS)),
        concurrency=fields.take_or("concurrency", int, None),
        rate=fields.take_number_or("rate", None),
        arrival=fields.take_or("arrival", str, None),
        duration_s=fields.take_number_or("duration_s", None),
    )
    fields.end()
    for name in ("concurrency", "rate", "duration_s"):
        number = getattr(load, name)
        if number is None and name in _NEEDS[load.mode]:
            raise InputRefused(f"{fields.where}.{name}: is missing, and {load.mode} needs it")
        if number is not None and not (math.isfinite(number) and number > 0):
            raise InputRefused(f"{fields.where}.{name}: {number} is not more than 0")
    return load


_NEEDS: dict[str, tuple[str, ...]] = {
    "closed": ("concurrency",),
    "open": ("rate",),
    "burst": ("concurrency",),
    "ramp": ("concurrency", "duration_s"),
}


def _check_offsets(phase: Phase, where: str) -> None:
    offsets, load = phase.offsets_ns, phase.load
    complaints: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("an open load needs them", lambda: load.mode == "open" and not offsets),
        ("only an open load has them", lambda: load.mode != "open" and bool(offsets)),
        (
            "one a conversation, where no duration is set",
            lambda: (
                load.mode == "open"
                and load.duration_s is None
                and len(offsets) != len(phase.conversations)
            ),
        ),
        (
            "they must not be below 0 nor run backwards",
            lambda: any(later < earlier for earlier, later in pairwise((0, *offsets))),
        ),
    )
    for complaint, holds in complaints:
        if holds():
            raise InputRefused(f"{where}.offsets_ns: {complaint}")


def _sampling(fields: Fields) -> Sampling:
    sampling = Sampling(
        temperature=fields.take_number("temperature"),
        top_p=fields.take_number("top_p"),
        top_k=fields.take("top_k", int),
        seed=fields.take("seed", int),
        stop=fields.take_list("stop", str),
        ignore_eos=fields.take("ignore_eos", bool),
        max_tokens=fields.take("max_tokens", int),
    )
    fields.end()
    return sampling
