"""From raw reads to pieces and ids."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from specseal.client.decode import Decoded, decode, next_input
from specseal.client.errors import ServerError
from specseal.client.job import TokenIds
from specseal.client.llamacpp import LLAMACPP
from specseal.client.wire import Exchange
from unit.client.fake_llamacpp import final, sse, token


def exchange(*reads: bytes, error: str | None = None) -> Exchange:
    return Exchange(submit_ns=0, end_ns=99, reads=tuple(enumerate(reads, 1)), error=error)


def decoded(raw: Exchange, *, encoded: dict[str, TokenIds] | None = None) -> Decoded:
    async def encode(text: str) -> TokenIds:
        if encoded is None:
            raise ServerError("gone")
        return encoded[text]

    return asyncio.run(decode(raw, LLAMACPP, encode, input_tokens=2))


def counts(result: Decoded) -> list[tuple[int, int]]:
    return [(piece.time_ns, piece.tokens) for piece in result.pieces]


def test_each_token_event_is_a_chunk_and_the_empty_final_event_is_none() -> None:
    result = decoded(exchange(sse(token(5, 1)), sse(token(6, 2)), sse(final(2, 2))))
    assert counts(result) == [(1, 1), (2, 1)]
    assert result.ids == (5, 6)
    assert result.error is None


def test_events_merged_into_one_read_stay_two_chunks_with_one_time() -> None:
    result = decoded(exchange(sse(token(5, 1), token(6, 2), final(2, 2))))
    assert counts(result) == [(1, 1), (1, 1)]


def test_several_tokens_in_one_event_are_one_chunk() -> None:
    merged = {**token(5, 3), "tokens": [5, 6, 7]}
    result = decoded(exchange(sse(merged), sse(final(3, 2))))
    assert counts(result) == [(1, 3)]
    assert result.ids == (5, 6, 7)


def test_character_cut_between_reads_is_whole_again() -> None:
    wire = sse(token(5, 1, "你"), final(1, 2))
    at = wire.index("你".encode()) + 1
    result = decoded(exchange(wire[:at], wire[at:]))
    assert [piece.text for piece in result.pieces] == ["你"]
    assert counts(result) == [(2, 1)]


def test_ids_held_back_inside_a_character_are_found_again() -> None:
    wire = sse(token(7, 1), token(120, 4, "🧪"), final(4, 2))
    result = decoded(exchange(wire), encoded={"🧪": (10, 11, 120)})
    assert counts(result) == [(1, 1), (1, 3)]
    assert result.ids == (7, 10, 11, 120)
    assert result.ids_are_certain


@pytest.mark.parametrize("encoded", [(10, 120), (10, 11, 121)], ids=["other count", "other end"])
def test_ids_that_can_not_be_the_ones_generated_are_not_certain(encoded: TokenIds) -> None:
    wire = sse(token(120, 3, "🧪"), final(3, 2))
    result = decoded(exchange(wire), encoded={"🧪": encoded})
    assert result.ids == encoded
    assert not result.ids_are_certain
    assert result.error is None


def test_tokens_cut_off_inside_a_character_are_counted_at_the_final_event() -> None:
    result = decoded(exchange(sse(token(5, 1)), sse(final(3, 2))))
    assert counts(result) == [(1, 1), (2, 2)]
    assert not result.ids_are_certain
    assert result.error is None


def test_without_an_encoder_the_streamed_ids_are_all_there_is() -> None:
    result = decoded(exchange(sse(token(120, 3, "🧪"), final(3, 2))))
    assert result.ids == (120,)
    assert not result.ids_are_certain


def test_a_long_answer_lets_other_tasks_run_while_it_is_decoded() -> None:
    raw = exchange(sse(*(token(5, count) for count in range(1, 201)), final(200, 2)))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        other = asyncio.create_task(count_turns())
        await decode(raw, LLAMACPP, lambda text: asyncio.sleep(0, ()), input_tokens=2)
        other.cancel()

    asyncio.run(both())
    assert turns >= 3


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (sse(token(5, 1)), "ended before its final event"),
        (sse(token(5, 1)) + b"data: {broken\n\n", "event 2 of the stream can't be read"),
        (sse(token(5, 1), final(1, 2, stop_type="bored")), "event 2 .*bored"),
        (sse({"error": {"message": "no memory"}}), "the engine reported: no memory"),
        (sse(token(5, 1), final(1, 3)), "took 3 input tokens where 2 were sent"),
        (sse(token(5, 2), token(6, 1), final(1, 2)), "counts 1 output tokens, its stream 2"),
        (sse(token(5, 1), final(1, 2, truncated=True)), "truncated"),
    ],
)
def test_a_flawed_stream_has_its_reason_and_keeps_what_came(wire: bytes, message: str) -> None:
    result = decoded(exchange(wire))
    assert re.search(message, result.error or "")


def test_error_of_the_connection_wins_over_the_incomplete_stream() -> None:
    assert decoded(exchange(sse(token(5, 1)), error="connection cut")).error == "connection cut"


def following(output: TokenIds, between: TokenIds, **changes: Any) -> TokenIds:
    options = {"stop_ids": frozenset({2}), "finish": "stop", **changes}
    return next_input((1,), output, between, **options)


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
