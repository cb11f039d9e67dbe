"""How llama.cpp's requests are written and its events read."""

from __future__ import annotations

import json

import pytest

from specseal.client.errors import InputRefused
from specseal.client.job import Sampling
from specseal.client.llamacpp import LLAMACPP, LLAMACPP_CACHED
from specseal.client.wire import Event, Request
from unit.client.fake_llamacpp import final, token


def sampling(temperature: float) -> Sampling:
    return Sampling(
        temperature=temperature,
        top_p=0.9,
        top_k=20,
        seed=7,
        stop=("END",),
        ignore_eos=True,
        max_tokens=16,
    )


def request(*ids: int, temperature: float) -> Request:
    return Request(input=ids, sampling=sampling(temperature), model="")


def decode(data: bytes) -> Event:
    return LLAMACPP.decoder()(data)


def test_greedy_request_names_every_parameter_and_only_the_temperature_sampler() -> None:
    call = LLAMACPP.complete(request(5, 6, temperature=0.0))
    assert call.path == "/completion"
    assert call.body["prompt"] == (5, 6)
    assert call.body["samplers"] == ["temperature"]
    assert call.body | {"n_predict": 16, "seed": 7, "stop": ("END",), "ignore_eos": True} == (
        call.body
    )
    assert call.body["cache_prompt"] is False
    assert call.body["min_p"] == 0
    assert call.body["repeat_penalty"] == 1


def test_rows_differ_in_whether_a_slot_may_reuse_what_it_holds_and_in_nothing_else() -> None:
    asked = request(5, temperature=0.7)
    without, cached = LLAMACPP.complete(asked), LLAMACPP_CACHED.complete(asked)
    assert cached.body == {**without.body, "cache_prompt": True}
    assert (cached.path, LLAMACPP_CACHED.text) == (without.path, LLAMACPP.text)


def test_sampled_request_runs_top_k_and_top_p_before_the_temperature() -> None:
    body = LLAMACPP.complete(request(5, temperature=0.7)).body
    assert body["samplers"] == ["top_k", "top_p", "temperature"]
    assert (body["temperature"], body["top_k"], body["top_p"]) == (0.7, 20, 0.9)


def test_token_event_gives_ids_text_and_the_count_so_far() -> None:
    event = decode(json.dumps(token(9, 4, "hé")).encode())
    assert (event.ids, event.text, event.output_tokens, event.final) == ((9,), "hé", 4, None)


@pytest.mark.parametrize(
    ("stop_type", "finish"), [("eos", "stop"), ("word", "stop"), ("limit", "length")]
)
def test_stop_type_becomes_finish(stop_type: str, finish: str) -> None:
    event = decode(json.dumps(final(3, 2, stop_type=stop_type)).encode())
    assert event.final is not None
    assert event.final.finish == finish


def test_final_event_tells_drafted_and_accepted_tokens() -> None:
    event = decode(json.dumps(final(9, 2, drafted=(8, 5))).encode())
    assert event.final is not None
    assert (event.final.draft_tokens, event.final.accepted_tokens) == (8, 5)


def test_nothing_drafted_counts_as_zero() -> None:
    event = decode(json.dumps(final(9, 2)).encode())
    assert event.final is not None
    assert (event.final.draft_tokens, event.final.accepted_tokens) == (0, 0)


def test_truncated_sequence_is_an_error() -> None:
    event = decode(json.dumps(final(9, 2, truncated=True)).encode())
    assert event.final is not None
    assert "truncated" in (event.final.error or "")


def test_error_in_the_stream_carries_the_engines_message() -> None:
    assert decode(b'{"error":{"message":"out of slots"}}').error == "out of slots"


def test_unknown_stop_type_is_not_taken_for_any_other() -> None:
    with pytest.raises(KeyError, match="bored"):
        decode(json.dumps(final(3, 2, stop_type="bored")).encode())


def test_messages_are_refused_because_the_server_is_asked_with_ids() -> None:
    messages = ({"role": "user", "content": "hello"},)
    with pytest.raises(InputRefused, match="'llamacpp' takes token ids"):
        LLAMACPP.complete(Request(input=messages, sampling=sampling(0.0), model=""))


def test_steps_are_not_known_because_the_timings_leave_them_out() -> None:
    event = decode(json.dumps(final(9, 2, drafted=(8, 5))).encode())
    assert event.final is not None
    assert event.final.verify_steps is None


def test_peek_tells_the_counts_of_a_finished_request_and_nothing_before() -> None:
    peeked = LLAMACPP.peek(json.dumps(final(9, 2)).encode())
    assert peeked is not None
    assert peeked.output_tokens == 9
    assert LLAMACPP.peek(json.dumps(token(9, 4)).encode()) is None


@pytest.mark.parametrize(
    "changes",
    [{"tokens": ["a"]}, {"tokens": 3}, {"content": 3}, {"tokens_predicted": "4"}],
)
def test_value_of_another_type_is_not_taken(changes: dict[str, object]) -> None:
    event = token(9, 4) | changes
    with pytest.raises(TypeError, match="expected"):
        decode(json.dumps(event).encode())
