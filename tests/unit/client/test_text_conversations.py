"""Whole jobs against a server that gets text: what it said is what the next turn goes on from."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from specseal.client.address import on_loopback
from specseal.client.errors import InputRefused
from specseal.client.job import read_job
from specseal.client.output import Output
from specseal.client.run import run_job
from specseal.records import JobStatus, Record, read_records
from unit.client.jobs import job, phase, prompt, write_folder

DIALOGUE = {"id": "a", "category": "chat", "turns": ["one", "two"]}
CHAT = {"dialect": "openai-chat", "model": "m", "readback": {}, "stop_ids": []}


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def usage(input_tokens: int, output_tokens: int) -> bytes:
    counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    said = {"choices": [], "usage": {**counts, "total_tokens": input_tokens + output_tokens}}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


class FakeChat:
    """Answers each request with the same chunks, and remembers what it was asked."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.asked: list[dict[str, Any]] = []

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in (*self.chunks, b"data: [DONE]\n\n"):
            await response.write(each)
        return response


def measured(
    tmp_path: Path, fake: FakeChat, row: dict[str, Any], **changes: Any
) -> tuple[JobStatus, tuple[Record, ...]]:
    job_json = job(phase("a"), **{**CHAT, **changes})
    read = read_job(write_folder(tmp_path / "in", job_json, prompts=[row]))
    (tmp_path / "out").mkdir()

    async def serve() -> JobStatus:
        app = web.Application()
        app.router.add_get("/health", fake.health)
        app.router.add_post("/v1/chat/completions", fake.chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            address = on_loopback(runner.addresses[0][1])
            return await run_job(read, Output(tmp_path / "out"), address)
        finally:
            await runner.cleanup()

    status = asyncio.run(serve())
    return status, read_records(tmp_path / "out" / "records.jsonl")


def test_next_turn_goes_on_from_the_text_that_was_generated(tmp_path: Path) -> None:
    fake = FakeChat(chunk("Yé"), chunk("s."), chunk("", "stop"), usage(5, 4))
    status, (first, second) = measured(tmp_path, fake, DIALOGUE)
    assert status.outcome == "done"
    opening = [{"role": "user", "content": "one"}]
    following = [
        *opening,
        {"role": "assistant", "content": "Yés."},
        {"role": "user", "content": "two"},
    ]
    assert [asked["messages"] for asked in fake.asked] == [opening, following]
    assert {asked["model"] for asked in fake.asked} == {"m"}
    as_json = json.dumps(following, ensure_ascii=False, separators=(",", ":")).encode()
    assert second.input_sha256 == hashlib.sha256(as_json).hexdigest()
    assert (first.turn, second.turn) == (0, 1)


def test_record_of_text_has_the_servers_counts_and_no_ids(tmp_path: Path) -> None:
    fake = FakeChat(chunk("Yes"), chunk("."), chunk("", "length"), usage(5, 4))
    _, (record, _) = measured(tmp_path, fake, DIALOGUE)
    assert (record.input_tokens, record.engine_input_tokens, record.output_tokens) == (5, 5, 4)
    assert (len(record.chunk_ns), record.chunk_tokens, record.output_ids) == (2, None, None)
    assert (record.finish, record.error) == ("length", None)


def test_answer_without_usage_is_an_error_and_never_one_token_a_chunk(tmp_path: Path) -> None:
    status, (record,) = measured(tmp_path, FakeChat(chunk("Yes", "stop")), DIALOGUE)
    assert status.outcome == "failed"
    assert "the server tells no usage" in (record.error or "")
    assert (record.output_tokens, record.chunk_tokens, record.input_tokens) == (0, None, 0)


def test_prompts_of_ids_are_refused_where_the_dialect_takes_text(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="takes messages, and the prompts are token ids"):
        measured(tmp_path, FakeChat(), prompt("a", 1))


def test_dialect_without_a_tokenizer_encodes_nothing(tmp_path: Path) -> None:
    changes = {"task": "encode"}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "conversations.jsonl").write_text(json.dumps(DIALOGUE))
    with pytest.raises(InputRefused, match="'openai-chat' has no way to encode prompts"):
        measured(tmp_path, FakeChat(), prompt("a", 1), **changes)
