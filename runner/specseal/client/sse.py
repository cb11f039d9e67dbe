"""Server-sent events out of a body's pieces, each with the time of the piece that completed it.

Source: WHATWG HTML, server-sent events: an event ends at an empty line; its data is what follows
`data:` on its lines; a line that starts with a colon is a comment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def events(pieces: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield (arrival in ns, data) of each complete event; the bytes may be cut anywhere.

    What is left without an empty line at the end is not an event and is dropped.
    """
    pending = b""
    for time_ns, piece in pieces:
        if not pending and _is_one_event(piece):
            yield time_ns, piece[6:-2]
            continue
        *complete, pending = (pending + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in complete:
            if (data := _data(block)) is not None:
                yield time_ns, data


def _is_one_event(piece: bytes) -> bool:
    """Say whether a piece is one whole event of one line, as nearly all are."""
    return (
        piece.find(b"\n") == len(piece) - 2
        and piece.startswith(b"data: ")
        and piece.endswith(b"\n\n")
        and b"\r" not in piece
    )


def _data(block: bytes) -> bytes | None:
    if block[:6] == b"data: " and b"\n" not in block:
        return block[6:]
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines) if lines else None
