"""From the raw reads of one request to pieces of output, and to the output's token ids.

Runs off the clock: between two turns of one conversation, or after the phase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specseal.client.errors import ServerError
from specseal.client.http1 import NotHttp, Reads, read_response, refusal
from specseal.client.prompts import TokenIds
from specseal.client.sse import events
from specseal.client.wire import Dialect, Exchange, Final

EncodeText = Callable[[str], Awaitable[TokenIds]]
"""Encode a text as it stands, without special tokens. Raises ServerError."""

_EVENTS_A_SLICE = 64


class Piece(NamedTuple):
    """One chunk that carried tokens. `ids` may be fewer than `tokens`: some were held back."""

    time_ns: int
    tokens: int | None
    """None where the engine tells only how many all chunks have together."""
    ids: TokenIds
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One request's output."""

    chunk_ns: tuple[int, ...]
    """Arrival of each chunk that carried tokens."""
    chunk_tokens: tuple[int, ...] | None
    """Tokens of each; None where the engine tells only how many they were together."""
    output_tokens: int
    text: str
    ids: TokenIds | None
    """The output's ids; None where there is no way to know them."""
    ids_are_certain: bool
    """Whether each id is the one that was generated."""
    final: Final | None
    error: str | None
    """Why it is not a complete answer, or None."""


async def decode(
    exchange: Exchange,
    dialect: Dialect,
    encode: EncodeText | None,
    *,
    input_tokens: int | None,
) -> Decoded:
    """Decode a request's stream.

    Args:
        exchange: the raw reads.
        dialect: how to read an event.
        encode: for the ids that the engine held back; None where the server can't.
        input_tokens: how many ids were sent; None where text was.
    """
    body, broken = _body(exchange)
    said = await _read_events(body, dialect)
    pieces, final = _counted(said.pieces, said.final), said.final
    tokens = [piece.tokens for piece in pieces if piece.tokens is not None]
    is_counted = len(tokens) == len(pieces)
    output_tokens = sum(tokens) if is_counted or final is None else final.output_tokens
    ids, certain = await _output_ids(pieces, encode)
    return Decoded(
        chunk_ns=tuple(piece.time_ns for piece in pieces),
        chunk_tokens=tuple(tokens) if is_counted else None,
        output_tokens=output_tokens,
        text=said.text,
        ids=ids,
        ids_are_certain=certain,
        final=final,
        error=said.error or broken or _flaw(final, output_tokens, input_tokens),
    )


def _body(exchange: Exchange) -> tuple[Reads, str | None]:
    """Return the body of a good response, and what is wrong with the exchange."""
    if not exchange.reads:
        return (), exchange.error or "connection cut before the answer began"
    try:
        response = read_response(exchange.reads)
    except NotHttp as broken:
        return (), exchange.error or str(broken)
    error = exchange.error
    if error is None and response.missing is not None:
        error = f"connection cut before {response.missing}"
    if response.status not in (0, 200):
        return (), refusal(response.status, response.content)
    return response.body, error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a stream of events says."""

    pieces: tuple[Piece, ...]
    text: str
    final: Final | None = None
    error: str | None = None


async def _read_events(body: Reads, dialect: Dialect) -> _Said:
    """Read a stream up to its closing event or its error.

    Hands the loop back every few events, so that other streams' reads are stamped in time.
    """
    pieces: list[Piece] = []
    texts: list[str] = []
    seen: int | None = 0
    read_event = dialect.decoder()

    def said(*, final: Final | None = None, error: str | None = None) -> _Said:
        return _Said(pieces=tuple(pieces), text="".join(texts), final=final, error=error)

    for number, (time_ns, data) in enumerate(events(body), 1):
        if number % _EVENTS_A_SLICE == 0:
            await asyncio.sleep(0)
        try:
            event = read_event(data)
        except (ValueError, KeyError, TypeError, RecursionError) as broken:
            return said(error=f"event {number} of the stream can't be read: {broken!r}")
        if event.error is not None:
            return said(error=f"the engine reported: {event.error}")
        total, final = event.output_tokens, event.final
        texts.append(event.text)
        if total is None or seen is None:
            if event.text or event.ids or event.aside:
                pieces.append(Piece(time_ns, None, event.ids, event.text))
                seen = None
            elif final is not None and final.output_tokens and not pieces:
                # Tokens without any text: that they are there is known from here on.
                pieces.append(Piece(time_ns, final.output_tokens, (), ""))
        elif total > seen:
            pieces.append(Piece(time_ns, total - seen, event.ids, event.text))
            seen = total
        if final is not None:
            return said(final=final)
    return said()


def _counted(pieces: Sequence[Piece], final: Final | None) -> Sequence[Piece]:
    """Return pieces of which each is counted, where that can be known, or none is.

    An engine that doesn't count its chunks may name their ids: these are all there is where they
    are as many as it generated. One token a chunk is never assumed.
    """
    if all(piece.tokens is not None for piece in pieces):
        return pieces
    named = sum(len(piece.ids) for piece in pieces)
    if final is not None and named and named == final.output_tokens:
        return [piece._replace(tokens=len(piece.ids)) for piece in pieces if piece.ids]
    return [piece._replace(tokens=None) for piece in pieces]


def _flaw(final: Final | None, output_tokens: int, input_tokens: int | None) -> str | None:
    """Say what is wrong with an answer that came whole.

    An input one token longer than what was sent has got a BOS in front. It is an answer all the
    same: the record has both counts, and what it is worth is for the analysis to say.
    """
    if final is None:
        return "the stream ended before its final event"
    if final.error is not None:
        return final.error
    took = final.input_tokens
    if input_tokens is not None and took not in (None, input_tokens, input_tokens + 1):
        return f"the engine took {took} input tokens where {input_tokens} were sent"
    if final.output_tokens != output_tokens:
        return f"the engine counts {final.output_tokens} output tokens, its stream {output_tokens}"
    return None


async def _output_ids(
    pieces: Sequence[Piece], encode: EncodeText | None
) -> tuple[TokenIds | None, bool]:
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
        if encode is None or piece.tokens is None:
            return None, False
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
