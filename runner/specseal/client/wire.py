"""What passes between client and server, whatever the dialect: calls, reads, events.

A `Dialect` is data and pure functions: how a request is written and how one streamed event is
read. `dialects.DIALECTS` is the closed table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from specseal.client.errors import InputRefused
from specseal.client.job import Sampling, TokenIds

Message = dict[str, str]
"""`{"role": "user" | "assistant", "content": text}`."""

Input = TokenIds | tuple[Message, ...]
"""What a request asks to be completed: token ids, or messages for the server's chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, whatever the dialect."""

    input: Input
    sampling: Sampling
    model: str
    """What the server calls the model; empty where the dialect has no such thing."""
    stop_ids: frozenset[int] = frozenset()
    """Ids at which the model ends a turn, for servers that know but one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST: where, with what, and (where the answer is one JSON object) which key is meant."""

    path: str
    body: dict[str, Any]
    answer_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One streamed request as the socket saw it; nothing is decoded."""

    connect_ns: int
    """How long the connection took to be set up, before the request was submitted."""
    submit_ns: int
    end_ns: int
    reads: Sequence[tuple[int, bytes]]
    """(arrival in monotonic ns, bytes) of each read."""
    error: str | None = None
    timed_out: bool = False
    refused: bool = False
    """Nobody listens on the server's port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """What the engine says when a request is complete."""

    finish: str
    """`stop` or `length`."""
    input_tokens: int | None
    """Input tokens as the engine counted them, where it tells."""
    output_tokens: int
    draft_tokens: int | None
    accepted_tokens: int | None
    verify_steps: int | None
    cached_tokens: int | None
    error: str | None
    """Why the answer can't be taken although it is complete (the input was truncated)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    ids: TokenIds
    """Token ids in this event; fewer than were generated where the engine held some back."""
    text: str
    """Text of the answer."""
    output_tokens: int | None
    """Tokens generated so far, this event's included; None where only the end tells."""
    aside: str = ""
    """Text that was generated but is not of the answer: what a reasoning model thinks."""
    final: Final | None = None
    error: str | None = None
    """The engine says in the stream that the request failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCalls:
    """How a server renders its own chat template and encodes with its own tokenizer."""

    properties_path: str
    end_of_turn_key: str
    """Key of the end-of-turn token's text in the properties."""
    template_key: str
    render: Callable[[Sequence[Message], dict[str, Any]], Call]
    encode: Callable[[str, bool], Call]
    """From text, and whether the tokenizer may add its special tokens (BOS)."""


Decode = Callable[[bytes], Event]
"""One event's data → Event; events are given in their order.

Raises ValueError, KeyError, TypeError on what is not one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way of speaking with an engine."""

    complete: Callable[[Request], Call]
    """The streamed completion of an input. Raises: InputRefused where it is of the other kind."""
    decoder: Callable[[], Decode]
    """A reader for the events of one response: what one says may hang on those before it."""
    peek: Callable[[bytes], Final | None]
    """The last JSON event of a response → what it counts, for the display of progress only. Raises
    as `Decode` does."""
    text: TextCalls | None
    """None where the server can't be asked to render and encode."""


def ids_of(request: Request, dialect: str) -> TokenIds:
    """Return the input as token ids. Raises: InputRefused where it is messages."""
    if isinstance(request.input[0], dict):
        raise InputRefused(f"dialect {dialect!r} takes token ids, and the prompts are text")
    return request.input


def messages_of(request: Request, dialect: str) -> tuple[Message, ...]:
    """Return the input as messages. Raises: InputRefused where it is token ids."""
    if not isinstance(request.input[0], dict):
        raise InputRefused(f"dialect {dialect!r} takes messages, and the prompts are token ids")
    return request.input
