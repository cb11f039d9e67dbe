"""An SGLang server of the tests' own: streams and pages as its source writes them.

The streams in `sglang/` are of one scene: 5 prompt tokens, 6 generated, draft length 3. Prefill
makes one token, the first step accepts 2 drafts, the second 3, of which 2 tokens are cut.

Source: the wheels sglang 0.5.7 and 0.5.23: srt/managers/tokenizer_manager.py (order of fields),
srt/metrics/collector.py and srt/observability/metrics_collector.py, srt/entrypoints/http_server.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from unit.client.serving import served

STREAMS = Path(__file__).parent / "sglang"
_LABELS = 'model_name="specseal",engine_type="unified",tp_rank="0"'
_METRICS = {
    "0.5.7": """\
# HELP sglang:prompt_tokens_total Number of prefill tokens processed.
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{{model_name="specseal"}} {prompt_tokens}
# HELP sglang:generation_tokens_total Number of generation tokens processed.
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{{model_name="specseal"}} {output_tokens}
# HELP sglang:spec_accept_length The average acceptance length of speculative decoding.
# TYPE sglang:spec_accept_length gauge
sglang:spec_accept_length{{{labels}}} 2.5
""",
    "0.5.23": """\
# HELP sglang:prompt_tokens_total Number of prefill tokens processed.
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{{is_streaming="true",model_name="specseal"}} {prompt_tokens}
# HELP sglang:generation_tokens_total Number of generation tokens processed.
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{{is_streaming="true",model_name="specseal"}} {output_tokens}
# HELP sglang:spec_verify_calls_total Number of speculative decoding verification calls.
# TYPE sglang:spec_verify_calls_total counter
sglang:spec_verify_calls_total{{model_name="specseal"}} {verify_calls}
""",
}


def stream(name: str) -> bytes:
    """Return a whole stream."""
    return (STREAMS / f"{name}.sse").read_bytes()


def events(name: str) -> list[bytes]:
    """Return the data of each event of a stream."""
    return [block.removeprefix(b"data: ") for block in stream(name).split(b"\n\n") if block]


@dataclass
class FakeSGLang:
    """The server's behaviour, and what it saw."""

    version: str
    answer: bytes
    """A whole stream, an event a write."""
    status: int = 200
    bodies: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeSGLang]:
        """Serve on a free port of the loopback while the block runs."""
        pages = {
            "/health": self._health,
            "/server_info": self._server_info,
            "/metrics": self._metrics,
        }
        async with served(get=pages, post={"/generate": self._generate}) as self.port:
            yield self

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _server_info(self, request: web.Request) -> web.Response:
        return web.json_response({"speculative_algorithm": "EAGLE3", "version": self.version})

    async def _metrics(self, request: web.Request) -> web.Response:
        done = len(self.bodies)
        counts = {"prompt_tokens": 5.0, "output_tokens": 6.0, "verify_calls": 2.0}
        told = {name: done * each for name, each in counts.items()}
        return web.Response(text=_METRICS[self.version].format(**told, labels=_LABELS))

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        if self.status != 200:
            return web.Response(
                body=self.answer, status=self.status, content_type="application/json"
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in self.answer.split(b"\n\n"):
            if event:
                await response.write(event + b"\n\n")
                await asyncio.sleep(0.005)
        return response
