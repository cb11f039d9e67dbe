"""What the same turn did elsewhere: in the baseline, or in another launch of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from specseal.analysis.columns import (
    IDENTICAL,
    NOT_COMPARABLE,
    SOMEWHERE,
    BoolArray,
    IntArray,
    Requests,
    user_tps,
)
from specseal.record_columns import Texts, first_differences
from specseal.record_table import OUTPUT_SHA256, RecordTable, joined_tables


def with_partners(
    requests: Requests, records: RecordTable, partners: Sequence[RecordTable]
) -> Requests:
    """Return the requests with what the partner of each did; both must have completed.

    Args:
        requests: of one phase.
        records: of the same phase, in the same order.
        partners: of phases with the same input and load.
    """
    if not partners:
        return requests
    others = joined_tables(partners)
    completed = others.completed.tolist()
    row_of = {key: row for row, key in enumerate(others.turn_keys()) if completed[row]}
    if not row_of:
        return requests
    found = np.array([row_of.get(key, -1) for key in records.turn_keys()], dtype=np.int64)
    paired = records.completed & (found >= 0)
    ours, theirs = records.take(np.flatnonzero(paired)), others.take(found[paired])
    output_tokens, latency_ns = np.zeros_like(found), np.zeros_like(found)
    output_tokens[paired] = theirs.number("output_tokens")
    latency_ns[paired] = theirs.number("end_ns") - theirs.number("submit_ns")
    first_difference = np.full(len(found), NOT_COMPARABLE)
    first_difference[paired] = _first_differences(ours, theirs)
    return replace(
        requests,
        baseline_tps=user_tps(output_tokens, latency_ns),
        first_difference=first_difference,
    )


def _first_differences(ours: RecordTable, theirs: RecordTable) -> IntArray:
    same_input = _are_equal(ours.texts["input_sha256"], theirs.texts["input_sha256"])
    mine, yours = ours.texts[OUTPUT_SHA256], theirs.texts[OUTPUT_SHA256]
    hashed = ~mine.are(None) & ~yours.are(None)
    found = np.where(
        hashed, np.where(_are_equal(mine, yours), IDENTICAL, SOMEWHERE), NOT_COMPARABLE
    )
    ids, other_ids = ours.lists["output_ids"], theirs.lists["output_ids"]
    known = np.flatnonzero(ids.are_known() & other_ids.are_known())
    found[known] = first_differences(ids.take(known), other_ids.take(known), same=IDENTICAL)
    return np.where(same_input, found, NOT_COMPARABLE)


def _are_equal(ours: Texts, theirs: Texts) -> BoolArray:
    number = {text: number for number, text in enumerate(ours.texts) if text is not None}
    return np.asarray(ours.numbered(number) == theirs.numbered(number), dtype=np.bool_)
