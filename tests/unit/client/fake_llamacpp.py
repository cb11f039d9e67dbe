"""A llama.cpp server of the tests' own: its protocol, with answers that a test writes itself.

Its tokenizer: `<bos>` is 1, `<eos>` is 2, every other character its code point.
Its template: `<user>…<eos>` and `<bot>…<eos>`, with `<bos>` where a test asks for it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

EOS = 2
SPECIAL = {"<bos>": 1, "<eos>": 2}


def token(id_: int, count: int, text: str = "x") -> dict[str, Any]:
    """Return the event of one token; `count` are generated so far."""
    return {"content": text, "tokens": [id_], "stop": False, "tokens_predicted": count}


def final(output_tokens: int, input_tokens: int, **changes: Any) -> dict[str, Any]:
    """Return the closing event; `drafted=(n, accepted)` for a request with drafts."""
    timings = {"cache_n": 0, "prompt_n": input_tokens, "predicted_n": output_tokens}
    if drafted := changes.pop("drafted", None):
        timings |= {"draft_n": drafted[0], "draft_n_accepted": drafted[1]}
    return {
        "content": "",
        "tokens": [],
        "stop": True,
        "stop_type": "limit",
        "tokens_predicted": output_tokens,
        "tokens_evaluated": input_tokens,
        "truncated": False,
        "timings": timings,
        **changes,
    }


def sse(*events: dict[str, Any]) -> bytes:
    """Return events as they go over the wire."""
    return b"".join(
        b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events
    )


def answer(prompt: list[int], ids: list[int], **changes: Any) -> Iterator[bytes]:
    """Yield a whole answer, one event a write."""
    for count, id_ in enumerate(ids, 1):
        yield sse(token(id_, count))
    yield sse(final(len(ids), len(prompt), **changes))


class Refuse(Exception):
    """Raised by a script: answer with this HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Cut(Exception):
    """Raised by a script: close the connection in the middle."""


class Die(Exception):
    """Raised by a script: as Cut, and listen no more."""


class Hang(Exception):
    """Raised by a script: say nothing more."""


Script = Callable[[list[int]], Iterator[bytes]]


def three_tokens(prompt: list[int]) -> Iterator[bytes]:
    """Answer with the ids 50, 51 and the stop token."""
    return answer(prompt, [50, 51, EOS], stop_type="eos")


def refuse(prompt: list[int]) -> Iterator[bytes]:
    """Refuse every prompt."""
    yield from ()
    raise Refuse(500, "no slot")


@dataclass
class FakeLlamaCpp:
    """The server's behaviour, and what it saw."""

    script: Script = three_tokens
    unhealthy_polls: int = 0
    """How often /health says 503 before it says 200."""
    metrics: Callable[[int], str] = lambda read: "requests 0\n"
    """Text of the nth read (from 0) of /metrics."""
    hold_until: int = 0
    """No request is answered before this many have been in flight together."""
    with_bos: bool = False
    renders_bos: int = 0
    drops_thoughts: bool = False
    thinks_in_history: bool = False
    tokenizer_fails: bool = False
    drafts_with: str = "none"
    """What slots say after their first request."""
    tokenize_calls: int = 0
    prompts: list[list[int]] = field(default_factory=list)
    """Input ids of each request, in the order of arrival."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """The whole of each request."""
    keys: set[str] = field(default_factory=set)
    """What came as Authorization with the prompts."""
    most_in_flight: int = 0
    port: int = 0
    _in_flight: int = 0
    _metric_reads: int = 0
    _site: web.TCPSite | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeLlamaCpp]:
        """Serve on a free port of the loopback while the block runs."""
        self._over = asyncio.Event()
        self._full = asyncio.Event()
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/props", self._props)
        app.router.add_get("/slots", self._slots)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/apply-template", self._apply_template)
        app.router.add_post("/completion", self._completion)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self._site = web.TCPSite(runner, "127.0.0.1", 0)
        await self._site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self._over.set()
            await runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        self.unhealthy_polls -= 1
        return web.json_response({}, status=503 if self.unhealthy_polls >= 0 else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        text = self.metrics(self._metric_reads)
        self._metric_reads += 1
        return web.Response(text=text)

    async def _props(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"eos_token": "<eos>", "chat_template": "the template", "build_info": "b1"}
        )

    async def _slots(self, request: web.Request) -> web.Response:
        # As the server of xllamacpp 2026.10.11549 says it, but for what nobody looks at.
        slot = {"id": 0, "n_ctx": 4096, "speculative": self.drafts_with != "none"}
        if self.bodies:
            slot["params"] = {"speculative.types": self.drafts_with}
        return web.json_response([slot])

    async def _tokenize(self, request: web.Request) -> web.Response:
        self.tokenize_calls += 1
        if self.tokenizer_fails:
            return web.json_response({"error": {"message": "no tokenizer"}}, status=500)
        body = await request.json()
        parts = re.findall(r"<bos>|<eos>|.", body["content"], flags=re.DOTALL)
        ids = [SPECIAL.get(part) or ord(part) for part in parts]
        return web.json_response(
            {"tokens": [1, *ids] if body["add_special"] and self.with_bos else ids}
        )

    async def _apply_template(self, request: web.Request) -> web.Response:
        messages = (await request.json())["messages"]
        text = "<bos>" * self.renders_bos
        for message in messages:
            content = message["content"]
            if message["role"] == "user":
                text += f"<user>{content}<eos>"
                continue
            if self.drops_thoughts:
                content = content.split("</think>")[-1]
            if self.thinks_in_history:
                content = f"<think></think>{content}"
            text += f"<bot>{content}<eos>"
        return web.json_response({"prompt": text + "<bot>"})

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = body["prompt"]
        self.bodies.append(body)
        self.keys |= {*request.headers.getall("Authorization", [])}
        self.prompts.append(prompt)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        if self.most_in_flight >= self.hold_until:
            self._full.set()
        try:
            await self._full.wait()
            return await self._play(request, self.script(prompt))
        finally:
            self._in_flight -= 1

    async def _play(self, request: web.Request, writes: Iterator[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            for write in writes:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(write)
                await asyncio.sleep(0)
        except Refuse as refusal:
            error = {"code": refusal.status, "message": refusal.message}
            return web.json_response({"error": error}, status=refusal.status)
        except Hang:
            await self._over.wait()
        except (Cut, Die) as end:
            if isinstance(end, Die) and self._site is not None:
                await self._site.stop()
            if request.transport is not None:
                request.transport.abort()
        return response
