"""A plain client: an asyncio.Protocol that stamps each read and keeps its bytes.

It decodes nothing while it runs, so that what it costs and how late it is are what interpreter,
event loop and machine ask of a plain client. Its numbers are taken from the reads afterwards.

    python -m benchmarks.client.bare --port N --concurrency C --requests R --tokens T --out FILE
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns

_END = b"\r\n0\r\n\r\n"


@dataclass(slots=True)
class _Exchange:
    submit_ns: int = 0
    reads: list[tuple[int, bytes]] = field(default_factory=list)


class _Slot(asyncio.Protocol):
    """One connection, which sends the next request when an answer is whole."""

    def __init__(
        self, exchanges: Iterator[_Exchange], request: bytes, over: asyncio.Future[None]
    ) -> None:
        self._exchanges = exchanges
        self._request = request
        self._over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._keep((monotonic_ns(), data))
        if data.endswith(_END):
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(exc or ConnectionError("the engine closed the connection"))

    def _send(self) -> None:
        exchange = next(self._exchanges, None)
        if exchange is None:
            if not self._over.done():
                self._over.set_result(None)
            self._transport.abort()
            return
        self._keep = exchange.reads.append
        exchange.submit_ns = monotonic_ns()
        self._transport.write(self._request)


def request_bytes(tokens: int) -> bytes:
    """Return the request that is sent again and again; it asks for what specseal asks for."""
    body = {
        "model": "truth",
        "prompt": list(range(100, 116)),
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "return_token_ids": True,
    }
    text = json.dumps(body, separators=(",", ":")).encode()
    return (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
    )


async def _offer(port: int, concurrency: int, requests: int, tokens: int) -> list[_Exchange]:
    exchanges = [_Exchange() for _ in range(requests)]
    waiting = iter(exchanges)
    loop = asyncio.get_running_loop()
    request = request_bytes(tokens)
    overs = [loop.create_future() for _ in range(concurrency)]
    for over in overs:
        await loop.create_connection(
            lambda over=over: _Slot(waiting, request, over), "127.0.0.1", port
        )
    await asyncio.gather(*overs)
    return exchanges


def _times(exchange: _Exchange, tokens: int) -> tuple[float, float]:
    """Return time to first chunk and mean step time of one request, in seconds."""
    with_data = [time_ns for time_ns, read in exchange.reads if b"data:" in read]
    first, last = with_data[0], with_data[-1]
    return (first - exchange.submit_ns) / 1e9, (last - first) / 1e9 / max(1, tokens - 1)


def main() -> None:
    """Run, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.bare")
    for name in ("port", "concurrency", "requests", "tokens"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    gc.disable()
    exchanges = asyncio.run(
        _offer(options.port, options.concurrency, options.requests, options.tokens)
    )
    times = [_times(exchange, options.tokens) for exchange in exchanges]
    options.out.write_text(
        json.dumps({"ttft_s": [ttft for ttft, _ in times], "step_s": [step for _, step in times]})
    )


if __name__ == "__main__":
    main()
