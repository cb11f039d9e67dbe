"""What the same turn did elsewhere: in the baseline, or in another launch of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from specseal.analysis.columns import (
    IDENTICAL,
    NOT_COMPARABLE,
    Requests,
    is_completed,
    user_tps,
)
from specseal.records import Record


def turn_key(record: Record) -> tuple[str, int, int]:
    """Return what names a turn within a phase; records are laid out in this order."""
    return (record.conversation, record.cycle, record.turn)


def with_partners(
    requests: Requests, records: Sequence[Record], partners: Iterable[Record]
) -> Requests:
    """Return the requests with what the partner of each did; both must have completed.

    Args:
        requests: of one phase.
        records: of the same phase, in the same order.
        partners: of a phase with the same input and load.
    """
    others = {turn_key(record): record for record in partners if is_completed(record)}
    if not others:
        return requests
    pairs = [others.get(turn_key(record)) if is_completed(record) else None for record in records]
    return replace(
        requests,
        baseline_tps=user_tps(
            [pair.output_tokens if pair else 0 for pair in pairs],
            [pair.end_ns - pair.submit_ns if pair else 0 for pair in pairs],
        ),
        first_difference=np.fromiter(
            map(_first_difference, records, pairs), dtype=np.int64, count=len(records)
        ),
    )


def _first_difference(record: Record, partner: Record | None) -> int:
    if partner is None or record.input_sha256 != partner.input_sha256:
        return NOT_COMPARABLE
    ours, theirs = record.output_ids, partner.output_ids
    if ours is None or theirs is None:
        return NOT_COMPARABLE
    if ours == theirs:
        return IDENTICAL
    differing = (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    return next(differing, min(len(ours), len(theirs)))
