"""HTTP/1.1 as far as a load generator needs it: requests as bytes, responses out of raw reads.

On the hot path only `ResponseEnd` runs: it tells, a few comparisons a read, whether a response is
complete. `read_response` takes the kept reads apart afterwards, strictly.

Source: RFC 9112 (message syntax), RFC 9110 (fields).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

Reads = Sequence[tuple[int, bytes]]
"""(arrival in monotonic ns, bytes) of each read."""

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
"""What nearly always ends a chunked response: the line break of the head or of the chunk before, a
chunk of length 0, no trailer."""
_LINES_OF_AN_EVENT = b"\r\n\r\n\r\n"
"""The end of a chunk with a whole event, where a server ends an event's lines with CRLF."""
_LONGEST_HEAD = 1 << 16
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: .*)?")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_BODILESS = (204, 304)


class NotHttp(Exception):
    """What came back can't be read as an HTTP/1.1 response; the message says where it goes wrong.

    A response that was cut off is none of these: `Response.missing` tells.
    """


def request_bytes(
    method: str, target: str, *, host: str, fields: dict[str, str], body: bytes = b""
) -> bytes:
    """Return a whole request."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    head += [f"{name}: {value}" for name, value in fields.items()]
    if method != "GET":
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


class _Framing(Enum):
    """How the end of a body is found."""

    CHUNKED = "chunked"
    LENGTH = "content-length"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """Status and framing of a response, and where its head ends."""

    status: int
    framing: _Framing
    length: int
    """Bytes of the body; content-length only."""
    end: int
    """Bytes of the head, its empty line included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response; its body in the pieces in which it arrived, without the framing."""

    status: int
    body: Reads
    missing: str | None
    """What was still to come when the connection ended, or None."""

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return b"".join(piece for _, piece in self.body)


class ResponseEnd:
    """Tell read by read whether a response is complete, as cheaply as its framing allows.

    Exact for a body that never has the line `0` between two others, as event streams, JSON and
    metrics never have. A response that has neither length nor chunks ends with its connection.
    """

    __slots__ = ("_chunked", "_head", "_last", "_left", "_reads")

    def __init__(self, reads: Reads) -> None:
        """Take the list that each read is put into before `reached` is told of it."""
        self._reads = reads
        self._chunked = False
        self._head: bytes | None = b""
        self._last = b""
        self._left = -1

    def reached(self, read: bytes) -> bool:
        """Take the next read."""
        if self._chunked:
            if len(read) < len(_LAST_CHUNK):
                read = self._last[-len(_LAST_CHUNK) :] + read
            self._last = read
            return read.endswith(_HEAD_END) and self._ends_chunked(read)
        if self._head is not None:
            return self._look_at_head(self._head + read)
        if self._left >= 0:
            return self._count(len(read))
        return False

    def _ends_chunked(self, end: bytes) -> bool:
        if end.endswith(_LAST_CHUNK):
            return True
        if end.endswith(_LINES_OF_AN_EVENT):
            return False
        # Perhaps a trailer, or a length of 0 that is written otherwise: rare, so looked at whole.
        try:
            return read_response(self._reads).missing is None
        except NotHttp:
            return True

    def _count(self, received: int) -> bool:
        self._left -= received
        return self._left <= 0

    def _look_at_head(self, seen: bytes) -> bool:
        try:
            head = _read_head(seen)
        except NotHttp:
            return True  # Nothing to wait for; `read_response` says what is wrong.
        self._head = seen if head is None else None
        if head is None:
            return False
        if head.framing is _Framing.CHUNKED:
            self._chunked = True
            self._last = seen
            return seen.endswith(_HEAD_END) and len(seen) > head.end and self._ends_chunked(seen)
        if head.framing is _Framing.LENGTH:
            self._left = head.length
            return self._count(len(seen) - head.end)
        return False


def read_response(reads: Reads) -> Response:
    """Take the reads of one response apart.

    Raises:
        NotHttp: they are no HTTP/1.1 response, or more than one.
    """
    first, head = _find_head(reads)
    if head is None:
        return Response(status=0, body=(), missing="its head")
    time_ns, seen = first[-1][0], b"".join(read for _, read in first)
    rest = [(time_ns, seen[head.end :])] if len(seen) > head.end else []
    pieces = [*rest, *reads[len(first) :]]
    if head.framing is _Framing.CHUNKED:
        body, missing = _unchunk(pieces)
    elif head.framing is _Framing.LENGTH:
        left = head.length - sum(len(piece) for _, piece in pieces)
        if left < 0:
            raise NotHttp(f"{-left} bytes follow a body of Content-Length {head.length}")
        body, missing = pieces, f"{left} bytes of its body" if left else None
    else:
        body, missing = pieces, None
    return Response(status=head.status, body=body, missing=missing)


def refusal(status: int, body: bytes) -> str:
    """Say what an HTTP error says, on one line: its JSON's error.message, or its own start."""
    text = body.decode("utf-8", errors="replace")
    try:
        text = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = text[:200]
    return f"HTTP {status}: {' '.join(text.split())}"


def _find_head(reads: Reads) -> tuple[Reads, _Head | None]:
    """Return the reads up to the one in which the final response's head ends, and that head."""
    seen = b""
    for number, (_, read) in enumerate(reads, 1):
        seen += read
        if (head := _read_head(seen)) is not None:
            return reads[:number], head
    return reads, None


