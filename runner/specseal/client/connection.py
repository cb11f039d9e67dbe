"""A connection a request: the hot path, which stamps each read and keeps its bytes, no more.

Connections are not used again. A server may close one in the moment of its next use; llama.cpp
does after every streamed answer, and announces the contrary. It would look like a failed request,
and nothing is ever sent twice. The request's clock starts when its connection stands; how long that
took is kept apart, so that a far server's handshakes don't look like a late client.
"""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import cast

from specseal.client.address import Address
from specseal.client.http1 import ResponseEnd
from specseal.client.wire import Exchange


class Connector:
    """The way to one server."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._host = address.host

    async def exchange(self, request: bytes, *, silence_timeout_s: float) -> Exchange:
        """Send a request and keep what comes back, with the arrival of each read.

        Failures end up in the Exchange, never as an exception.
        """
        asked_ns = monotonic_ns()
        try:
            connection = await self._open(silence_timeout_s)
        except TimeoutError:
            error = f"no connection within {silence_timeout_s:g} s"
            return _unsent(asked_ns, error, timed_out=True)
        except OSError as failure:
            return _unsent(asked_ns, f"no connection: {failure}", refused=True)
        return await connection.exchange(request, int(silence_timeout_s * 1e9), asked_ns=asked_ns)

    async def _open(self, timeout_s: float) -> _Connection:
        address, loop = self._address, asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            transport, connection = await loop.create_connection(
                lambda: _Connection(loop),
                self._host,
                address.port,
                ssl=address.tls,
                server_hostname=address.host if address.tls else None,
            )
        # Looked up once: another look-up a connection would come out as a request's lateness.
        self._host = transport.get_extra_info("peername", (self._host,))[0]
        return connection


class _Connection(asyncio.BufferedProtocol):
    """One connection, and the one request that is on it.

    All connections read into one buffer, out of which each read is copied at once: to have asyncio
    make a bytes object of its largest size for each read costs more time and five times the memory.
    """

    _buffer = memoryview(bytearray(1 << 18))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over: asyncio.Future[Exchange] = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._reads: list[tuple[int, bytes]] = []
        self._end = ResponseEnd(self._reads)
        self._asked_ns = self._submit_ns = self._silence_ns = 0

    async def exchange(self, request: bytes, silence_ns: int, *, asked_ns: int) -> Exchange:
        """Send the request; return when its response is complete or has failed.

        Args:
            request: its bytes.
            silence_ns: how long nothing may come.
            asked_ns: when the connection was asked for.
        """
        self._silence_ns, self._asked_ns = silence_ns, asked_ns
        self._submit_ns = monotonic_ns()
        if self._transport.is_closing():
            self._finish(self._submit_ns)
        else:
            self._transport.write(request)
            self._watch_silence()
        try:
            return await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()
            # At once: to say goodbye would keep the loop from other requests' reads.
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        now_ns = monotonic_ns()
        if self._over.done():
            return  # More than the response that was announced: nobody's.
        read = bytes(self._buffer[:nbytes])
        self._reads.append((now_ns, read))
        if self._end.reached(read):
            self._finish(now_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        # Closing is how a server may end a response; where that cut it off, its framing tells.
        self._finish(monotonic_ns(), error=f"connection cut: {exc}" if exc else None)

    def _watch_silence(self) -> None:
        """Look once a timeout, not once a read, whether something has come."""
        last_ns = self._reads[-1][0] if self._reads else self._submit_ns
        left_ns = last_ns + self._silence_ns - monotonic_ns()
        if left_ns > 0:
            self._timer = self._loop.call_later(left_ns / 1e9, self._watch_silence)
            return
        error = f"nothing received for {self._silence_ns / 1e9:g} s"
        self._finish(monotonic_ns(), error=error, timed_out=True)

    def _finish(self, now_ns: int, *, error: str | None = None, timed_out: bool = False) -> None:
        if self._over.done():
            return
        self._over.set_result(
            Exchange(
                connect_ns=self._submit_ns - self._asked_ns,
                submit_ns=self._submit_ns,
                end_ns=now_ns,
                reads=self._reads,
                error=error,
                timed_out=timed_out,
            )
        )


def _unsent(now_ns: int, error: str, **how: bool) -> Exchange:
    # Submitted it never was: as the instant of that stands when it was to be.
    return Exchange(
        connect_ns=0, submit_ns=now_ns, end_ns=monotonic_ns(), reads=(), error=error, **how
    )
