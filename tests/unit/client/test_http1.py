"""HTTP/1.1 out of raw reads: whole, cut anywhere, cut off, and wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.client.http1 import NotHttp, ResponseEnd, read_response, refusal, request_bytes

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"data: one\r\n\r\ndata: 10\r\n\r\ndata: three\n\n"
WHOLE = {
    "chunked": CHUNKED
    + b"d\r\ndata: one\r\n\r\n\r\n"
    + b"C;x=y\r\ndata: 10\r\n\r\n\r\n"
    + b"0d\r\ndata: three\n\n\r\n"
    + b"0\r\n\r\n",
    "chunked, with a trailer": CHUNKED + b"26\r\n" + BODY + b"\r\n0\r\nX-Time: 3\r\n\r\n",
    "chunked, zero written long": CHUNKED + b"26\r\n" + BODY + b"\r\n000\r\n\r\n",
    "length": OK + b"content-length: 38\r\n\r\n" + BODY,
    "interim first": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 38\r\n\r\n" + BODY,
}


def cut(wire: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    """Return the reads of a response that is cut there; no read is empty."""
    edges = sorted({0, *(each % len(wire) for each in cuts), len(wire)})
    return [(number, wire[start:stop]) for number, (start, stop) in enumerate(pairwise(edges))]


def ends(reads: list[tuple[int, bytes]]) -> list[bool]:
    """Return what is said at each read."""
    seen: list[tuple[int, bytes]] = []
    end = ResponseEnd(seen)
    said = []
    for time_ns, read in reads:
        seen.append((time_ns, read))
        said.append(end.reached(read))
    return said


CUTS = st.lists(st.integers(1, 1000), max_size=12)


@pytest.mark.parametrize("wire", WHOLE.values(), ids=WHOLE)
def test_response_cut_once_at_every_byte_is_the_same(wire: bytes) -> None:
    for at in range(1, len(wire)):
        reads = cut(wire, [at])
        response = read_response(reads)
        assert (response.status, response.content, response.missing) == (200, BODY, None)
        assert ends(reads) == [False, True], at


@pytest.mark.parametrize("wire", WHOLE.values(), ids=WHOLE)
@given(cuts=CUTS)
def test_wherever_the_reads_are_cut_the_response_is_the_same(wire: bytes, cuts: list[int]) -> None:
    reads = cut(wire, cuts)
    assert read_response(reads).content == BODY
    assert ends(reads) == [False] * (len(reads) - 1) + [True]


def test_response_that_comes_byte_by_byte_ends_at_the_last() -> None:
    for wire in WHOLE.values():
        reads = [(at, wire[at : at + 1]) for at in range(len(wire))]
        assert read_response(reads).content == BODY
        assert ends(reads).index(True) == len(wire) - 1


def test_each_piece_of_the_body_has_the_time_of_its_read() -> None:
    reads = [(1, CHUNKED), (2, b"1\r\na\r\n1\r\nb"), (3, b"\r\n2\r\nc"), (4, b"d\r\n0\r\n\r\n")]
    assert read_response(reads).body == [(2, b"a"), (2, b"b"), (3, b"c"), (4, b"d")]


@pytest.mark.parametrize("name", ["chunked", "length"])
def test_response_that_is_cut_off_says_what_is_missing(name: str) -> None:
    wire = WHOLE[name]
    body_at = wire.index(b"\r\n\r\n") + 4
    for stop in range(len(wire)):
        response = read_response([(1, wire[:stop])])
        assert response.missing is not None
        assert (response.missing == "its head") == (stop < body_at)
        assert BODY.startswith(response.content)


def test_response_with_neither_length_nor_chunks_ends_with_its_connection() -> None:
    reads = [(1, OK + b"\r\nda"), (2, b"ta\r\n0\r\n\r\n")]
    assert ends(reads) == [False, False]
    response = read_response(reads)
    assert (response.content, response.missing) == (b"data\r\n0\r\n\r\n", None)


LENGTH_OF_2 = OK + b"Content-Length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"SSH-2.0-OpenSSH_9", "begins with b'SSH-2.0-OpenSSH_9', which is not HTTP/1.1"),
        (b"HTTP/2 200\r\n\r\n", "which is not HTTP/1.1"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "which is not HTTP/1.1"),
        (OK + b"no colon\r\n\r\n", "the line b'no colon'"),
        (OK + b"bad name: x\r\n\r\n", "the line b'bad name: x'"),
        (OK + b"X: " + b"y" * 70_000, "longer than 65536 bytes"),
        (OK + b"Content-Length: -1\r\n\r\n", "Content-Length is"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length is"),
        (OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding is"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding is"),
        (OK + b"Content-Encoding: gzip\r\n\r\n", "encoded .*gzip"),
        (LENGTH_OF_2 + b"abc", "1 bytes follow a body of Content-Length 2"),
        (CHUNKED + b"x\r\n", "a chunk's size is b'x'"),
        (CHUNKED + b"+1\r\na\r\n", r"a chunk's size is b'\+1'"),
        (CHUNKED + b"\r\n", "a chunk's size is b''"),
        (CHUNKED + b"1\na\r\n", "a chunk's size is"),
        (CHUNKED + b"1\r\na\n", "where the line break after a chunk should come is"),
        (CHUNKED + b"1\r\nab\r\n", "where the line break after a chunk should come is b'b'"),
        (CHUNKED + b"0\r\n\r\nHTTP", "the body is followed by b'HTTP'"),
        (CHUNKED + b"1;" + b"x" * 70_000, "where the size of a chunk should come is"),
    ],
    ids=range(20),
)
def test_what_is_no_response_is_refused_with_what_is_wrong(wire: bytes, message: str) -> None:
    with pytest.raises(NotHttp, match=message):
        read_response([(1, wire)])


def test_what_is_no_response_is_not_waited_for() -> None:
    assert ends([(1, b"HT"), (2, b"ML, you know")]) == [False, True]


def test_response_without_a_read_misses_its_head() -> None:
    assert read_response([]).missing == "its head"


def test_request_tells_its_length_and_only_a_get_has_none() -> None:
    post = request_bytes("POST", "/a", host="h:1", fields={"X": "y"}, body=b"{}")
    assert post == b"POST /a HTTP/1.1\r\nHost: h:1\r\nX: y\r\nContent-Length: 2\r\n\r\n{}"
    assert request_bytes("GET", "/", host="h", fields={}) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def test_refusal_is_one_line_of_what_the_server_says() -> None:
    assert refusal(400, b'{"error":{"message":"no\\nsuch model"}}') == "HTTP 400: no such model"
    assert refusal(502, b"<html>\n" + b"x" * 300) == f"HTTP 502: <html> {'x' * 193}"