def _read_head(seen: bytes) -> _Head | None:
    """Return the head of the final response, or None where it is not complete. Raises: NotHttp."""
    start = 0
    while True:
        end = seen.find(_HEAD_END, start)
        if end < 0:
            _check_beginning(seen[start:])
            return None
        status, fields = _parse_head(seen[start:end])
        start = end + len(_HEAD_END)
        if status >= 200:  # 1xx are interim: the real one follows
            framing, length = _framing(status, fields)
            return _Head(status=status, framing=framing, length=length, end=start)


def _check_beginning(seen: bytes) -> None:
    """Refuse at once what can't become a head."""
    expected = b"HTTP/1."
    if seen[: len(expected)] != expected[: len(seen)]:
        raise NotHttp(f"the answer begins with {seen[:40]!r}, which is not HTTP/1.1")
    if len(seen) > _LONGEST_HEAD:
        raise NotHttp(f"the answer's head is longer than {_LONGEST_HEAD} bytes")


def _parse_head(head: bytes) -> tuple[int, dict[bytes, list[bytes]]]:
    """Return status, and fields by lower-case name."""
    status_line, *lines = head.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(status_line)
    if match is None:
        raise NotHttp(f"the answer begins with {status_line[:40]!r}, which is not HTTP/1.1")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not (colon and _FIELD_NAME.fullmatch(name)):
            raise NotHttp(f"the answer's head has the line {line[:40]!r}")
        fields.setdefault(name.lower(), []).append(value.strip())
    return int(match[1]), fields


def _framing(status: int, fields: dict[bytes, list[bytes]]) -> tuple[_Framing, int]:
    """Return how the body ends. Source: RFC 9112, 6.3."""
    codings, lengths = fields.get(b"transfer-encoding"), set(fields.get(b"content-length", ()))
    if coded := fields.get(b"content-encoding"):
        raise NotHttp(f"the answer is encoded ({coded[0]!r}), which was not asked for")
    if status in _BODILESS:
        return _Framing.LENGTH, 0
    if codings is not None:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise NotHttp(f"the answer's Transfer-Encoding is {codings!r}, its length {lengths!r}")
        return _Framing.CHUNKED, 0
    if lengths:
        (length, *others) = lengths
        if others or not length.isdigit():
            raise NotHttp(f"the answer's Content-Length is {sorted(lengths)!r}")
        return _Framing.LENGTH, int(length)
    return _Framing.CLOSE, 0


def _unchunk(pieces: Reads) -> tuple[Reads, str | None]:
    """Return a chunked body without its framing, and what is missing of it. Raises: NotHttp."""
    decoder = _Chunks()
    body = [(time_ns, part) for time_ns, piece in pieces for part in decoder.feed(piece)]
    return body, decoder.missing()


@lru_cache(maxsize=4096)
def _chunk_size(line: bytes) -> int:
    """Return the length that a chunk's first line tells. Raises: NotHttp."""
    match = _CHUNK_SIZE.fullmatch(line)
    if match is None:
        raise NotHttp(f"a chunk's size is {line[:40]!r}")
    return int(match[1], 16)


class _Next(Enum):
    """What comes next in a chunked body, line by line."""

    SIZE = "the size of a chunk"
    DATA = "a chunk"
    BREAK = "the line break after a chunk"
    TRAILER = "a trailer, or the empty line that ends the body"
    NOTHING = "nothing"


class _Chunks:
    """Takes chunked framing off, however the bytes are cut."""

    __slots__ = ("_due", "_line", "_next")

    def __init__(self) -> None:
        self._next = _Next.SIZE
        self._due = 0
        """Bytes of the current chunk still to come."""
        self._line = b""
        """The beginning of a framing line."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Return what of the body is in a piece. Raises: NotHttp."""
        parts = []
        at, end = 0, len(piece)
        while at < end:
            if self._next is _Next.NOTHING:
                raise NotHttp(f"the body is followed by {piece[at : at + 40]!r}")
            if self._next is _Next.SIZE and not self._line:
                # Nearly every chunk lies in one read as a whole.
                size_end = piece.find(b"\r\n", at)
                stop = size_end + 2 + (_chunk_size(piece[at:size_end]) if size_end > 0 else 0)
                if stop > size_end + 2 > 2 and piece[stop : stop + 2] == b"\r\n":
                    parts.append(piece[size_end + 2 : stop])
                    at = stop + 2
                    continue
            if self._next is _Next.DATA:
                part = piece[at : at + self._due]
                parts.append(part)
                self._due -= len(part)
                self._next = _Next.DATA if self._due else _Next.BREAK
                at += len(part)
                continue
            line_end = piece.find(b"\n", at) + 1
            self._line += piece[at : line_end or end]
            at = line_end or end
            if line_end or len(self._line) > _LONGEST_HEAD:
                self._take_line()
        return parts

    def missing(self) -> str | None:
        """Say what has not come, or return None."""
        return None if self._next is _Next.NOTHING else "its last chunk"

    def _take_line(self) -> None:
        text = self._line.removesuffix(b"\r\n")
        if len(text) == len(self._line):
            raise NotHttp(f"where {self._next.value} should come is {self._line[:40]!r}")
        self._line = b""
        if self._next is _Next.SIZE:
            self._due = _chunk_size(text)
            self._next = _Next.DATA if self._due else _Next.TRAILER
        elif self._next is _Next.TRAILER:
            self._next = _Next.TRAILER if text else _Next.NOTHING
        elif text:
            raise NotHttp(f"where {self._next.value} should come is {text[:40]!r}")
        else:
            self._next = _Next.SIZE
