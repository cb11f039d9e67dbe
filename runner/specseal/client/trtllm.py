"""TensorRT-LLM's `/v1/completions`: OpenAI's, but that it refuses every field it does not know.

What shapes a request, all of 1.2.0rc1 and 1.2.0:

- The ids of each step are streamed where the server is not to make text of them (`detokenize`),
  and only then. That takes the making of text out of what is measured, with speculation and
  without.
- It stops at the tokenizer's one end token; all others that end a turn are sent. A stop id that
  it was sent is cut off ids and usage, although its steps count it, unless it is to be included.
- A stop word is looked for as the ids that it encodes to, not in the text.
- No top_k is 0. It decodes greedily where the temperature is 0 or top_k is 1: both are sent.

Of each answer it tells `avg_decoded_tokens_per_iter`: tokens generated ÷ iterations, prefill's
among them. So the steps after it, drafted or not, are all told: round(tokens ÷ average) − 1. It is
a 32-bit number, exact enough for answers of a million tokens.

Source: TensorRT-LLM 1.2 tensorrt_llm/serve/openai_protocol.py (`CompletionRequest`,
`CompletionResponseStreamChoice`), serve/postprocess_handlers.py, executor/result.py
(`_handle_sequence`), sampling_params.py and cpp/include/tensorrt_llm/batch_manager/llmRequest.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from specseal.client.checked import objects
from specseal.client.openai import Reader, said_in_completion
from specseal.client.wire import Call, Dialect, Final, Request, ids_of

_STEPS = "avg_decoded_tokens_per_iter"


def _complete(request: Request) -> Call:
    sampling = request.sampling
    stops: dict[str, Any] = {}
    if sampling.stop:
        stops["stop"] = sampling.stop
    if request.stop_ids and not sampling.ignore_eos:
        stops["stop_token_ids"] = sorted(request.stop_ids)
    return Call(
        path="/v1/completions",
        body={
            "model": request.model,
            "prompt": ids_of(request, "trtllm-completions"),
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "detokenize": False,
            "add_special_tokens": False,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 1 if sampling.temperature == 0 else sampling.top_k,
            "min_p": 0.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "seed": sampling.seed,
            "ignore_eos": sampling.ignore_eos,
            "include_stop_str_in_output": True,
            "skip_special_tokens": False,
            **stops,
        },
    )


class _Reader(Reader):
    """Reads the events of one response, and of the last one the steps."""

    __slots__ = ("_average",)

    def __init__(self) -> None:
        super().__init__(said_in_completion)
        self._average: Any = None

    def note(self, chunk: Mapping[str, Any]) -> None:
        """Keep what a chunk tells of the whole answer. Raises: as `Decode`."""
        super().note(chunk)
        for choice in objects(chunk["choices"]):
            self._average = choice.get(_STEPS)

    def final(self) -> Final:
        """Return what the server has said of the whole answer. Raises: TypeError."""
        final, average = super().final(), self._average
        if average is None or not final.output_tokens:
            return final
        # Each iteration of a request generates a token or more.
        if type(average) not in (int, float) or not isfinite(average) or average < 1:
            raise TypeError(f"{_STEPS}: expected at least 1, not {average!r:.40}")
        return replace(final, verify_steps=round(final.output_tokens / average) - 1)


def _peek(data: bytes) -> Final | None:
    reader = _Reader()
    reader(data)
    final = reader.final()
    return final if final.output_tokens else None


TRTLLM = Dialect(complete=_complete, decoder=_Reader, peek=_peek, text=None)
