"""Records as columns: one row a request, so that every metric is array arithmetic.

In: the records of one phase, in the order of conversation, cycle and turn. Out: `Requests`. Those
of a selection are joined in the order of repeat and load, so that the order in which records were
written never changes a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from specseal.record_columns import BoolArray, IntArray, Lists, NumberArray, difference
from specseal.record_table import OUTPUT_SHA256, RecordTable, table_of
from specseal.records import Record

__all__ = ["BoolArray", "FloatArray", "IntArray", "NumberArray", "Requests", "requests_of"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

UNKNOWN = -1
"""A count that the engine did not tell."""
WITHHELD = -2
"""`draftable_tokens` where ids are known, but only to the signer."""
IDENTICAL = -1
"""`first_difference` of two equal outputs."""
NOT_COMPARABLE = -2
"""`first_difference` where there is no partner with the same input and known ids."""
SOMEWHERE = -3
"""`first_difference` of two outputs whose ids are withheld, and whose hashes differ."""


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
    records = table_of(records)
    n = len(records)
    chunks, submit_ns = records.lists["chunk_ns"], records.number("submit_ns")
    has_chunks, finish = chunks.lengths > 0, records.texts["finish"]

    def told(name: str) -> IntArray:
        return records.numbers[name].or_else(UNKNOWN)

    def between(later: IntArray, earlier: IntArray) -> IntArray:
        return np.where(has_chunks, difference(later, earlier), 0)

    return Requests(
        repeat=np.full(n, repeat),
        level=np.full(n, level),
        conversation=records.texts["conversation"].numbered(ranks.conversations),
        category=records.texts["category"].numbered(ranks.categories),
        cycle=records.number("cycle"),
        completed=records.completed,
        # The last verify step may have lost tokens to a stop or to max_tokens.
        may_be_cut=finish.are("stop") | (finish.are("length") & cut_at_limit),
        input_tokens=records.number("input_tokens"),
        output_tokens=records.number("output_tokens"),
        first_chunk_tokens=records.lists["chunk_tokens"].first(UNKNOWN),
        draftable_tokens=_draftable_tokens(records, draftable),
        accepted_tokens=told("accepted_tokens"),
        draft_tokens=told("draft_tokens"),
        verify_steps=told("verify_steps"),
        chunks=chunks.lengths,
        first_chunk_ns=between(chunks.first(0), np.where(has_chunks, submit_ns, 0)),
        decode_ns=between(chunks.last(0), chunks.first(0)),
        latency_ns=difference(records.number("end_ns"), submit_ns),
        baseline_tps=np.full(n, np.nan),
        first_difference=np.full(n, NOT_COMPARABLE),
        gap_ns=_gaps(chunks),
    )


def _draftable_tokens(records: RecordTable, draftable: BoolArray | None) -> IntArray:
    output = records.lists["output_ids"]
    if draftable is None:
        return np.full(len(records), UNKNOWN)
    ids, is_withheld = output.in_a_row(), ~records.texts[OUTPUT_SHA256].are(None)
    can_be = np.zeros(len(ids), np.bool_)
    in_bitmap = ids < len(draftable)
    can_be[in_bitmap] = draftable[ids[in_bitmap]]
    unknown = np.where(is_withheld, WITHHELD, UNKNOWN)
    return np.where(output.are_known(), output.sums(can_be), unknown)


def _gaps(chunks: Lists) -> NumberArray:
    """Return the gaps of all requests, in 32 bits where they fit: there is one for every chunk."""
    gaps = np.diff(chunks.in_a_row())
    ends = np.cumsum(chunks.lengths)[chunks.lengths > 0]  # a gap across two requests is none
    gaps = np.delete(gaps, ends[:-1] - 1)
    fits = len(gaps) == 0 or (gaps.min() >= 0 and gaps.max() <= np.iinfo(np.uint32).max)
    return gaps.astype(np.uint32) if fits else gaps
