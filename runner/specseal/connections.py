"""Connections whose answers begin in time, for the pools of urllib3."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.client import HTTPException

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_HEAD_TIMEOUTS = 2
"""After how many timeouts the headers of an answer must be whole."""


class _Timely(HTTPConnection):
    """A connection whose answers begin in time.

    The timeout of a socket is between two pieces: headers that come a byte at a time, or `100
    Continue` without end, would never meet it.
    """

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Return the answer, its headers read. Raises: TimeoutError."""
        late = threading.Event()
        sock, limit_s = self.sock, self.timeout

        def hang_up() -> None:
            late.set()
            # Not the method of a TLS socket, which is not made to be called from elsewhere.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

        if not isinstance(limit_s, int | float):
            return super().getresponse()
        # Longer than the socket's own, so that silence is noticed by that.
        timer = threading.Timer(limit_s * _HEAD_TIMEOUTS, hang_up)
        timer.daemon = True
        timer.start()
        response: HTTPResponse | None = None
        try:
            response = super().getresponse()
        except (OSError, HTTPException):
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if response is None or late.is_set():
            # Headers that were cut off may look like whole ones.
            if response is not None:
                response.close()
            raise TimeoutError("its headers did not end")
        return response


class _TimelyTls(_Timely, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timely


class _PoolTls(HTTPSConnectionPool):
    ConnectionCls = _TimelyTls


POOLS = {"http": _Pool, "https": _PoolTls}
