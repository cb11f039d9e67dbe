"""From a Lock to a Plan: which jobs run, in which order, and the phases of each.

Pure: the same lock gives the same plan. A job is one engine launch; its phases share it. Repeats
run in ABBA order (baseline, speculation, speculation, baseline, …), so that a drift of the machine
over the session falls on both alike.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from specseal.spec.locked import Lock

WARMUP_CONVERSATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One interval against a running server: a workload at one load level."""

    name: str
    measured: bool
    concurrency: int
    conversations: tuple[str, ...]
    """Ids, in the order in which they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One engine launch, and what is asked of it."""

    method: str
    """The drafter's method, or `none` for the baseline."""
    draft_length: int
    repeat: int
    max_concurrency: int
    phases: tuple[Phase, ...]

    @property
    def name(self) -> str:
        """A short name for people: `r1-ngram`."""
        return f"r{self.repeat + 1}-{self.method}"

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


def make_plan(lock: Lock) -> Plan:
    """Return the plan of a lock, which names the conversations and their order itself."""
    points = lock.points
    warmup = Phase(
        name="warmup", measured=False, concurrency=1, conversations=tuple(points["warmup"])
    )
    phases = (
        warmup,
        *(
            Phase(
                name=f"c{level}",
                measured=True,
                concurrency=level,
                conversations=tuple(points["conversations"]),
            )
            for level in points["concurrency"]
        ),
    )

    def job(method: str, draft_length: int, repeat: int) -> Job:
        return Job(
            method=method,
            draft_length=draft_length,
            repeat=repeat,
            max_concurrency=max(points["concurrency"]),
            phases=phases,
        )

    jobs: list[Job] = []
    for repeat in range(points["repeats"]):
        pair = []
        if points["baseline"] == "autoregressive" or lock.drafter["method"] == "none":
            pair.append(job("none", 0, repeat))
        if lock.drafter["method"] != "none":
            pair.append(job(lock.drafter["method"], points["draft_length"], repeat))
        jobs.extend(pair if repeat % 2 == 0 else reversed(pair))
    return Plan(jobs=tuple(jobs))
