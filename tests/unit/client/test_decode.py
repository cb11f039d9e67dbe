"""From raw reads to pieces and ids."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from specseal.client.decode import Decoded, decode
from specseal.client.errors import ServerError
from specseal.client.llamacpp import LLAMACPP
from specseal.client.openai import COMPLETIONS
from specseal.client.prompts import TokenIds
from specseal.client.wire import Exchange
from unit.client.fake_llamacpp import final, sse, token

OK = b"HTTP/1.1 200 OK\r\n\r\n"


def exchange(*reads: bytes, error: str | None = None, head: bytes = OK) -> Exchange:
    """Return a response whose body comes in these reads, and ends with the connection."""
    stamped = [(0, head), *enumerate(reads, 1)]
    return Exchange(connect_ns=0, submit_ns=0, end_ns=99, reads=stamped, error=error)


def decoded(raw: Exchange, *, encoded: dict[str, TokenIds] | None = None) -> Decoded:
    async def encode(text: str) -> TokenIds:
        if encoded is None:
            raise ServerError("gone")
        return encoded[text]

    return asyncio.run(decode(raw, LLAMACPP, encode, input_tokens=2))


def counts(result: Decoded) -> list[tuple[int, int]]:
    assert result.chunk_tokens is not None
    return list(zip(result.chunk_ns, result.chunk_tokens, strict=True))


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
    assert result.text == "你"
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
        (sse(token(5, 1), final(1, 4)), "took 4 input tokens where 2 were sent"),
        (sse(token(5, 1), final(1, 1)), "took 1 input tokens where 2 were sent"),
        (sse(token(5, 2), token(6, 1), final(1, 2)), "counts 1 output tokens, its stream 2"),
        (sse(token(5, 1), final(1, 2, truncated=True)), "truncated"),
    ],
)
def test_a_flawed_stream_has_its_reason_and_keeps_what_came(wire: bytes, message: str) -> None:
    result = decoded(exchange(wire))
    assert re.search(message, result.error or "")


def test_one_input_token_more_than_was_sent_is_kept_for_the_analysis_to_judge() -> None:
    result = decoded(exchange(sse(token(5, 1), final(1, 3))))
    assert result.error is None
    assert result.final is not None
    assert result.final.input_tokens == 3


def test_error_of_the_connection_wins_over_the_incomplete_stream() -> None:
    assert decoded(exchange(sse(token(5, 1)), error="connection cut")).error == "connection cut"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP 404: no such model"),
        (b"SSH-2.0-OpenSSH\r\n", "begins with .*SSH.*, which is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", "cut before 976 bytes of its body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a chunk's size is"),
        (b"HTTP/1.1 200 O", "connection cut before its head"),
    ],
)
def test_what_is_no_good_response_has_its_own_error(head: bytes, message: str) -> None:
    whole = b"" if head.endswith(b"O") else b"no such model\r\n\r\n......"
    assert re.search(message, decoded(exchange(whole, head=head)).error or "")


def test_connection_closed_without_a_word_is_cut() -> None:
    raw = Exchange(connect_ns=0, submit_ns=0, end_ns=99, reads=())
    assert decoded(raw).error == "connection cut before the answer began"


def openai(*chunks: dict[str, Any]) -> Decoded:
    wire = sse(*chunks) + b"data: [DONE]\n\n"
    return asyncio.run(decode(exchange(wire), COMPLETIONS, None, input_tokens=2))


def chunk(text: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": more.pop("finish", None)}
    if "ids" in more:
        choice["token_ids"] = more.pop("ids")
    return {"choices": [choice], **more}


def usage(output_tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": 2, "completion_tokens": output_tokens, "total_tokens": 0}


def test_chunks_that_nobody_counts_are_stamped_and_counted_only_together() -> None:
    end = {"choices": [], "usage": usage(5)}
    result = openai(chunk("a"), chunk(""), chunk("b c"), chunk("", finish="length"), end)
    assert result.error is None
    assert len(result.chunk_ns) == 2
    assert result.chunk_tokens is None
    assert result.output_tokens == 5
    assert (result.ids, result.ids_are_certain) == (None, False)


def test_ids_count_the_chunks_where_they_are_as_many_as_were_generated() -> None:
    end = {"choices": [], "usage": usage(3)}
    result = openai(chunk("a", ids=[5]), chunk("b c", ids=[6, 7], finish="stop"), end)
    assert result.chunk_tokens == (1, 2)
    assert (result.ids, result.ids_are_certain) == ((5, 6, 7), True)


def test_ids_that_are_fewer_than_was_generated_count_nothing() -> None:
    end = {"choices": [], "usage": usage(4)}
    result = openai(chunk("a", ids=[5]), chunk("b c", ids=[6, 7], finish="stop"), end)
    assert result.chunk_tokens is None
    assert result.ids is None
    assert result.output_tokens == 4


def test_chunk_that_is_not_counted_leaves_all_of_them_uncounted() -> None:
    end = {"choices": [], "usage": usage(3)}
    result = openai(chunk("a", usage=usage(1)), chunk("b c", finish="stop"), end)
    assert result.chunk_tokens is None
    assert result.output_tokens == 3


def test_tokens_without_text_are_one_chunk_with_the_end_of_the_answer() -> None:
    result = openai(chunk("", finish="stop"), {"choices": [], "usage": usage(1)})
    assert counts(result) == [(1, 1)]
    assert result.error is None
