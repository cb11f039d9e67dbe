"""llama.cpp's own dialect: `/completion` with token ids, streamed one token a chunk.

Two habits of the server shape what is here, both seen with the build in xllamacpp 2026.10.11549:

- A token whose text ends inside a UTF-8 character is not streamed; the next event carries the
  whole character, but only the last token's id. `tokens_predicted` counts all of them, so an
  event's tokens are the difference of that number, not the length of `tokens`.
- `/apply-template` strips a leading BOS where `/tokenize` with `add_special` would add one.

There are two rows, because each request says whether what its slot holds may be reused.

Source: tools/server/README.md of llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from specseal.client.checked import an_object, count, count_or, ids, text
from specseal.client.wire import (
    Call,
    Dialect,
    Event,
    Final,
    Message,
    Request,
    TextCalls,
    ids_of,
)

_FINISH = {"eos": "stop", "word": "stop", "limit": "length"}

# Every sampler that the server knows is switched off by name, so that no default of its own
# (min_p 0.05 and top_k 40 among them) takes part.
_NEUTRAL = {
    "min_p": 0.0,
    "typical_p": 1.0,
    "top_n_sigma": -1.0,
    "dynatemp_range": 0.0,
    "xtc_probability": 0.0,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "dry_multiplier": 0.0,
    "mirostat": 0,
    "adaptive_target": -1.0,
    "n_probs": 0,
    "logit_bias": [],
}


def _complete(request: Request, *, cache_prompt: bool) -> Call:
    sampling = request.sampling
    greedy = sampling.temperature == 0
    return Call(
        path="/completion",
        body={
            **_NEUTRAL,
            "prompt": ids_of(request, "llamacpp"),
            "n_predict": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": sampling.seed,
            "stop": sampling.stop,
            "ignore_eos": sampling.ignore_eos,
            "samplers": ["temperature"] if greedy else ["top_k", "top_p", "temperature"],
            "stream": True,
            "return_tokens": True,
            "cache_prompt": cache_prompt,
        },
    )


def _decode(data: bytes) -> Event:
    event = an_object(json.loads(data))
    if "error" in event:
        error = event["error"]
        said = error["message"] if isinstance(error, dict) else error
        return Event(ids=(), text="", output_tokens=0, error=str(said))
    return Event(
        ids=ids(event["tokens"]),
        text=text(event["content"]),
        output_tokens=count(event, "tokens_predicted"),
        final=_final(event) if event["stop"] else None,
    )


def _final(event: Mapping[str, Any]) -> Final:
    timings = an_object(event["timings"])
    truncated = "the engine truncated the sequence to fit its context"
    return Final(
        finish=_FINISH[event["stop_type"]],
        input_tokens=count(event, "tokens_evaluated"),
        output_tokens=count(event, "tokens_predicted"),
        # Left out by the server where nothing was drafted.
        draft_tokens=count_or(timings, "draft_n", 0),
        accepted_tokens=count_or(timings, "draft_n_accepted", 0),
        verify_steps=None,  # Not among the timings.
        cached_tokens=count(timings, "cache_n"),
        error=truncated if event["truncated"] else None,
    )


def _render(messages: Sequence[Message], template_args: dict[str, Any]) -> Call:
    return Call(
        path="/apply-template",
        body={"messages": list(messages), "chat_template_kwargs": template_args},
        answer_key="prompt",
    )


def _encode(text: str, add_special: bool) -> Call:
    return Call(
        path="/tokenize",
        body={"content": text, "add_special": add_special, "parse_special": True},
        answer_key="tokens",
    )


LLAMACPP = Dialect(
    complete=partial(_complete, cache_prompt=False),
    decoder=lambda: _decode,
    peek=lambda data: _decode(data).final,
    text=TextCalls(
        properties_path="/props",
        end_of_turn_key="eos_token",
        template_key="chat_template",
        render=_render,
        encode=_encode,
    ),
)
LLAMACPP_CACHED = replace(LLAMACPP, complete=partial(_complete, cache_prompt=True))
