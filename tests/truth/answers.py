"""How each API asks and answers: pure functions from requests and chunks to bytes of events.

Source: vLLM 0.32 `entrypoints/openai/completion/serving.py` and `chat_completion/serving.py`
(order of events, `token_ids`, continuous usage, `metrics.speculative_decoding`); llama.cpp
`tools/server/README.md` (`/completion`).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from truth.behaviour import Behaviour

FIRST_ID = 1000
"""Output ids count up from here, so that a lost or doubled one shows."""
STOP_ID = 2
_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, read."""

    prompt: Any
    first: str
    """First token id in decimal digits, or first word."""
    input_tokens: int
    max_tokens: int
    model: str
    usage: bool
    """Usage at the end."""
    running_usage: bool
    """Usage in every chunk."""
    ids: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole answer, for its closing event."""

    output_tokens: int
    finish: str
    drafted: array[int]
    accepted: array[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One way to ask and to answer."""

    read: Callable[[Mapping[str, Any]], Ask]
    chunk: Callable[[Ask, Behaviour, range, str | None], bytes]
    """Events of output tokens number `range`; the finish reason where they are the last."""
    one_token_an_event: bool
    closing: Callable[[Ask, Behaviour, Summary], bytes]


def event(data: Mapping[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def _ids(ask: Ask, numbers: range, finish: str | None) -> list[int]:
    ids = [FIRST_ID + number for number in numbers]
    if finish == "stop":
        ids[-1] = STOP_ID
    return ids


def _read_openai(body: Mapping[str, Any], prompt: Any, words: str) -> Ask:
    options = body.get("stream_options") or {}
    given_ids = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], int)
    parts: list[Any] = prompt if given_ids else words.split()
    return Ask(
        prompt=prompt,
        first=str(parts[0]) if parts else "",
        input_tokens=len(parts),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens") or 16,
        model=body.get("model", ""),
        usage=bool(options.get("include_usage")),
        running_usage=bool(options.get("continuous_usage_stats")),
        ids=bool(body.get("return_token_ids")),
    )


def _read_completion(body: Mapping[str, Any]) -> Ask:
    prompt = body["prompt"]
    return _read_openai(body, prompt, prompt if isinstance(prompt, str) else "")


def _read_chat(body: Mapping[str, Any]) -> Ask:
    contents = [message["content"] for message in body["messages"]]
    texts = [
        content if isinstance(content, str) else " ".join(part["text"] for part in content)
        for content in contents
    ]
    return _read_openai(body, body["messages"], " ".join(texts))


def _usage(ask: Ask, behaviour: Behaviour, output_tokens: int) -> dict[str, Any]:
    sent = ask.input_tokens + behaviour.extra_input_tokens
    return {
        "prompt_tokens": sent,
        "completion_tokens": output_tokens,
        "total_tokens": sent + output_tokens,
    }


def _openai_chunk(
    key: str, text: Callable[[str], Any], kind: str
) -> Callable[[Ask, Behaviour, range, str | None], bytes]:
    def chunk(ask: Ask, behaviour: Behaviour, numbers: range, finish: str | None) -> bytes:
        choice: dict[str, Any] = {
            "index": 0,
            key: text(" x" * len(numbers)),
            "logprobs": None,
            "finish_reason": finish,
        }
        if ask.ids and not behaviour.plain:
            choice["token_ids"] = _ids(ask, numbers, finish)
        data: dict[str, Any] = {
            "id": "truth",
            "object": kind,
            "created": 0,
            "model": ask.model,
            "choices": [choice],
        }
        if ask.running_usage and not behaviour.plain:
            data["usage"] = _usage(ask, behaviour, numbers.stop)
        return event(data)

    return chunk


