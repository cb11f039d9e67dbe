"""Records as columns: one row a request, so that every metric is array arithmetic.

In: the jobs of one method and the baseline's. Out: `Requests`, sorted by repeat, concurrency,
conversation and turn, so that the order in which records were written never changes a result.
What a request's partner in the baseline did stands in the request's own row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from specseal.analysis.data import JobData
from specseal.records import Record

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
NumberArray: TypeAlias = npt.NDArray[np.number[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

UNKNOWN = -1
"""A count that the engine did not tell."""
IDENTICAL = -1
"""`first_difference` of two equal outputs."""
NOT_COMPARABLE = -2
"""`first_difference` where there is no partner with the same input and known ids."""

_GAP_FIELDS = ("gap_ns", "gap_row")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """Requests as columns; every array but `gap_ns` and `gap_row` has one entry a request."""

    repeat: IntArray
    concurrency: IntArray
    conversation: IntArray
    """Rank of the conversation's id among all ids, in the order of the ids."""
    category: IntArray
    """Rank of the category's name among all names, in the order of the names."""
    completed: BoolArray
    may_be_cut: BoolArray
    output_tokens: IntArray
    accepted_tokens: IntArray
    """`UNKNOWN` where the engine does not tell per request."""
    draft_tokens: IntArray
    chunks: IntArray
    first_chunk_ns: IntArray
    """From submit to the first chunk; 0 without chunks."""
    decode_ns: IntArray
    """From the first chunk to the last; 0 without chunks."""
    latency_ns: IntArray
    """From submit to the end of the response."""
    baseline_tps: FloatArray
    """User TPS of the same turn in the baseline of the same repeat and concurrency, or NaN."""
    first_difference: IntArray
    """0-based index of the first token that differs from the baseline's, or a constant above."""
    gap_ns: IntArray
    """Times between successive chunks of one request, all requests one after another."""
    gap_row: IntArray
    """The request that each gap belongs to."""

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.repeat)

    @property
    def user_tps(self) -> FloatArray:
        """Output tokens a second of end-to-end latency; NaN where that is 0."""
        return user_tps(self.output_tokens, self.latency_ns)

    def take(self, chosen: BoolArray) -> Requests:
        """Return the requests where `chosen` is true, gaps with them."""
        columns = {
            field.name: getattr(self, field.name)[chosen]
            for field in fields(self)
            if field.name not in _GAP_FIELDS
        }
        kept = chosen[self.gap_row]
        new_row = np.cumsum(chosen) - 1
        return Requests(**columns, gap_ns=self.gap_ns[kept], gap_row=new_row[self.gap_row[kept]])


def user_tps(output_tokens: npt.ArrayLike, latency_ns: npt.ArrayLike) -> FloatArray:
    """Return tokens a second of each request; NaN where the latency is not positive."""
    seconds = np.asarray(latency_ns, dtype=np.float64) / 1e9
    tokens = np.asarray(output_tokens, dtype=np.float64)
    return np.divide(tokens, seconds, out=np.full_like(seconds, np.nan), where=seconds > 0)


def is_completed(record: Record) -> bool:
    """Tell whether a request ended as it should."""
    return record.error is None and record.finish != "error"


def may_be_cut(record: Record, *, cut_at_limit: bool) -> bool:
    """Tell whether the last verify step may have lost tokens to a stop or to max_tokens."""
    return record.finish == "stop" or (record.finish == "length" and cut_at_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    repeat: int
    concurrency: int
    cut_at_limit: bool
    record: Record

    @property
    def key(self) -> tuple[int, int, str, int]:
        return (self.repeat, self.concurrency, self.record.conversation, self.record.turn)


def requests_of(
    jobs: Iterable[JobData],
    baseline: Iterable[JobData],
    *,
    conversations: Sequence[str],
    categories: Sequence[str],
) -> Requests:
    """Lay out the measured requests of `jobs` as columns, paired with those of `baseline`.

    Args:
        jobs: all launches of one method; for the baseline itself give no `baseline`.
        baseline: the launches without speculation.
        conversations: every conversation id of the run, sorted.
        categories: every category of the run, sorted.
    """
    rows = sorted(_rows(jobs), key=lambda row: row.key)
    partners = {row.key: row.record for row in _rows(baseline) if is_completed(row.record)}
    conversation_rank = {name: rank for rank, name in enumerate(conversations)}
    category_rank = {name: rank for rank, name in enumerate(categories)}
    records = [row.record for row in rows]
    pairs = [partners.get(row.key) if is_completed(row.record) else None for row in rows]
    gap_ns, gap_row = _gaps(records)
    return Requests(
        repeat=_ints(row.repeat for row in rows),
        concurrency=_ints(row.concurrency for row in rows),
        conversation=_ints(conversation_rank[record.conversation] for record in records),
        category=_ints(category_rank[record.category] for record in records),
        completed=np.fromiter(map(is_completed, records), dtype=np.bool_),
        may_be_cut=np.fromiter(
            (may_be_cut(row.record, cut_at_limit=row.cut_at_limit) for row in rows),
            dtype=np.bool_,
        ),
        output_tokens=_ints(record.output_tokens for record in records),
        accepted_tokens=_ints(_told(record.accepted_tokens) for record in records),
        draft_tokens=_ints(_told(record.draft_tokens) for record in records),
        chunks=_ints(len(record.chunk_ns) for record in records),
        first_chunk_ns=_ints(
            record.chunk_ns[0] - record.submit_ns if record.chunk_ns else 0 for record in records
        ),
        decode_ns=_ints(
            record.chunk_ns[-1] - record.chunk_ns[0] if record.chunk_ns else 0 for record in records
        ),
        latency_ns=_ints(record.end_ns - record.submit_ns for record in records),
        baseline_tps=user_tps(
            [pair.output_tokens if pair else 0 for pair in pairs],
            [pair.end_ns - pair.submit_ns if pair else 0 for pair in pairs],
        ),
        first_difference=_ints(map(_first_difference, records, pairs)),
        gap_ns=gap_ns,
        gap_row=gap_row,
    )


def _rows(jobs: Iterable[JobData]) -> Iterator[_Row]:
    for job in jobs:
        for phase in job.phases:
            for record in phase.records:
                yield _Row(
                    repeat=job.repeat,
                    concurrency=phase.concurrency,
                    cut_at_limit=job.cut_at_limit,
                    record=record,
                )


def _ints(values: Iterable[int]) -> IntArray:
    return np.fromiter(values, dtype=np.int64)


def _told(count: int | None) -> int:
    return UNKNOWN if count is None else count


def _gaps(records: Sequence[Record]) -> tuple[IntArray, IntArray]:
    lengths = _ints(len(record.chunk_ns) for record in records)
    times = _ints(chain.from_iterable(record.chunk_ns for record in records))
    row = np.repeat(np.arange(len(records)), lengths)
    within = row[1:] == row[:-1]
    return np.diff(times)[within], row[1:][within]


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
