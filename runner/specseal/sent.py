"""What a phase sent, held against what was planned of it: whether it is there whole.

Pure; for whoever keeps the phases of a job that broke, and for whoever checks a bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from specseal.analysis import MissingPhase
from specseal.plan import Phase
from specseal.records import Record


def by_conversation(records: Iterable[Record]) -> dict[tuple[str, int], list[Record]]:
    """Return the records of each sending of a conversation, by its id and cycle."""
    sent: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        sent.setdefault((record.conversation, record.cycle), []).append(record)
    return sent


def is_as_planned(sent: Iterable[tuple[str, int]], processes: int, plan: Phase) -> bool:
    """Say whether the conversations that were sent, as (id, cycle), are those of the plan.

    They are numbered through all cycles. A phase that is limited by time may end after any of them,
    but leaves none out: each process of the client takes every n-th, in order.
    """
    places = {name: place for place, name in enumerate(plan.conversations)}
    numbers = {cycle * len(places) + places[name] if name in places else -1 for name, cycle in sent}
    if plan.load.mode == "open":
        return numbers == set(range(len(plan.offsets_ns)))
    if plan.load.duration_s is None:
        return numbers == set(range(len(plan.conversations)))
    # No process without a stream: one that claims more could leave out whatever it likes.
    if min(numbers, default=-1) < 0 or processes > (plan.load.concurrency or 1):
        return False
    return all(number < processes or number - processes in numbers for number in numbers)


def ends_as_it_should(failed: Sequence[bool], turns: int) -> bool:
    """Say whether a conversation ended with its last turn, or with the turn that failed.

    Args:
        failed: whether it did, of each turn that was sent.
        turns: how many it has.
    """
    return len(failed) == turns or any(failed)


def missing_phase(plan: Phase) -> MissingPhase:
    """Return what is said of a phase that was planned and not measured to its end."""
    return MissingPhase(load=plan.load, input=plan.input, setting=plan.setting)


def is_whole(
    records: Iterable[Record], processes: int, plan: Phase, turns: Mapping[str, int]
) -> bool:
    """Say whether a phase sent all that was planned, and each conversation to its end.

    Args:
        records: the phase's.
        processes: of the client.
        plan: the phase.
        turns: how many turns each conversation has.
    """
    sent = by_conversation(records)
    return is_as_planned(sent, processes, plan) and all(
        name in turns and ends_as_it_should([bool(record.error) for record in records], turns[name])
        for (name, _), records in sent.items()
    )