def _openai_closing(kind: str) -> Callable[[Ask, Behaviour, Summary], bytes]:
    def closing(ask: Ask, behaviour: Behaviour, summary: Summary) -> bytes:
        if not ask.usage:
            return _DONE
        usage = _usage(ask, behaviour, summary.output_tokens)
        data: dict[str, Any] = {
            "id": "truth",
            "object": kind,
            "created": 0,
            "model": ask.model,
            "choices": [],
            "usage": usage,
        }
        if not behaviour.plain:
            usage["prompt_tokens_details"] = {"cached_tokens": behaviour.cached_tokens}
            if behaviour.tells_requests and behaviour.draft_length:
                counts = _speculation(behaviour, summary)
                data["metrics"] = {"speculative_decoding": counts}
        return event(data) + _DONE

    return closing


def _speculation(behaviour: Behaviour, summary: Summary) -> dict[str, Any]:
    """Return vLLM's counts of a request; its steps are only those that had a draft."""
    histogram = [0] * (behaviour.draft_length + 1)
    for drafted, accepted in zip(summary.drafted, summary.accepted, strict=True):
        histogram[accepted] += drafted > 0
    steps, accepted, drafted = sum(histogram), sum(summary.accepted), sum(summary.drafted)
    return {
        "mean_acceptance_length": 1 + accepted / steps if steps else 1.0,
        "draft_acceptance_rate": accepted / drafted if drafted else 0.0,
        "acceptance_histogram": histogram,
        "num_spec_steps": steps,
        "num_accepted_draft_tokens": accepted,
        "num_draft_tokens": drafted,
        "num_spec_tokens": behaviour.draft_length,
    }


def _read_llamacpp(body: Mapping[str, Any]) -> Ask:
    prompt = body["prompt"]
    parts: list[Any] = prompt.split() if isinstance(prompt, str) else prompt
    return Ask(
        prompt=prompt,
        first=str(parts[0]) if parts else "",
        input_tokens=len(parts),
        max_tokens=body["n_predict"],
        model="",
        usage=True,
        running_usage=True,
        ids=bool(body.get("return_tokens")),
    )


def _llamacpp_chunk(ask: Ask, behaviour: Behaviour, numbers: range, finish: str | None) -> bytes:
    ids = _ids(ask, numbers, finish) if ask.ids else None
    return b"".join(
        event(
            {
                "index": 0,
                "content": " x",
                "tokens": ids[at : at + 1] if ids else [],
                "stop": False,
                "id_slot": 0,
                "tokens_predicted": number + 1,
                "tokens_evaluated": ask.input_tokens + behaviour.extra_input_tokens,
            }
        )
        for at, number in enumerate(numbers)
    )


def _llamacpp_closing(ask: Ask, behaviour: Behaviour, summary: Summary) -> bytes:
    timings = {"cache_n": behaviour.cached_tokens, "predicted_n": summary.output_tokens}
    if any(summary.drafted) and behaviour.tells_requests:
        timings |= {"draft_n": sum(summary.drafted), "draft_n_accepted": sum(summary.accepted)}
    return event(
        {
            "index": 0,
            "content": "",
            "tokens": [],
            "stop": True,
            "stop_type": {"stop": "eos", "length": "limit"}[summary.finish],
            "tokens_predicted": summary.output_tokens,
            "tokens_evaluated": ask.input_tokens + behaviour.extra_input_tokens,
            "truncated": False,
            "timings": timings,
        }
    )


APIS = {
    "/v1/completions": Api(
        read=_read_completion,
        chunk=_openai_chunk("text", lambda text: text, "text_completion"),
        one_token_an_event=False,
        closing=_openai_closing("text_completion"),
    ),
    "/v1/chat/completions": Api(
        read=_read_chat,
        chunk=_openai_chunk("delta", lambda text: {"content": text}, "chat.completion.chunk"),
        one_token_an_event=False,
        closing=_openai_closing("chat.completion.chunk"),
    ),
    "/completion": Api(
        read=_read_llamacpp,
        chunk=_llamacpp_chunk,
        one_token_an_event=True,
        closing=_llamacpp_closing,
    ),
}
