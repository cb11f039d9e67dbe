"""Requests made from a seed, for benchmarks of what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from specseal.records import Record

LEVELS = (1, 8, 64)
CATEGORIES = 11
DRAFT_LENGTH = 4
VOCABULARY = 150_000
STEP_NS = (8_000_000, 12_000_000)


def records(
    phase: str,
    level: int,
    draft_length: int,
    *,
    requests: int,
    chunks: int,
    conversations: int,
    finish: str,
    start_ns: int = 0,
) -> Iterator[Record]:
    """Yield one phase: a chunk a step, of one token or, with speculation, of up to five.

    As many are in flight at once as its level says, one of each stream.

    Args:
        phase: its name.
        level: its concurrency, which also chooses the random numbers.
        draft_length: 0 without speculation.
        requests: how many.
        chunks: of each request.
        conversations: how many different ones, taken in turn.
        finish: why each ends: `stop` or `length`.
        start_ns: when the first is sent.
    """
    draw = np.random.default_rng([level, draft_length])
    idle_ns = [start_ns + stream * STEP_NS[0] for stream in range(level)]
    for number in range(requests):
        cycle, conversation = divmod(number, conversations)
        submit_ns = idle_ns[number % level]
        arrivals = (submit_ns + np.cumsum(draw.integers(*STEP_NS, chunks))).tolist()
        idle_ns[number % level] = arrivals[-1]
        tokens = (1, *draw.integers(1, draft_length + 2, chunks - 1).tolist())
        output = sum(tokens)
        yield Record(
            phase=phase,
            conversation=f"q{conversation:06}",
            category=f"category {conversation % CATEGORIES}",
            turn=0,
            cycle=cycle,
            due_ns=submit_ns,
            connect_ns=0,
            submit_ns=submit_ns,
            chunk_ns=tuple(arrivals),
            chunk_tokens=tokens,
            end_ns=arrivals[-1],
            input_tokens=300,
            engine_input_tokens=300,
            input_sha256=f"{conversation:064x}",
            output_tokens=output,
            output_ids=tuple(draw.integers(0, VOCABULARY, output).tolist()),
            finish=finish,
            error=None,
            draft_tokens=DRAFT_LENGTH * (chunks - 1) if draft_length else None,
            accepted_tokens=output - chunks if draft_length else None,
            verify_steps=None,
            cached_tokens=0,
        )
