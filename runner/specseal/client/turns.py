"""What each turn of a conversation sends: the first, and those that go on from an answer."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from specseal.client.decode import Decoded
from specseal.client.prompts import Conversation, Dialogue, TokenIds
from specseal.client.wire import Input, Message


def first_input(conversation: Conversation | Dialogue) -> Input:
    """Return what the first turn sends."""
    if isinstance(conversation, Conversation):
        return conversation.first
    return (_user(conversation.turns[0]),)


def following_input(
    conversation: Conversation | Dialogue,
    turn: int,
    sent: Input,
    answer: Decoded,
    *,
    stop_ids: frozenset[int],
) -> Input | None:
    """Return what turn `turn` sends, after the turn before sent `sent` and got `answer`.

    None where the server told too little of its answer for the conversation to go on from it.
    """
    if isinstance(conversation, Dialogue):
        said: Message = {"role": "assistant", "content": answer.text}
        return cast(Input, (*sent, said, _user(conversation.turns[turn])))
    if answer.ids is None or answer.final is None:
        return None
    return next_ids(
        cast(TokenIds, sent),
        answer.ids,
        conversation.between[turn - 1],
        stop_ids=stop_ids,
        finish=answer.final.finish,
    )


def next_ids(
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


def sent_ids(sent: Input) -> int | None:
    """Return how many token ids an input has; None where it is text."""
    return None if sent and isinstance(sent[0], dict) else len(sent)


def digest(sent: Input) -> str:
    """Return the SHA-256 of an input's JSON without spaces (UTF-8, nothing escaped needlessly)."""
    text = json.dumps(sent, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _user(text: str) -> Message:
    return {"role": "user", "content": text}
