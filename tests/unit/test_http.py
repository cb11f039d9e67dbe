"""What a server may do to whoever asks it: nothing without bound or end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from specseal.errors import MachineLacks
from specseal.http import asking, open_session

MiB = 1 << 20


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request of each connection and then does as it is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(1 << 16)
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("status", [b"503 Busy", b"307 Elsewhere", b"429 Later"])
def test_body_of_an_answer_that_is_not_read_does_not_come_here(status: bytes) -> None:
    sent = []

    def pour(connection: socket.socket) -> None:
        head = b"HTTP/1.1 %b\r\nLocation: /x\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (status, 256 * MiB))
        for _ in range(256):
            connection.sendall(b"x" * MiB)
            sent.append(MiB)

    with serving(pour) as url, open_session(attempts=3, backoff_s=0) as session:
        with asking(session, "GET", url, what="it") as response:
            assert response.status_code == int(status[:3])
        # What fits into the buffers of the connections, and no more.
        assert sum(sent) < 3 * 32 * MiB


@pytest.mark.parametrize(
    "piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"x"], ids=["interim answers", "one header"]
)
def test_headers_that_come_without_end_are_given_up(piece: bytes) -> None:
    start = b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: "
    gone = threading.Event()

    def go_on(connection: socket.socket) -> None:
        connection.sendall(start)
        with suppress(OSError):
            while not gone.wait(0.02):
                connection.sendall(piece)

    with serving(go_on) as url, open_session(attempts=2, backoff_s=0, timeout_s=0.2) as session:
        with (
            pytest.raises(MachineLacks, match="no answer in time"),
            asking(session, "GET", url, what="it"),
        ):
            pass
        gone.set()
