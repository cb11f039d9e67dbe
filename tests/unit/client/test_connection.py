"""Connections: one a request, and every way in which one can fail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from specseal.client.address import Address, on_loopback
from specseal.client.connection import Connector
from specseal.client.errors import ServerError
from specseal.client.server import Server
from specseal.client.wire import Exchange

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Reply = Callable[["Seen", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Seen:
    """What a server saw."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    all_closed: asyncio.Event = field(default_factory=asyncio.Event)


def says(*parts: bytes) -> Reply:
    async def reply(seen: Seen, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return reply


@asynccontextmanager
async def serving(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Seen]:
    """Serve: each request, of 2 bytes of body or none, gets the reply."""
    seen = Seen()
    open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        seen.connections += 1
        open_now += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2) if b"Content-Length" in head else b""
                seen.requests.append(head + body)
                await reply(seen, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            open_now -= 1
            if not open_now:
                seen.all_closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


def exchanges(reply: Reply, count: int, *, timeout_s: float = 30) -> tuple[Seen, list[Exchange]]:
    """Send `count` requests, one after the other."""

    async def run() -> tuple[Seen, list[Exchange]]:
        async with serving(reply) as seen:
            connections = Connector(on_loopback(seen.port))
            came = [
                await connections.exchange(REQUEST, silence_timeout_s=timeout_s)
                for _ in range(count)
            ]
        return seen, came

    return asyncio.run(run())


def test_each_request_has_a_connection_of_its_own() -> None:
    seen, came = exchanges(says(ANSWER[:20], ANSWER[20:]), 3)
    assert (seen.connections, len(seen.requests)) == (3, 3)
    for exchange in came:
        assert b"".join(read for _, read in exchange.reads) == ANSWER
        assert exchange.error is None
        times = [exchange.submit_ns, *(time_ns for time_ns, _ in exchange.reads)]
        assert times == sorted(times)
        assert exchange.connect_ns > 0
        assert exchange.end_ns == exchange.reads[-1][0]


def test_request_whose_connection_closes_under_it_is_not_sent_twice() -> None:
    async def never(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.close()

    seen, (exchange,) = exchanges(never, 1)
    assert (seen.connections, len(seen.requests)) == (1, 1)
    assert exchange.reads == []


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    async def more_later(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"more")

    async def run() -> None:
        async with serving(more_later) as seen:
            connections = Connector(on_loopback(seen.port))
            exchange = await connections.exchange(REQUEST, silence_timeout_s=30)
            await seen.all_closed.wait()
            assert b"more" not in exchange.reads[-1][1]

    asyncio.run(run())


def test_reset_connection_says_so() -> None:
    async def reset(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER[:30])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0
        writer.transport.abort()

    _, (exchange,) = exchanges(reset, 1)
    assert exchange.error == "connection cut: [Errno 104] Connection reset by peer"
    assert [read for _, read in exchange.reads] == [ANSWER[:30]]


def test_silence_is_given_up_after_the_timeout_and_not_before_the_last_read() -> None:
    async def fall_silent(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER[:30])
        await asyncio.Event().wait()

    _, (exchange,) = exchanges(fall_silent, 1, timeout_s=0.05)
    assert exchange.timed_out
    assert exchange.error == "nothing received for 0.05 s"
    assert exchange.end_ns - exchange.reads[-1][0] >= 50_000_000


def test_nobody_listening_is_refused() -> None:
    async def run() -> Exchange:
        async with serving(says()) as seen:
            pass
        return await Connector(on_loopback(seen.port)).exchange(REQUEST, silence_timeout_s=30)

    exchange = asyncio.run(run())
    assert exchange.refused
    assert (exchange.error or "").startswith("no connection: ")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "truth")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return path


def over_tls(certificate: Path, trusted: ssl.SSLContext) -> tuple[Seen, str]:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)

    async def run() -> tuple[Seen, str]:
        async with serving(says(ANSWER), own) as seen:
            address = Address(
                host="127.0.0.1", port=seen.port, prefix="/api", tls=trusted, key="sk-1"
            )
            server = Server(address, silence_timeout_s=30)
            try:
                return seen, str([await server.get_json("/health") for _ in range(2)])
            except ServerError as error:
                return seen, str(error)

    return asyncio.run(run())


def test_tls_carries_key_and_prefix(certificate: Path) -> None:
    seen, answer = over_tls(certificate, ssl.create_default_context(cafile=certificate))
    assert answer == "[{}, {}]"
    assert seen.requests[0].startswith(b"GET /api/health HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer sk-1\r\n" in seen.requests[0]


def test_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    seen, answer = over_tls(certificate, ssl.create_default_context())
    assert "no connection: " in answer
    assert "certificate verify failed" in answer
    assert seen.requests == []


def test_key_that_the_server_repeats_is_not_passed_on() -> None:
    refused = b'{"error":{"message":"wrong key sk-1"}}'
    head = b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(refused)

    async def run() -> None:
        async with serving(says(head + refused)) as seen:
            address = Address(host="127.0.0.1", port=seen.port, key="sk-1")
            server = Server(address, silence_timeout_s=30)
            with pytest.raises(ServerError, match=r"/health: HTTP 401: wrong key \*\*\*"):
                await server.get_text("/health")

    asyncio.run(run())
