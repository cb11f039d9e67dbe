"""A `trtllm-serve` of the tests' own: the API that 1.2 documents, with answers a test writes.

Bytes as the sources have them: events by tensorrt_llm/serve/openai_protocol.py
(`CompletionResponseStreamChoice`) and postprocess_handlers.py, iterations by
cpp/tensorrt_llm/executor/jsonSerialization.cpp. It refuses what it does not know, as that does
(`extra="forbid"`), and a read of its iterations takes them away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from unit.client.serving import served

KNOWN = frozenset({
    "model", "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "max_tokens", "n",
    "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature",
    "top_p", "user", "lora_request", "use_beam_search", "top_k", "top_p_min", "min_p",
    "repetition_penalty", "length_penalty", "early_stopping", "stop_token_ids",
    "include_stop_str_in_output", "ignore_eos", "min_tokens", "skip_special_tokens",
    "spaces_between_special_tokens", "truncate_prompt_tokens", "return_context_logits",
    "detokenize", "add_special_tokens", "response_format", "disaggregated_params",
})  # fmt: skip
"""Fields of `CompletionRequest`."""

STEPS = ((791,), (6864, 315, 9822), (374,), (12366, 13))
"""Prefill's token alone, then three steps at a draft length of 3: 2, 0 and 1 accepted."""
AVERAGES = (1.0, 2.0, 1.6666666269302368, 1.75)


def event(
    number: int,
    ids: Iterable[int],
    average: float | None,
    *,
    sent: int,
    output: int,
    finish: str | None = None,
) -> dict[str, Any]:
    """Return one step's event. Its `id` is another one each time."""
    return {
        "id": f"cmpl-{number:04d}",
        "object": "text_completion",
        "created": 1760000000,
        "model": "model",
        "choices": [
            {
                "index": 0,
                "text": "",
                "token_ids": list(ids),
                "logprobs": None,
                "finish_reason": finish,
                "stop_reason": None,
                "avg_decoded_tokens_per_iter": average,
            }
        ],
        "usage": usage(sent, output),
    }


def usage(sent: int, output: int) -> dict[str, Any]:
    """Return the tokens so far."""
    return {
        "prompt_tokens": sent,
        "total_tokens": sent + output,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def closing(sent: int, output: int) -> dict[str, Any]:
    """Return the event of the usage: it is one of a chat."""
    return {
        "id": "chatcmpl-0005",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "model",
        "choices": [],
        "usage": usage(sent, output),
    }


def answer(
    prompt: list[int],
    steps: Iterable[Iterable[int]] = STEPS,
    averages: Iterable[float | None] = AVERAGES,
    finish: str = "length",
) -> list[dict[str, Any]]:
    """Return the events of a whole answer, but for the last line."""
    events: list[dict[str, Any]] = []
    output = 0
    for number, (ids, average) in enumerate(zip(steps, averages, strict=True), 1):
        output += len(list(ids))
        events.append(event(number, ids, average, sent=len(prompt), output=output))
    events[-1]["choices"][0]["finish_reason"] = finish
    return [*events, closing(len(prompt), output)]


def sse(events: Iterable[dict[str, Any]]) -> list[bytes]:
    """Return events as they go over the wire, `[DONE]` last."""
    lines = [json.dumps(one, separators=(",", ":")).encode() for one in events]
    return [b"data: " + line + b"\n\n" for line in (*lines, b"[DONE]")]


def drafted(accepted: int, *, tokens: int = 3, requests: int = 1) -> dict[str, Any]:
    """Return what an iteration tells of its drafts."""
    return {
        "acceptanceLength": 1 + accepted / max(requests, 1),
        "draftOverhead": 0.0,
        "iterLatencyMS": 0.0,
        "numAcceptedTokens": accepted,
        "numDraftTokens": tokens,
        "numRequestsWithDraftTokens": requests,
    }


def iteration(number: int, said: dict[str, Any] | None) -> dict[str, Any]:
    """Return one item of the list, shortened by what is not looked at."""
    return {
        "cpuMemUsage": 0,
        "inflightBatchingStats": {"avgNumDecodedTokensPerIter": 0.0, "numGenRequests": 1},
        "iter": number,
        "iterLatencyMS": 21.5,
        "numActiveRequests": 1,
        "specDecodingStats": said,
        "timestamp": "10-20-2025 12:00:00.000001",
    }


SAID = (drafted(0, tokens=0, requests=0), drafted(2), drafted(0), drafted(1))
"""Of the iterations of an answer of `STEPS`."""


@dataclass
class FakeTrtLlm:
    """The server's behaviour, and what it saw."""

    answers: Callable[[list[int]], list[dict[str, Any]]] = answer
    said: Iterable[dict[str, Any] | None] = SAID
    """What each iteration of an answer tells of drafts."""
    lost: int = 0
    """How many of an answer's first iterations are thrown away unread."""
    read_s: float = 0.0
    """How long a read takes that finds a request was sent since the last."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0
    port: int = 0
    _iterations: list[dict[str, Any]] = field(default_factory=list)
    _last: int = 100

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeTrtLlm]:
        """Serve on a free port of the loopback while the block runs."""
        pages = {
            "/health": self._health,
            "/version": self._version,
            "/metrics": self._metrics,
        }
        async with served(get=pages, post={"/v1/completions": self._completions}) as self.port:
            yield self

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=200)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "1.2.0"})

    async def _metrics(self, request: web.Request) -> web.Response:
        self.reads += 1
        drained, self._iterations = self._iterations, []
        if drained:
            await asyncio.sleep(self.read_s)
        return web.json_response(drained)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        if unknown := sorted(body.keys() - KNOWN):
            said = {"message": f"Extra inputs are not permitted: {unknown}", "code": 400}
            error = {"object": "error", "type": "BadRequestError", "param": None, **said}
            return web.json_response(error, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for line in sse(self.answers(body["prompt"])):
            await response.write(line)
            await asyncio.sleep(0.005)  # a step's time: each event is a read of its own
        for number, said_of_it in enumerate(self.said):
            self._last += 1
            if number >= self.lost:
                self._iterations.append(iteration(self._last, said_of_it))
        return response
