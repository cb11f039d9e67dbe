"""From the raw reads of one request to pieces of output, and to the output's token ids.

Runs off the clock: between two turns of one conversation, or after the phase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from specseal.client.errors import ServerError
from specseal.client.job import TokenIds
from specseal.client.sse import events
from specseal.client.wire import Dialect, Exchange, Final

EncodeText = Callable[[str], Awaitable[TokenIds]]
"""Encode a text as it stands, without special tokens. Raises ServerError."""

_EVENTS_A_SLICE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One chunk that carried tokens. `ids` may be fewer than `tokens`: some were held back."""

    time_ns: int
    tokens: int
    ids: TokenIds
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One request's output."""

    pieces: tuple[Piece, ...]
    ids: TokenIds
    """The output's ids."""
    ids_are_certain: bool
    """Whether each id is the one that was generated."""
    final: Final | None
    error: str | None
    """Why it is not a complete answer, or None."""


async def decode(
    exchange: Exchange, dialect: Dialect, encode: EncodeText, *, input_tokens: int
) -> Decoded:
    """Decode a request's stream.

    Args:
        exchange: the raw reads.
        dialect: how to read an event.
        encode: for the ids that the engine held back.
        input_tokens: how many ids were sent; the engine must have counted as many.
    """
    pieces, final, error = await _read_events(exchange, dialect)
    if error is None:
        error = _flaw(final, sum(piece.tokens for piece in pieces), input_tokens)
    ids, certain = await _output_ids(pieces, encode)
    return Decoded(pieces=pieces, ids=ids, ids_are_certain=certain, final=final, error=error)


async def _read_events(
    exchange: Exchange, dialect: Dialect
) -> tuple[tuple[Piece, ...], Final | None, str | None]:
    """Return pieces, the closing event and the error of a stream.

    Hands the loop back every few events, so that other streams' reads are stamped in time.
    """
    pieces: list[Piece] = []
    seen = 0
    for number, (time_ns, data) in enumerate(events(exchange.reads), 1):
        if number % _EVENTS_A_SLICE == 0:
            await asyncio.sleep(0)
        try:
            event = dialect.decode(data)
        except (ValueError, KeyError, TypeError) as broken:
            return tuple(pieces), None, f"event {number} of the stream can't be read: {broken!r}"
        if event.error is not None:
            return tuple(pieces), None, f"the engine reported: {event.error}"
        if (new := event.output_tokens - seen) > 0:
            pieces.append(Piece(time_ns=time_ns, tokens=new, ids=event.ids, text=event.text))
            seen = event.output_tokens
        if event.final is not None:
            return tuple(pieces), event.final, exchange.error
    return tuple(pieces), None, exchange.error


def _flaw(final: Final | None, output_tokens: int, input_tokens: int) -> str | None:
    if final is None:
        return "the stream ended before its final event"
    if final.error is not None:
        return final.error
    if final.input_tokens != input_tokens:
        return f"the engine took {final.input_tokens} input tokens where {input_tokens} were sent"
    if final.output_tokens != output_tokens:
        return f"the engine counts {final.output_tokens} output tokens, its stream {output_tokens}"
    return None


async def _output_ids(pieces: Iterable[Piece], encode: EncodeText) -> tuple[TokenIds, bool]:
    """Return the ids of an output, those that the engine held back encoded again from their text.

    Ids encoded again are certain where they are as many as were generated and end in the ids that
    were streamed; else they stand in for them as the same text.
    """
    ids: list[int] = []
    certain = True
    for piece in pieces:
        if len(piece.ids) == piece.tokens:
            ids.extend(piece.ids)
            continue
        again = await _encode_again(piece.text, encode)
        shown = len(piece.ids)
        certain &= len(again) == piece.tokens and again[len(again) - shown :] == piece.ids
        ids.extend(again or piece.ids)
    return tuple(ids), certain


async def _encode_again(text: str, encode: EncodeText) -> TokenIds:
    if not text:
        return ()
    try:
        return await encode(text)
    except ServerError:
        return ()  # The ids stay uncertain; `ServerText` remembers the failure.


def next_input(
    input_ids: TokenIds,
    output: TokenIds,
    between: TokenIds,
    *,
    stop_ids: frozenset[int],
    finish: str,
) -> TokenIds:
    """Return the next turn's input: what was sent, what was generated, what comes between.

    A trailing stop id is stripped, because `between` starts with the template's own end of turn.
    Where generation stopped on that very id, it is stripped too, although it is not in `stop_ids`:
    some models end a turn with another token than their end-of-text token.
    """
    ends = stop_ids | set(between[:1]) if finish == "stop" else stop_ids
    kept = output[:-1] if output and output[-1] in ends else output
    return input_ids + kept + between
