"""Server-sent events out of raw reads, each with the time of the read that completed it.

Source: WHATWG HTML, server-sent events: an event ends at an empty line; its data is what follows
`data:` on its lines; a line that starts with a colon is a comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_DONE = b"[DONE]"


def events(reads: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield (arrival in ns, data) of each complete event; the bytes may be cut anywhere.

    What is left without an empty line at the end is not an event and is dropped.
    """
    pending = b""
    for time_ns, read in reads:
        *complete, pending = (pending + read).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in complete:
            if (data := _data(block)) is not None:
                yield time_ns, data


def last_event(reads: Iterable[tuple[int, bytes]]) -> bytes | None:
    """Return the data of the last complete event, without looking into those before it."""
    text = b"".join(read for _, read in reads).replace(b"\r\n", b"\n")
    complete, _, _ = text.rpartition(b"\n\n")
    return _data(complete.rpartition(b"\n\n")[2])


def _data(block: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line[:5] == b"data:"]
    data = b"\n".join(lines)
    return data if lines and data != _DONE else None
