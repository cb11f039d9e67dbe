"""Records as columns: one row a request, so that every metric is array arithmetic.

In: the records of one phase, in the order of conversation, cycle and turn. Out: `Requests`. Those
of a selection are joined in the order of repeat and load, so that the order in which records were
written never changes a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The numbers that stand for names in the columns; they follow the names' order."""

    conversations: dict[str, int]
    categories: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Requests:
    """Requests as columns; every array but `gap_ns` has one entry a request."""

    repeat: IntArray
    level: IntArray
    """Rank of the load among all loads of the run."""
    conversation: IntArray
    category: IntArray
    cycle: IntArray
    completed: BoolArray
    may_be_cut: BoolArray
    input_tokens: IntArray
    output_tokens: IntArray
    first_chunk_tokens: IntArray
    """`UNKNOWN` where the engine does not tell how many tokens a chunk holds."""
    draftable_tokens: IntArray
    """Output tokens that the drafter can draft at all; `UNKNOWN` where no ids are known, or where
    nothing says what it can draft."""
    accepted_tokens: IntArray
    """`UNKNOWN` where the engine does not tell per request; so the next two."""
    draft_tokens: IntArray
    verify_steps: IntArray
    chunks: IntArray
    first_chunk_ns: IntArray
    """From submit to the first chunk; 0 without chunks."""
    decode_ns: IntArray
    """From the first chunk to the last; 0 without chunks."""
    latency_ns: IntArray
    """From submit to the end of the response."""
    baseline_tps: FloatArray
    """User TPS of the same turn in the baseline of the same repeat and load, or NaN."""
    first_difference: IntArray
    """0-based index of the first token that differs from the partner's, or a constant above."""
    gap_ns: NumberArray
    """Times between successive chunks of one request, all requests one after another."""

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.repeat)

    @property
    def gaps(self) -> IntArray:
        """How many entries of `gap_ns` belong to each request."""
        return np.maximum(self.chunks - 1, 0)

    @property
    def user_tps(self) -> FloatArray:
        """Output tokens a second of end-to-end latency; NaN where that is 0."""
        return user_tps(self.output_tokens, self.latency_ns)

    def take(self, chosen: BoolArray) -> Requests:
        """Return the requests where `chosen` is true, gaps with them."""
        if chosen.all():
            return self
        columns = {name: getattr(self, name)[chosen] for name in _ONE_A_REQUEST}
        return Requests(**columns, gap_ns=self.gap_ns[np.repeat(chosen, self.gaps)])


_ONE_A_REQUEST = tuple(field.name for field in fields(Requests) if field.name != "gap_ns")


def joined(parts: Sequence[Requests]) -> Requests:
    """Return the requests of all parts (at least one), in their order."""
    if len(parts) == 1:
        return parts[0]
    return Requests(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Requests)
        }
    )


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


def requests_of(
    records: Sequence[Record],
    *,
    repeat: int,
    level: int,
    cut_at_limit: bool,
    ranks: Ranks,
    draftable: BoolArray | None = None,
) -> Requests:
    """Lay out the requests of one phase as columns, in their order, without partners.

    Args:
        records: of the phase.
        repeat: of the launch, 0-based.
        level: rank of the load.
        cut_at_limit: whether the engine may accept draft tokens past max_tokens.
        ranks: of every conversation and category of the run.
        draftable: for each token id whether the drafter can draft it; None where nothing says.
    """
    n = len(records)

    def ints(value: Callable[[Record], int | None]) -> IntArray:
        return np.fromiter(map(_told, map(value, records)), dtype=np.int64, count=n)

    return Requests(
        repeat=np.full(n, repeat),
        level=np.full(n, level),
        conversation=ints(lambda record: ranks.conversations[record.conversation]),
        category=ints(lambda record: ranks.categories[record.category]),
        cycle=ints(lambda record: record.cycle),
        completed=np.fromiter(map(is_completed, records), dtype=np.bool_, count=n),
        may_be_cut=np.fromiter(
            (may_be_cut(record, cut_at_limit=cut_at_limit) for record in records), dtype=np.bool_
        ),
        input_tokens=ints(lambda record: record.input_tokens),
        output_tokens=ints(lambda record: record.output_tokens),
        first_chunk_tokens=ints(lambda record: next(iter(record.chunk_tokens or ()), None)),
        draftable_tokens=ints(lambda record: _draftable_tokens(record, draftable)),
        accepted_tokens=ints(lambda record: record.accepted_tokens),
        draft_tokens=ints(lambda record: record.draft_tokens),
        verify_steps=ints(lambda record: record.verify_steps),
        chunks=ints(lambda record: len(record.chunk_ns)),
        first_chunk_ns=ints(
            lambda record: record.chunk_ns[0] - record.submit_ns if record.chunk_ns else 0
        ),
        decode_ns=ints(
            lambda record: record.chunk_ns[-1] - record.chunk_ns[0] if record.chunk_ns else 0
        ),
        latency_ns=ints(lambda record: record.end_ns - record.submit_ns),
        baseline_tps=np.full(n, np.nan),
        first_difference=np.full(n, NOT_COMPARABLE),
        gap_ns=_gaps(records),
    )


def _told(count: int | None) -> int:
    return UNKNOWN if count is None else count


def _draftable_tokens(record: Record, draftable: BoolArray | None) -> int | None:
    if draftable is None or record.output_ids is None:
        return None
    ids = np.asarray(record.output_ids, dtype=np.int64)
    return int(np.count_nonzero(draftable[ids[ids < len(draftable)]]))


def _gaps(records: Iterable[Record]) -> NumberArray:
    """Return the gaps of all requests, in 32 bits where they fit: there is one for every chunk."""
    lengths = np.fromiter((len(record.chunk_ns) for record in records), dtype=np.int64)
    times = np.fromiter(
        chain.from_iterable(record.chunk_ns for record in records),
        dtype=np.int64,
        count=int(lengths.sum()),
    )
    gaps = np.diff(times)
    ends = np.cumsum(lengths)[lengths > 0]  # a gap across two requests is none
    gaps = np.delete(gaps, ends[:-1] - 1)
    fits = len(gaps) == 0 or (gaps.min() >= 0 and gaps.max() <= np.iinfo(np.uint32).max)
    return gaps.astype(np.uint32) if fits else gaps
