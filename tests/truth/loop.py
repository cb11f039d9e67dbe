"""Sockets and timers in one thread, over epoll: nothing stands between schedule and socket.

asyncio would do as well for a few streams. This one spends a few microseconds on a chunk and on a
new connection, so that it stays ahead of the clients that are measured against it.
"""

from __future__ import annotations

import heapq
import select
import socket
from collections.abc import Callable
from time import monotonic_ns

_AT_ONCE = 64
"""Sockets served between two looks at the timers."""
_READ_BYTES = 1 << 16


class Connection:
    """One client's connection."""

    __slots__ = ("_loop", "_outbox", "_socket", "closing", "inbox", "on_closed")

    def __init__(self, loop: Loop, client: socket.socket) -> None:
        self._loop = loop
        self._socket = client
        self._outbox = bytearray()
        self.inbox = bytearray()
        """What came and was not taken yet."""
        self.closing = False
        """Close when all is written."""
        self.on_closed: Callable[[], None] | None = None
        """Called if the client goes away first."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket now; what it does not take waits until it can."""
        if not self._outbox:
            try:
                taken = self._socket.send(data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self._loop.lost(self)
                return
            if taken == len(data):
                return
            data = data[taken:]
            self._loop.watch_writable(self, watch=True)
        self._outbox += data

    def flush(self) -> None:
        """Write what waits; called when the socket can take more."""
        waiting, self._outbox = bytes(self._outbox), bytearray()
        self._loop.watch_writable(self, watch=False)
        self.write(waiting)
        if self.closing and not self._outbox:
            self.close()

    def close_when_written(self) -> None:
        """Close after the last byte."""
        self.closing = True
        if not self._outbox:
            self.close()

    def close(self) -> None:
        """Close now; what waits is dropped."""
        self.on_closed = None
        self._loop.forget(self)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def receive(self) -> bool:
        """Take in what is there; False where the client closed."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.inbox += data
        return bool(data)

    def shut(self) -> None:
        """Close the socket itself."""
        self._socket.close()


class Loop:
    """Serve connections and call back at instants of the monotonic clock."""

    def __init__(self, port: int, on_data: Callable[[Connection, int], None]) -> None:
        self._on_data = on_data
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timers_made = 0

    def at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call at an instant, or as soon after it as can be."""
        self._timers_made += 1
        heapq.heappush(self._timers, (due_ns, self._timers_made, call))

    def serve(self) -> None:
        """Serve until the process is told to end."""
        timers = self._timers
        while True:
            timeout = max(0, timers[0][0] - monotonic_ns()) / 1e9 if timers else None
            for descriptor, events in self._epoll.poll(timeout, _AT_ONCE):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif connection := self._connections.get(descriptor):
                    self._serve(connection, events)
            while timers and timers[0][0] <= monotonic_ns():
                heapq.heappop(timers)[2]()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client)
            self._connections[client.fileno()] = connection
            self._epoll.register(client, select.EPOLLIN)

    def _serve(self, connection: Connection, events: int) -> None:
        if events & select.EPOLLOUT:
            connection.flush()
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            if not connection.receive():
                self.lost(connection)
            else:
                self._on_data(connection, monotonic_ns())

    def watch_writable(self, connection: Connection, *, watch: bool) -> None:
        """Say when a connection's socket takes bytes again, or say it no more."""
        wanted = select.EPOLLIN | (select.EPOLLOUT if watch else 0)
        self._epoll.modify(connection.fileno(), wanted)

    def lost(self, connection: Connection) -> None:
        """Drop a connection whose client went away."""
        on_closed = connection.on_closed
        self.forget(connection)
        if on_closed:
            on_closed()

    def forget(self, connection: Connection) -> None:
        """Close a connection's socket and think of it no more."""
        if self._connections.pop(connection.fileno(), None):
            self._epoll.unregister(connection.fileno())
            connection.shut()
