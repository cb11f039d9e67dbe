"""From a Lock to a Plan: which jobs run, in which order, and the phases of each.

Pure: the same lock gives the same plan. A job is one engine launch; all phases that need the same
flags share it, whichever variants of a sweep they are of. A repeat is a new launch of every job.
Repeats run in ABBA order (baseline, speculation, speculation, baseline, …), so that a drift of the
machine over the session falls on both alike; the inputs of a job turn round with them.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import count, takewhile
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.records import Load
from specseal.spec.locked import Lock, Variant
from specseal.spec.setting import Setting, shown_setting

BASELINE = "none"
WARMUP_CONVERSATIONS = (2, 16)
"""Least and most: in between, as many as are in flight at once, so that every batch size is warm
that is cheap to warm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One interval against a running server: a workload at one load level."""

    name: str
    measured: bool
    load: Load
    input: str
    """`dataset` or `random`."""
    setting: Setting = field(default_factory=dict)
    """What a sweep varies, but for draft length, load and input."""
    prompts: Digest
    """Digest of the file with the rendered and encoded prompts."""
    sampling: dict[str, Any]
    conversations: tuple[str, ...]
    """Ids, in the order in which they are sent."""
    offsets_ns: tuple[int, ...] = ()
    """Open load: when each conversation begins, from the start of the phase."""
    history_not_rewritten: bool = False
    """The chat template would rewrite earlier turns; these prompts go on without that."""
    bos_doubled: bool = False
    """Rendered prompts began with a BOS that the tokenizer would have put there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One engine launch, and what is asked of it."""

    name: str
    """A short name for people, unlike every other job's: `r1-ngram`."""
    variant: int
    """Index of the variant whose lock says what is launched."""
    method: str
    """The drafter's method, or `none` for the baseline."""
    draft_length: int
    repeat: int
    max_sequences: int
    """Sequences that the engine is to decode at once."""
    phases: tuple[Phase, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All jobs, in order."""

    jobs: tuple[Job, ...]


def choose_conversations(
    prompts: list[dict[str, Any]], *, count: int | None, seed: int
) -> tuple[str, ...]:
    """Choose `count` conversations spread evenly over categories, in a seeded order.

    Every category gives one before any gives a second, so a small subset still covers all of them.

    Args:
        prompts: the lock's list of `{"id", "category", …}`.
        count: how many; None means all.
        seed: the same seed chooses the same conversations in the same order.
    """
    shuffled = random.Random(seed)  # noqa: S311  (a choice that must repeat, not a secret)
    by_category: dict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        by_category[prompt["category"]].append(prompt["id"])
    categories = sorted(by_category)
    shuffled.shuffle(categories)
    queues = []
    for category in categories:
        ids = sorted(by_category[category])
        shuffled.shuffle(ids)
        queues.append(ids)
    chosen = [
        ids[rank] for rank in range(max(map(len, queues))) for ids in queues if rank < len(ids)
    ]
    chosen = chosen if count is None else chosen[:count]
    shuffled.shuffle(chosen)
    return tuple(chosen)


def warmup_count(most_at_once: int) -> int:
    """Return how many conversations a warm-up has."""
    least, most = WARMUP_CONVERSATIONS
    return min(max(most_at_once, least), most)


def make_plan(lock: Lock) -> Plan:
    """Return the plan of a lock, which names the conversations and their order itself."""
    variants = lock.variants_in_full()
    launches = _launches(variants)
    names = _names(launches)
    jobs: list[Job] = []
    for repeat in range(max(variant.lock.points["repeats"] for variant in variants)):
        turn = [
            _job(launch, names[launch.identity], repeat)
            for launch in launches
            if repeat < launch.repeats
        ]
        jobs.extend(turn if repeat % 2 == 0 else reversed(turn))
    return Plan(jobs=tuple(jobs))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """All that runs on one engine with one set of flags."""

    identity: Digest
    variant: int
    """The first of `variants`, by index."""
    method: str
    draft_length: int
    variants: tuple[Variant, ...]

    @property
    def repeats(self) -> int:
        return max(int(variant.lock.points["repeats"]) for variant in self.variants)


def _launches(variants: tuple[Variant, ...]) -> list[_Launch]:
    """Return the launches of a repeat: each variant's baseline, then its speculation."""
    found: dict[Digest, _Launch] = {}
    for index, variant in enumerate(variants):
        drafter, points = variant.lock.drafter, variant.lock.points
        pair = []
        if points["baseline"] == "autoregressive" or drafter["method"] == BASELINE:
            pair.append((BASELINE, 0))
        if drafter["method"] != BASELINE:
            pair.append((drafter["method"], points["draft_length"]))
        for method, draft_length in pair:
            identity = _identity(variant.lock, method, draft_length)
            known = found.get(identity)
            found[identity] = (
                replace(known, variants=(*known.variants, variant))
                if known
                else _Launch(
                    identity=identity,
                    variant=index,
                    method=method,
                    draft_length=draft_length,
                    variants=(variant,),
                )
            )
    return list(found.values())


def _identity(lock: Lock, method: str, draft_length: int) -> Digest:
    """Return the digest of all that an engine's flags depend on, but how many sequences it has."""
    drafter = {} if method == BASELINE else lock.drafter
    return sha256_value([lock.engine, lock.model, lock.hardware, method, draft_length, drafter])


def _names(launches: list[_Launch]) -> dict[Digest, str]:
    """Name each launch by its method, and by what tells it from others of that method."""
    names: dict[Digest, str] = {}
    for launch in launches:
        same = [one for one in launches if one.method == launch.method]
        name = launch.method
        if len({one.draft_length for one in same}) > 1:
            name += f"-{launch.draft_length}"
        if [one.draft_length for one in same].count(launch.draft_length) > 1:
            name += f"-v{launch.variant + 1}"
        names[launch.identity] = name
    return names


def _job(launch: _Launch, name: str, repeat: int) -> Job:
    phases: dict[Digest, Phase] = {}
    for variant in launch.variants:
        if repeat < variant.lock.points["repeats"]:
            for phase in _phases(variant, repeat, is_baseline=launch.method == BASELINE):
                phases.setdefault(sha256_value(_without_name(phase)), phase)
    first = launch.variants[0].lock
    # Of all variants, those of fewer repeats too: every repeat is launched with the same flags.
    at_once = max(
        load.concurrency or 1
        for variant in launch.variants
        for load in loads(variant.lock.points["load"])
    )
    most = int(first.engine["max_sequences"] or at_once)
    return Job(
        name=f"r{repeat + 1}-{name}",
        variant=launch.variant,
        method=launch.method,
        draft_length=launch.draft_length,
        repeat=repeat,
        max_sequences=most,
        phases=(_warmup(_warmest(launch), most), *_named(list(phases.values()))),
    )


def _warmest(launch: _Launch) -> Lock:
    """Return the lock of the variant that warms up with the most conversations at once."""
    locks = (variant.lock for variant in launch.variants)
    return max(locks, key=lambda lock: len(lock.points["warmup"]))


def _warmup(lock: Lock, max_sequences: int) -> Phase:
    conversations = tuple(lock.points["warmup"])
    return Phase(
        name="warmup",
        measured=False,
        load=Load(mode="closed", concurrency=min(max_sequences, len(conversations))),
        input="dataset",
        prompts=lock.prompts["sha256"],
        sampling=lock.sampling,
        conversations=conversations,
    )


def _phases(variant: Variant, repeat: int, *, is_baseline: bool) -> Iterator[Phase]:
    """Yield the measured phases of a variant; their names come last."""
    lock, points = variant.lock, variant.lock.points
    setting = shown_setting(
        variant.setting, is_baseline=is_baseline, requests=points["load"]["requests"]
    )
    inputs = points["inputs"] if repeat % 2 == 0 else points["inputs"][::-1]
    for load in loads(points["load"]):
        for given in inputs:
            is_rendered = given == "dataset"
            prompts = lock.prompts if is_rendered else lock.prompts["random"]
            yield Phase(
                name="",
                measured=True,
                load=load,
                input=given,
                setting=setting,
                prompts=prompts["sha256"],
                sampling=lock.sampling,
                conversations=tuple(points["conversations"]),
                offsets_ns=schedule(load, len(points["conversations"]), seed=points["seed"]),
                history_not_rewritten=is_rendered and lock.prompts["history_not_rewritten"],
                bos_doubled=is_rendered and lock.prompts["bos_doubled"],
            )


def loads(load: dict[str, Any]) -> tuple[Load, ...]:
    """Return the load levels of a lock's `points.load`, one a phase."""
    common = {"mode": load["mode"], "duration_s": load["duration_s"]}
    if load["mode"] == "open":
        arrival = load["arrival"]
        # A whole number comes back from the lock as an integer, and seeds the schedule by its text.
        return tuple(Load(**common, rate=float(rate), arrival=arrival) for rate in load["rate"])
    return tuple(Load(**common, concurrency=level) for level in load["concurrency"])


def schedule(load: Load, conversations: int, *, seed: int) -> tuple[int, ...]:
    """Return when each conversation of an open load begins, in ns from the start of the phase.

    Poisson arrivals: independent exponential gaps of mean 1 ÷ rate; constant: gaps of 1 ÷ rate.
    The first conversation begins at 0. Empty for every other load.
    """
    if load.mode != "open" or load.rate is None:
        return ()
    # `random()` is the one method whose sequence Python promises to keep.
    draw = random.Random(f"{seed}:{load.rate!r}").random  # noqa: S311  (must repeat, no secret)
    gaps = (
        (-math.log(1.0 - draw()) if load.arrival == "poisson" else 1.0) / load.rate for _ in count()
    )
    instants = _running_sum(gaps)
    if load.duration_s is None:
        return tuple(next(instants) for _ in range(conversations))
    end_ns = load.duration_s * 1e9
    return tuple(takewhile(lambda instant: instant < end_ns, instants))


def _running_sum(gaps_s: Iterator[float]) -> Iterator[int]:
    elapsed_s = 0.0
    while True:
        yield round(elapsed_s * 1e9)
        elapsed_s += next(gaps_s)


def _named(phases: list[Phase]) -> list[Phase]:
    """Name each phase: `c4`, `c4-random`, `2.5rps`, with a number where that is not enough."""
    used: dict[str, int] = {}
    named = []
    for phase in phases:
        load = phase.load
        name = f"{load.rate:g}rps" if load.mode == "open" else f"c{load.concurrency}"
        if load.mode in ("burst", "ramp"):
            name = f"{load.mode}{load.concurrency}"
        if phase.input != "dataset":
            name += f"-{phase.input}"
        used[name] = used.get(name, 0) + 1
        named.append(replace(phase, name=name if used[name] == 1 else f"{name}-{used[name]}"))
    return named


def _without_name(phase: Phase) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(phase).items()
        if key != "name"
    }
