"""How OpenAI's two APIs are asked, and what servers' streams of them tell.

Events are written as the servers write them, as far as the client looks: vLLM 0.32 and SGLang
0.5.23 by their source, llama.cpp as answered by xllamacpp 2026.10.11549.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from specseal.client.dialects import DIALECTS, dialect_named
from specseal.client.errors import InputRefused
from specseal.client.job import Sampling
from specseal.client.openai import CHAT, COMPLETIONS
from specseal.client.wire import Dialect, Event, Final, Input, Request

SAMPLING = Sampling(
    temperature=0.7, top_p=0.9, top_k=20, seed=7, stop=("END",), ignore_eos=True, max_tokens=16
)
GREEDY = Sampling(
    temperature=0.0, top_p=1.0, top_k=0, seed=0, stop=(), ignore_eos=False, max_tokens=4
)
MESSAGES = ({"role": "user", "content": "hello"},)
DONE = b"[DONE]"


def asked(dialect: Dialect, given: Input, sampling: Sampling = SAMPLING) -> dict[str, Any]:
    return dialect.complete(Request(input=given, sampling=sampling, model="m")).body


def read(dialect: Dialect, *events: dict[str, Any], end: bool = True) -> list[Event]:
    decode = dialect.decoder()
    data = [json.dumps(event).encode() for event in events]
    return [decode(one) for one in [*data, *([DONE] if end else [])]]


def final_of(events: Iterable[Event]) -> Final:
    final = [*events][-1].final
    assert final is not None
    return final


def usage(output: int, *, sent: int = 5, **details: Any) -> dict[str, Any]:
    return {"prompt_tokens": sent, "completion_tokens": output, "total_tokens": sent + output} | (
        {"prompt_tokens_details": details} if details else {}
    )


def text(said: str, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of a completion; `ids` are its token ids."""
    choice = {"index": 0, "text": said, "finish_reason": finish}
    if "ids" in more:
        choice["token_ids"] = more.pop("ids")
    return {"id": "x", "choices": [choice], **more}


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    """Return a chunk of a chat."""
    return {"id": "x", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def closing(output: int, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [], "usage": usage(output), **more}


def vllm(steps: int, drafted: int, accepted: int) -> dict[str, Any]:
    told = {
        "num_spec_steps": steps,
        "num_draft_tokens": drafted,
        "num_accepted_draft_tokens": accepted,
    }
    return {"metrics": {"speculative_decoding": told}}


def test_completion_sends_ids_and_every_parameter_of_sampling() -> None:
    call = COMPLETIONS.complete(Request(input=(5, 6), sampling=SAMPLING, model="m"))
    assert call.path == "/v1/completions"
    expected = {
        "prompt": (5, 6),
        "model": "m",
        "max_tokens": 16,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "seed": 7,
        "stop": ("END",),
        "ignore_eos": True,
        "stream": True,
        "return_token_ids": True,
    }
    assert call.body | expected == call.body


def test_what_servers_would_fill_in_themselves_is_switched_off_by_name() -> None:
    body = asked(COMPLETIONS, (5,), GREEDY)
    assert (body["top_k"], body["min_p"]) == (-1, 0)
    assert (body["repetition_penalty"], body["repeat_penalty"]) == (1, 1)
    assert (body["presence_penalty"], body["frequency_penalty"]) == (0, 0)
    assert "stop" not in body


def test_chat_sends_messages_and_asks_for_no_ids() -> None:
    call = CHAT.complete(Request(input=MESSAGES, sampling=SAMPLING, model="m"))
    assert call.path == "/v1/chat/completions"
    assert call.body["messages"] == MESSAGES
    assert "return_token_ids" not in call.body


def test_usage_is_asked_for_at_the_end_and_in_every_chunk() -> None:
    for body in (asked(COMPLETIONS, (5,)), asked(CHAT, MESSAGES)):
        assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
        assert body["timings_per_token"] is True


def test_input_of_the_other_kind_is_refused() -> None:
    with pytest.raises(InputRefused, match="'openai-completions' takes token ids"):
        asked(COMPLETIONS, MESSAGES)
    with pytest.raises(InputRefused, match="'openai-chat' takes messages"):
        asked(CHAT, (5, 6))


def test_vllm_tells_the_tokens_and_ids_of_each_chunk() -> None:
    events = read(
        COMPLETIONS,
        text("a", ids=[7], usage=usage(1)),
        text("bc", ids=[8, 9], usage=usage(3)),
        text("d", ids=[2], usage=usage(4), finish="stop"),
        closing(4, **vllm(2, 4, 1)),
    )
    assert [event.output_tokens for event in events[:4]] == [1, 3, 4, 4]
    assert [event.ids for event in events[:4]] == [(7,), (8, 9), (2,), ()]
    assert [event.text for event in events[:4]] == ["a", "bc", "d", ""]
    assert final_of(events) == Final(
        finish="stop",
        input_tokens=5,
        output_tokens=4,
        draft_tokens=4,
        accepted_tokens=1,
        verify_steps=2,
        cached_tokens=None,
        error=None,
    )


def test_final_comes_at_the_end_of_the_stream_only() -> None:
    events = read(COMPLETIONS, text("a", finish="length"), closing(1), end=False)
    assert [event.final for event in events] == [None, None]


def test_role_chunk_of_a_chat_holds_no_token() -> None:
    (event,) = read(CHAT, delta(role="assistant", content=None) | {"usage": usage(0)}, end=False)
    assert (event.text, event.output_tokens) == ("", 0)


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_what_a_model_thinks_is_no_part_of_its_answer(key: str) -> None:
    thought, said = read(CHAT, delta(**{key: "hm"}), delta(content="yes"), end=False)
    assert (thought.text, thought.aside) == ("", "hm")
    assert (said.text, said.aside) == ("yes", "")


def test_llamacpp_tells_the_tokens_so_far_in_its_timings() -> None:
    events = read(
        COMPLETIONS,
        text("a", timings={"predicted_n": 1, "cache_n": 0}),
        text("b", timings={"predicted_n": 4, "cache_n": 0, "draft_n": 4, "draft_n_accepted": 2}),
        text(
            "",
            finish="length",
            usage=usage(5, cached_tokens=3),
            timings={"predicted_n": 5, "draft_n": 6, "draft_n_accepted": 2},
        ),
    )
    assert [event.output_tokens for event in events[:3]] == [1, 4, 5]
    final = final_of(events)
    assert (final.draft_tokens, final.accepted_tokens, final.verify_steps) == (6, 2, None)
    assert (final.finish, final.output_tokens, final.cached_tokens) == ("length", 5, 3)


def test_llamacpp_without_drafts_drafted_nothing() -> None:
    final = final_of(read(COMPLETIONS, text("", finish="stop", usage=usage(1), timings={
        "predicted_n": 1
    })))  # fmt: skip
    assert (final.draft_tokens, final.accepted_tokens) == (0, 0)


def test_sglang_tells_its_speculation_in_an_event_before_the_usage() -> None:
    told = {"spec_num_proposed_drafts": 9, "spec_num_correct_drafts": 4, "spec_verify_ct": 3}
    events = read(
        COMPLETIONS,
        text("abcdefgh", finish="length", usage=usage(8)),
        {"choices": [], "sglext": {"spec_tokens_details": told}, "usage": None},
        closing(8),
    )
    final = final_of(events)
    assert (final.draft_tokens, final.accepted_tokens, final.verify_steps) == (9, 4, 3)


def test_server_that_counts_only_at_the_end_leaves_its_chunks_uncounted() -> None:
    events = read(CHAT, delta(content="ab"), delta("stop", content="c"), closing(7))
    assert [event.output_tokens for event in events] == [None, None, 7, None]
    assert final_of(events).output_tokens == 7


def test_usage_of_zero_beside_a_text_is_no_count() -> None:
    (event,) = read(CHAT, delta(content="ab") | {"usage": usage(0)}, end=False)
    assert event.output_tokens is None


def test_server_that_counts_nothing_is_an_error_that_says_so() -> None:
    final = final_of(read(CHAT, delta("stop", content="ab") | {"usage": None}))
    assert "the server tells no usage" in (final.error or "")


@pytest.mark.parametrize("finish", ["abort", "content_filter", None])
def test_answer_that_ended_in_another_way_is_an_error_that_says_which(finish: str | None) -> None:
    final = final_of(read(COMPLETIONS, text("a", finish=finish), closing(1)))
    assert final.error == f"the server ended the answer with finish_reason {finish!r}"


@pytest.mark.parametrize(
    ("steps", "accepted", "output", "told"),
    [
        (3, 4, 8, 3),
        (3, 6, 8, 3),
        (3, 4, 9, None),
        (0, 0, 1, 0),
        (0, 0, 2, None),
    ],
    ids=[
        "every step drafted", "two tokens were cut", "a step had no draft", "no step",
        "no draft at all",
    ],
)  # fmt: skip
def test_steps_are_told_where_no_step_without_a_draft_is_missing(
    steps: int, accepted: int, output: int, told: int | None
) -> None:
    final = final_of(
        read(
            COMPLETIONS,
            text("a", finish="length"),
            closing(output, **vllm(steps, 4 * steps, accepted)),
        )
    )
    assert final.verify_steps == told


def test_error_in_the_stream_carries_the_servers_message() -> None:
    (event,) = read(CHAT, {"error": {"message": "out of memory", "code": 500}}, end=False)
    assert event.error == "out of memory"
    (event,) = read(CHAT, {"error": "cancelled"}, end=False)
    assert event.error == "cancelled"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"id": "x"}', b'{"choices": [{"index": 0}]}'])
