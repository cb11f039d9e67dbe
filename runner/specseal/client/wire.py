"""What passes between client and server, whatever the dialect: calls, reads, events.

A `Dialect` is data and pure functions: how a request is written and how one streamed event is
read. `dialects.DIALECTS` is the closed table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from specseal.client.job import Sampling, TokenIds

Message = dict[str, str]
"""`{"role": "user" | "assistant", "content": text}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST: where, with what, and (where the answer is one JSON object) which key is meant."""

    path: str
    body: dict[str, Any]
    answer_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One streamed request as the socket saw it; nothing is decoded."""

    submit_ns: int
    end_ns: int
    reads: tuple[tuple[int, bytes], ...]
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
    input_tokens: int
    """Input tokens as the engine counted them."""
    output_tokens: int
    draft_tokens: int | None
    accepted_tokens: int | None
    cached_tokens: int | None
    error: str | None
    """Why the answer can't be taken although it is complete (the input was truncated)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    ids: TokenIds
    """Token ids in this event; fewer than were generated where the engine held some back."""
    text: str
    output_tokens: int
    """Tokens generated so far, this event's included."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way of speaking with an engine."""

    complete: Callable[[TokenIds, Sampling], Call]
    """The streamed completion of these input ids."""
    decode: Callable[[bytes], Event]
    """One event's data → Event. Raises ValueError, KeyError, TypeError on what is not one."""
    text: TextCalls
