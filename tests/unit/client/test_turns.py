"""What each turn of a conversation sends."""

from __future__ import annotations

import hashlib
from typing import Any

from specseal.client.decode import Decoded
from specseal.client.prompts import Conversation, Dialogue, TokenIds
from specseal.client.turns import digest, first_input, following_input, next_ids, sent_ids
from specseal.client.wire import Final

TEXT = Dialogue(id="d", category="qa", turns=("one", "two"))
IDS = Conversation(id="c", category="qa", first=(1, 5), between=((7,),))
FINAL = Final(
    finish="stop",
    input_tokens=2,
    output_tokens=1,
    draft_tokens=None,
    accepted_tokens=None,
    verify_steps=None,
    cached_tokens=None,
    error=None,
)


def answer(text: str, ids: TokenIds | None) -> Decoded:
    return Decoded(
        chunk_ns=(1,),
        chunk_tokens=None,
        output_tokens=1,
        text=text,
        ids=ids,
        ids_are_certain=False,
        final=FINAL,
        error=None,
    )


def test_dialogue_goes_on_from_the_text_that_was_really_generated() -> None:
    first = first_input(TEXT)
    following = following_input(TEXT, 1, first, answer("Yes.", None), stop_ids=frozenset())
    assert following == (
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "two"},
    )


def test_conversation_of_ids_can_not_go_on_without_ids() -> None:
    sent = first_input(IDS)
    assert following_input(IDS, 1, sent, answer("Yes.", None), stop_ids=frozenset()) is None
    assert following_input(IDS, 1, sent, answer("Yes.", (9,)), stop_ids=frozenset()) == (1, 5, 9, 7)


def test_input_is_counted_where_it_is_ids_and_digested_as_json_either_way() -> None:
    assert sent_ids(first_input(IDS)) == 2
    assert sent_ids(first_input(TEXT)) is None
    assert digest((1, 5)) == hashlib.sha256(b"[1,5]").hexdigest()
    said = ({"role": "user", "content": "é"},)
    assert digest(said) == (hashlib.sha256('[{"role":"user","content":"é"}]'.encode()).hexdigest())


def following(output: TokenIds, between: TokenIds, **changes: Any) -> TokenIds:
    options = {"stop_ids": frozenset({2}), "finish": "stop", **changes}
    return next_ids((1,), output, between, **options)


def test_next_input_is_what_was_sent_generated_and_comes_between() -> None:
    assert following((5, 6), (7, 8), finish="length") == (1, 5, 6, 7, 8)


def test_trailing_stop_id_is_stripped_once() -> None:
    assert following((5, 2, 2), (2, 8)) == (1, 5, 2, 2, 8)


def test_end_of_turn_that_is_no_stop_id_is_not_given_twice() -> None:
    assert following((5, 9), (9, 8)) == (1, 5, 9, 8)


def test_output_cut_at_the_limit_keeps_its_last_id_whatever_follows() -> None:
    assert following((5, 9), (9, 8), finish="length") == (1, 5, 9, 9, 8)


def test_empty_output_goes_on() -> None:
    assert following((), (7,)) == (1, 7)
