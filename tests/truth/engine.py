"""The engine: HTTP requests in, scheduled streams out, and a ledger of what really happened."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from truth.answers import APIS, Api, Ask, Summary, event
from truth.behaviour import Behaviour, Behaviours, read_behaviours
from truth.ledger import Entry, Ledger
from truth.loop import Connection, Loop, monotonic_ns
from truth.schedule import Chunk, chunks, finish

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
)
_LAST_PIECE = b"0\r\n\r\n"
_FAILURE = {"message": "told to fail", "type": "InternalServerError", "code": 500}
_GARBAGE = b'data: {"choices": [{"text": "\xff\n\n'


class _Request(NamedTuple):
    method: str
    path: str
    keep_alive: bool
    body: bytes


class Engine:
    """One engine on one port of the loopback."""

    def __init__(self, port: int, behaviours: Behaviours) -> None:
        self.behaviours = behaviours
        self.ledger = Ledger()
        self.loop = Loop(port, self._on_data)

    def _on_data(self, connection: Connection, now_ns: int) -> None:
        while (request := _take_request(connection.inbox)) is not None:
            if api := APIS.get(request.path):
                self._stream(connection, request, api, now_ns)
            else:
                self._answer(connection, request)

    def _stream(self, connection: Connection, request: _Request, api: Api, now_ns: int) -> None:
        body = json.loads(request.body)
        ask = api.read(body)
        entry = Entry(prompt=ask.prompt, api=request.path, received_ns=now_ns)
        self.ledger.entries.append(entry)
        behaviour = self.behaviours.of(ask.first)
        if behaviour.fault == "status":
            entry.outcome = "status"
            _reply(connection, request, 500, json.dumps({"error": _FAILURE}))
            return
        if not body.get("stream"):
            entry.outcome = "refused"
            _reply(connection, request, 400, json.dumps({"error": {"message": "stream: true"}}))
            return
        self.ledger.totals["running"] += 1
        asked = 1 + behaviour.twins
        totals = self.ledger.totals
        totals["prompt_tokens"] += asked * (ask.input_tokens + behaviour.extra_input_tokens)
        totals["cached_tokens"] += asked * behaviour.cached_tokens
        stream = _Stream(
            engine=self,
            connection=connection,
            keep_alive=request.keep_alive,
            api=api,
            ask=ask,
            behaviour=behaviour,
            entry=entry,
            plan=chunks(behaviour, max_tokens=ask.max_tokens, seed=zlib.crc32(request.body)),
        )
        stream.begin()

    def _answer(self, connection: Connection, request: _Request) -> None:
        route = _ROUTES.get((request.method, request.path))
        if route is None:
            _reply(connection, request, 404, json.dumps({"error": {"message": "no such path"}}))
            return
        try:
            text = route(self, request.body)
        except ValueError as error:
            _reply(connection, request, 400, json.dumps({"error": {"message": str(error)}}))
            return
        _reply(connection, request, 200, text)

    def health(self, body: bytes) -> str:
        """Say that all is well."""
        return "{}"

    def models(self, body: bytes) -> str:
        """List the one model."""
        return json.dumps(
            {"object": "list", "data": [{"id": self.behaviours.model, "object": "model"}]}
        )

    def metrics(self, body: bytes) -> str:
        """Show the counters."""
        return self.ledger.metrics_page(self.behaviours.counters)

    def truth(self, body: bytes) -> str:
        """Tell what really happened since the last reset."""
        return json.dumps({"requests": [entry.to_dict() for entry in self.ledger.entries]})

    def reset(self, body: bytes) -> str:
        """Forget the requests; streams that run are told of no more."""
        self.ledger.entries = []
        return "{}"

    def behave(self, body: bytes) -> str:
        """Take another behaviour for the requests to come. Raises: ValueError."""
        self.behaviours = read_behaviours(json.loads(body))
        return "{}"


_ROUTES: Mapping[tuple[str, str], Callable[[Engine, bytes], str]] = {
    ("GET", "/health"): Engine.health,
    ("GET", "/v1/models"): Engine.models,
    ("GET", "/metrics"): Engine.metrics,
    ("GET", "/truth"): Engine.truth,
    ("POST", "/truth/reset"): Engine.reset,
    ("POST", "/truth/behaviour"): Engine.behave,
}


@dataclass(slots=True, kw_only=True, eq=False)
class _Stream:
    """One streamed answer under way."""

    engine: Engine
    connection: Connection
    keep_alive: bool
    api: Api
    ask: Ask
    behaviour: Behaviour
    entry: Entry
    plan: Iterator[Chunk]
    _next: Chunk | None = None
    _sent: int = 0
    """Tokens."""
    _sent_chunks: int = 0
    _over: bool = False

    def begin(self) -> None:
        """Send the head at once, as vLLM does, and wait for the first chunk's time."""
        self.connection.on_closed = self._abandoned
        self._next = next(self.plan)
        keep = b"keep-alive" if self.keep_alive else b"close"
        self.connection.write(_STREAM_HEAD + b"Connection: " + keep + b"\r\n\r\n")
        self._wait()

    def _wait(self) -> None:
        if self._next is not None:
            self.engine.loop.at(self.entry.received_ns + self._next.after_ns, self._tick)

    def _tick(self) -> None:
        if self._over or self._next is None:
            return
        if self.behaviour.fault and self._sent_chunks == self.behaviour.fault_after:
            self._fail(self.behaviour.fault)
            return
        chunk, self._next = self._next, next(self.plan, None)
        self._send(chunk, ends=self._next is None)
        self._wait()

    def _send(self, chunk: Chunk, *, ends: bool) -> None:
        numbers = range(self._sent, self._sent + chunk.tokens)
        reason = finish(self.behaviour, max_tokens=self.ask.max_tokens) if ends else None
        self._count(chunk)
        data = self.api.chunk(self.ask, self.behaviour, numbers, reason)
        if reason is None:
            data = _piece(data)
        else:
            summary = Summary(
                output_tokens=self._sent,
                finish=reason,
                drafted=self.entry.drafted,
                accepted=self.entry.accepted,
            )
            closing = self.api.closing(self.ask, self.behaviour, summary)
            data = _piece(data) + _piece(closing) + _LAST_PIECE
            self._settle(reason)
        self._stamp(chunk, ends=ends)
        self.connection.write(data)
        if ends:
            self._leave()

    def _count(self, chunk: Chunk) -> None:
        self._sent += chunk.tokens
        self._sent_chunks += 1
        for step in chunk.steps:
            self.entry.drafted.append(step.drafted)
            self.entry.accepted.append(step.accepted)
        asked = 1 + self.behaviour.twins
        totals = self.engine.ledger.totals
        totals["output_tokens"] += asked * chunk.tokens
        if not self.behaviour.counters_lag_s:
            self.engine.ledger.count(chunk.steps * asked)
        else:
            due_ns = monotonic_ns() + round(self.behaviour.counters_lag_s * 1e9)
            self.engine.loop.at(due_ns, lambda: self.engine.ledger.count(chunk.steps * asked))

    def _stamp(self, chunk: Chunk, *, ends: bool) -> None:
        """Note the chunk's time; the last thing before its bytes go."""
        entry = self.entry
        tokens = [1] * chunk.tokens if self.api.one_token_an_event else [chunk.tokens]
        entry.chunk_tokens.extend(tokens)
        entry.due_ns.extend([entry.received_ns + chunk.after_ns] * len(tokens))
        now_ns = monotonic_ns()
        entry.chunk_ns.extend([now_ns] * len(tokens))
        if ends:
            entry.end_ns = now_ns

    def _fail(self, fault: str) -> None:
        if fault == "silence":
            self.entry.outcome = fault
            return  # the request runs on for as long as the client waits
        self._settle(fault)
        if fault == "cut":
            self.connection.close()
            return
        data = event({"error": _FAILURE}) if fault == "event" else _GARBAGE
        self.connection.write(_piece(data) + _LAST_PIECE)
        self._leave()

    def _abandoned(self) -> None:
        self._settle(self.entry.outcome if self.entry.outcome == "silence" else "abandoned")

    def _settle(self, outcome: str) -> None:
        self._over = True
        self.entry.outcome = outcome
        self.engine.ledger.totals["running"] -= 1
        self.connection.on_closed = None

    def _leave(self) -> None:
        if not self.keep_alive:
            self.connection.close_when_written()


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _take_request(inbox: bytearray) -> _Request | None:
    """Take one whole request out of what came, or return None until it is whole."""
    end = inbox.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(inbox[:end]).decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    whole = end + 4 + int(headers.get("content-length", 0))
    if len(inbox) < whole:
        return None
    body = bytes(inbox[end + 4 : whole])
    del inbox[:whole]
    method, path, _ = first.split(" ", 2)
    keep_alive = headers.get("connection", "keep-alive").lower() != "close"
    return _Request(method, path.partition("?")[0], keep_alive, body)


def _reply(connection: Connection, request: _Request, status: int, text: str) -> None:
    body = text.encode()
    kind = "application/json" if body[:1] in (b"{", b"[") else "text/plain; version=0.0.4"
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if request.keep_alive else 'close'}\r\n\r\n"
    )
    connection.write(head.encode() + body)
    if not request.keep_alive:
        connection.close_when_written()
