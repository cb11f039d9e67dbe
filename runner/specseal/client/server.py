"""The server under test, over HTTP on the loopback: streamed requests and plain ones.

The hot path is `Server.stream`: it stamps each read and keeps its bytes, nothing more.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic_ns
from typing import Any

import aiohttp

from specseal.client.errors import JobFailed, ServerError
from specseal.client.wire import Call, Exchange

_POLL_S = 0.1
_PROBE_TIMEOUT_S = 5.0
_JSON = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Server:
    """An open connection to the server; made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, silence_timeout_s: float) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_timeout_s)

    async def stream(self, call: Call) -> Exchange:
        """Send a request and keep what comes back, with the arrival of each read.

        Failures end up in the Exchange, never as an exception.
        """
        body = _to_json(call.body)
        reads: list[tuple[int, bytes]] = []
        error: str | None = None
        timed_out = refused = False
        submit_ns = monotonic_ns()
        try:
            async with self._session.post(
                call.path, data=body, headers=_JSON, timeout=self._timeout
            ) as response:
                if response.status == 200:
                    async for read in response.content.iter_any():
                        reads.append((monotonic_ns(), read))
                else:
                    error = _refusal(response.status, await response.read())
        except TimeoutError:
            timed_out = True
            error = f"nothing received for {self._timeout.sock_read:g} s"
        except aiohttp.ClientConnectorError as failure:
            refused = True
            error = f"no connection: {failure}"
        except (aiohttp.ClientError, OSError) as failure:
            error = f"connection cut: {failure or type(failure).__name__}"
        return Exchange(
            submit_ns=submit_ns,
            end_ns=monotonic_ns(),
            reads=tuple(reads),
            error=error,
            timed_out=timed_out,
            refused=refused,
        )

    async def ask(self, call: Call) -> Any:
        """Return what a call's JSON answer has under its `answer_key`. Raises: ServerError."""
        text = await self._fetch("POST", call.path, data=_to_json(call.body))
        answer = _json_object(text, call.path)
        if call.answer_key not in answer:
            raise ServerError(f"{call.path}: the answer has no {call.answer_key!r}")
        return answer[call.answer_key]

    async def get_json(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path`. Raises: ServerError."""
        return _json_object(await self.get_text(path), path)

    async def get_any_json(self, path: str) -> Any:
        """Return the JSON at `path`, whatever it is. Raises: ServerError."""
        return _json(await self.get_text(path), path)

    async def get_text(self, path: str) -> str:
        """Return the text at `path`. Raises: ServerError."""
        return await self._fetch("GET", path)

    async def wait_until_healthy(self, path: str, *, deadline_s: float) -> None:
        """Poll `path` until it answers 200.

        Raises:
            JobFailed: it did not within `deadline_s`.
        """
        last: str | None = "nothing"
        try:
            async with asyncio.timeout(deadline_s):
                while (last := await self._health(path)) is not None:
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise JobFailed(
                f"the server was not healthy within {deadline_s:g} s; {path} last said: {last}"
            ) from None

    async def _health(self, path: str) -> str | None:
        try:
            await self._fetch("GET", path)
        except ServerError as error:
            return str(error)
        return None

    async def _fetch(self, method: str, path: str, *, data: bytes | None = None) -> str:
        timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)
        try:
            async with self._session.request(
                method, path, data=data, headers=_JSON, timeout=timeout
            ) as response:
                body = await response.read()
        except TimeoutError as error:
            raise ServerError(f"{path}: no answer within {_PROBE_TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServerError(f"{path}: {error or type(error).__name__}") from error
        if response.status != 200:
            raise ServerError(f"{path}: {_refusal(response.status, body)}")
        return body.decode("utf-8", errors="replace")


@asynccontextmanager
async def connect(port: int, *, silence_timeout_s: float) -> AsyncIterator[Server]:
    """Open the way to a server on the loopback; nothing is sent yet."""
    # A connection a request: a kept-alive one may be closed by the server at the moment it is used
    # again, which would look like a failed request. On the loopback a new one costs 0.1 ms.
    # No limit on connections: the load alone decides how many requests are in flight.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(url, connector=connector) as session:
        yield Server(session, silence_timeout_s)


def _to_json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _json(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ServerError(f"{path}: the answer is not JSON: {error}") from error


def _json_object(text: str, path: str) -> dict[str, Any]:
    value = _json(text, path)
    if not isinstance(value, dict):
        raise ServerError(f"{path}: the answer is not a JSON object")
    return value


def _refusal(status: int, body: bytes) -> str:
    """Say what an HTTP error says, on one line: its JSON's error.message, or its own start."""
    text = body.decode("utf-8", errors="replace")
    try:
        text = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = text[:200]
    return f"HTTP {status}: {' '.join(text.split())}"