def test_event_of_another_kind_is_not_read_as_one(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        COMPLETIONS.decoder()(data)


@pytest.mark.parametrize(
    "event",
    [
        text("a") | {"usage": [1]},
        text("a") | {"usage": {"prompt_tokens": 1, "completion_tokens": "2"}},
        text("a") | {"usage": {"prompt_tokens": 1, "completion_tokens": -2}},
        text("a", ids=["a"]),
        {"choices": [{"index": 0, "text": 3}]},
        {"choices": [{"index": 0, "text": "a"}, {"index": 1, "text": "b"}]},
        closing(1, metrics={"speculative_decoding": {"num_spec_steps": 1.5}}),
    ],
)
def test_value_of_another_type_is_not_taken(event: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read(COMPLETIONS, event)


@pytest.mark.parametrize(
    "delta", ["x", [1], {"content": 3}, {"content": [{"text": "a"}]}, {"reasoning": {}}]
)
def test_chat_answer_of_another_type_is_not_taken(delta: Any) -> None:
    with pytest.raises(TypeError):
        read(CHAT, {"choices": [{"index": 0, "delta": delta}]})


def test_chat_event_without_a_delta_says_nothing() -> None:
    (event,) = read(CHAT, {"choices": [{"index": 0, "delta": None}]}, end=False)
    assert (event.text, event.aside) == ("", "")


def test_usage_that_is_empty_counts_nothing() -> None:
    (event,) = read(COMPLETIONS, text("a") | {"usage": {}, "timings": {}}, end=False)
    assert event.output_tokens is None


def test_two_responses_have_nothing_to_do_with_each_other() -> None:
    read(COMPLETIONS, text("a", finish="stop"), closing(9, **vllm(2, 8, 6)))
    final = final_of(read(COMPLETIONS, text("a", finish="stop"), closing(1)))
    assert (final.output_tokens, final.draft_tokens) == (1, None)


def test_peek_tells_counts_of_the_last_event_alone() -> None:
    peeked = COMPLETIONS.peek(json.dumps(closing(4, **vllm(2, 4, 1))).encode())
    assert peeked is not None
    assert (peeked.output_tokens, peeked.draft_tokens, peeked.accepted_tokens) == (4, 4, 1)
    assert COMPLETIONS.peek(json.dumps(text("a")).encode()) is None


def test_each_dialect_is_found_by_its_name_and_no_other_is() -> None:
    assert all(dialect_named(name) is dialect for name, dialect in DIALECTS.items())
    with pytest.raises(InputRefused, match="'grpc' is none of llamacpp, llamacpp-cached, openai-"):
        dialect_named("grpc")
