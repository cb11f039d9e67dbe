"""The server under test, over HTTP: streamed requests and plain ones."""

from __future__ import annotations

import asyncio
import json
import resource
from typing import Any

from specseal.client.address import Address
from specseal.client.connection import Connector
from specseal.client.errors import JobFailed, ServerError
from specseal.client.http1 import NotHttp, read_response, refusal, request_bytes
from specseal.client.wire import Call, Exchange

_POLL_S = 0.1
_PROBE_TIMEOUT_S = 5.0
_DESCRIPTION_TIMEOUT_S = 60.0
"""vLLM 0.32 gathers the state of the whole system when it is first asked for /server_info."""
_FIELDS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "specseal",
}


class Server:
    """The way to a server."""

    def __init__(self, address: Address, *, silence_timeout_s: float) -> None:
        self.address = address
        self._silence_timeout_s = silence_timeout_s
        self._connector = Connector(address)
        self._fields = dict(_FIELDS)
        if address.key:
            self._fields["Authorization"] = f"Bearer {address.key}"

    def prepare(self, call: Call) -> bytes:
        """Return a call as the bytes that go over the wire."""
        return self._request("POST", call.path, to_json(call.body))

    async def stream(self, request: bytes) -> Exchange:
        """Send a prepared request and keep what comes back, with the arrival of each read.

        Failures end up in the Exchange, never as an exception.
        """
        return await self._connector.exchange(request, silence_timeout_s=self._silence_timeout_s)

    async def ask(self, call: Call) -> Any:
        """Return what a call's JSON answer has under its `answer_key`. Raises: ServerError."""
        text = await self._fetch("POST", call.path, to_json(call.body))
        answer = _json_object(text, call.path)
        if call.answer_key not in answer:
            raise ServerError(f"{call.path}: the answer has no {call.answer_key!r}")
        return answer[call.answer_key]

    async def get_json(self, path: str) -> dict[str, Any]:
        """Return the JSON object at `path`. Raises: ServerError."""
        return _json_object(await self._described(path), path)

    async def get_any_json(self, path: str) -> Any:
        """Return the JSON at `path`, whatever it is. Raises: ServerError."""
        return _json(await self._described(path), path)

    async def _described(self, path: str) -> str:
        return await self.get_text(path, silence_timeout_s=_DESCRIPTION_TIMEOUT_S)

    async def get_text(self, path: str, *, silence_timeout_s: float = _PROBE_TIMEOUT_S) -> str:
        """Return the text at `path`. Raises: ServerError."""
        return await self._fetch("GET", path, b"", silence_timeout_s=silence_timeout_s)

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
            await self._fetch("GET", path, b"")
        except ServerError as error:
            return str(error)
        return None

    async def _fetch(
        self, method: str, path: str, body: bytes, *, silence_timeout_s: float = _PROBE_TIMEOUT_S
    ) -> str:
        exchange = await self._connector.exchange(
            self._request(method, path, body), silence_timeout_s=silence_timeout_s
        )
        if exchange.timed_out:
            raise ServerError(f"{path}: no answer within {silence_timeout_s:g} s")
        if exchange.error is not None:
            raise ServerError(f"{path}: {exchange.error}")
        try:
            response = read_response(exchange.reads)
        except NotHttp as error:
            raise ServerError(f"{path}: {error}") from error
        if response.missing is not None:
            raise ServerError(f"{path}: connection cut before {response.missing}")
        if response.status != 200:
            said = refusal(response.status, response.content)
            raise ServerError(f"{path}: {self.address.redacted(said)}")
        return response.content.decode("utf-8", errors="replace")

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        fields = self._fields | ({"Content-Type": "application/json"} if body else {})
        target = self.address.prefix + path
        return request_bytes(method, target, host=self.address.host_field, fields=fields, body=body)


def allow_open_files() -> None:
    """Let this process have as many connections as the system allows it to ask for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def to_json(body: dict[str, Any]) -> bytes:
    """Return JSON without spaces."""
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
