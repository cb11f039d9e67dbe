"""What a client recorded, held against what the engine did.

Counts exactly; no stamp before what it is of, and none in another order; and where one request runs
at a time, TTFT and the last stamp within a bound so generous that a busy machine keeps it. How late
stamps are under load decides nothing here: `benchmarks/` says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from specseal.records import Record, Snapshot
from truth.answers import FIRST_ID, STOP_ID
from truth.clients import Outcome

Truth = dict[str, Any]
"""One request as `Entry.to_dict` tells it."""
MOST_MEDIAN_ERROR_NS = 50_000_000
"""Of times at concurrency 1. Seen: under 1 ms; a loaded machine's scheduler adds tens of ms."""


def assert_true(record: Record, truth: Truth) -> None:
    """Hold a completed request against what the engine did: counts exactly, times in order."""
    tokens = sum(truth["chunk_tokens"])
    ids = list(range(FIRST_ID, FIRST_ID + tokens))
    if truth["outcome"] == "stop":
        ids[-1] = STOP_ID
    assert record.error is None
    assert record.finish == truth["outcome"]
    assert record.output_tokens == tokens
    assert record.chunk_tokens == tuple(truth["chunk_tokens"])
    assert record.output_ids == tuple(ids)
    assert record.draft_tokens == sum(truth["drafted"])
    assert record.accepted_tokens == sum(truth["accepted"])
    assert_in_order(record, truth)


def assert_in_order(record: Record, truth: Truth) -> None:
    """Nothing was received before it was written, nor in another order."""
    assert record.submit_ns <= truth["received_ns"]
    assert list(record.chunk_ns) == sorted(record.chunk_ns)
    written = truth["chunk_ns"][: len(record.chunk_ns)]
    assert all(ours >= theirs for ours, theirs in zip(record.chunk_ns, written, strict=True))
    if truth["end_ns"] is not None:
        assert record.end_ns >= truth["end_ns"]


def assert_in_time(records: Iterable[Record], truths: dict[str, Truth]) -> None:
    """Hold times of requests that ran one at a time against the engine's: never less, hardly more.

    What request and chunks needed on their way is in the record and not in the truth, so that an
    error is never below 0.
    """
    pairs = [(record, truths[record.input_sha256]) for record in records]
    errors = {
        "ttft": [
            (record.chunk_ns[0] - record.submit_ns) - (truth["chunk_ns"][0] - truth["received_ns"])
            for record, truth in pairs
        ],
        "last chunk": [record.chunk_ns[-1] - truth["chunk_ns"][-1] for record, truth in pairs],
        "latency": [
            (record.end_ns - record.submit_ns) - (truth["end_ns"] - truth["received_ns"])
            for record, truth in pairs
        ],
    }
    for name, error in errors.items():
        assert min(error) >= 0, name
        assert median(error) < MOST_MEDIAN_ERROR_NS, (name, error)


def assert_counted(outcome: Outcome, truths: dict[str, Truth]) -> None:
    """Hold the rise of the engine's counters, as the client read them, against the truth."""
    before, after = outcome.snapshots
    steps = [
        (drafted, accepted)
        for truth in truths.values()
        for drafted, accepted in zip(truth["drafted"], truth["accepted"], strict=True)
        if drafted
    ]
    assert before.settled
    assert after.settled
    assert _rise(before, after, "drafts") == len(steps)
    assert _rise(before, after, "draft_tokens") == sum(drafted for drafted, _ in steps)
    assert _rise(before, after, "accepted_tokens") == sum(accepted for _, accepted in steps)
    assert _rise(before, after, "output_tokens") == sum(
        sum(truth["chunk_tokens"]) for truth in truths.values()
    )
    assert _rise(before, after, "prompt_tokens") == sum(
        record.engine_input_tokens or 0 for record in outcome.records
    )
    assert after.accepted_per_position is not None
    was = before.accepted_per_position or ()
    for position, count in enumerate(after.accepted_per_position):
        earlier = was[position] if position < len(was) else 0
        assert count - earlier == sum(accepted > position for _, accepted in steps)


def _rise(before: Snapshot, after: Snapshot, counter: str) -> int:
    return int(getattr(after, counter)) - int(getattr(before, counter))


def true_acceptance_lengths(truths: dict[str, Truth]) -> dict[str, float]:
    """Return the three acceptance lengths by DESIGN's definitions; one turn a conversation."""
    each = [(sum(truth["chunk_tokens"]), len(truth["drafted"])) for truth in truths.values()]
    accepted = sum(sum(truth["accepted"]) for truth in truths.values())
    drafts = sum(drafted > 0 for truth in truths.values() for drafted in truth["drafted"])
    return {
        "acceptance_length": sum(tokens - 1 for tokens, _ in each) / sum(n for _, n in each),
        "acceptance_length_drafted": 1 + accepted / drafts,
        "acceptance_length_harness": sum(tokens / (1 + n) for tokens, n in each) / len(each),
    }
