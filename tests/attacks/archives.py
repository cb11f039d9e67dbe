"""Archives made to do harm: byte by byte, because no library would write them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

REGULAR = 0o100644 << 16


@dataclass(frozen=True)
class Member:
    """One file of an archive, and every lie that can be told about it."""

    name: str
    data: bytes = b""
    mode: int = REGULAR
    flags: int = 0
    method: int = 0
    system: int = 3
    checksum: int | None = None
    said_size: int | None = None
    """Instead of the data's, in list and header."""
    header: dict[str, object] = field(default_factory=dict)
    """What the header says otherwise than the list: `signature`, `name`, `size`, `flags`."""
    packed_size: int | None = None
    """What the list says of the size when packed, where it is another."""
    offset: int | None = None
    """Where the list says that the header is."""
    hidden: bool = False
    """Whether the list leaves it out."""
    before: bytes = b""
    """Bytes that lie before its header."""
    comment: bytes = b""
    """What the list says about it."""


def archive(
    *members: Member, end: bytes = b"", count: int | None = None, comment: bytes = b"",
    before_list: bytes = b"", before_end: bytes = b"", **ending: int,
) -> bytes:  # fmt: skip
    """An archive of members, with whatever is asked for before its list and around its end.

    `ending` is what the end record says otherwise: `disk`, `first` and `here` (the numbers of this
    disk, of the one where the list starts, and of the files on this one), `said_comment`.
    """
    body, listing = b"", b""
    for member in members:
        body += member.before
        offset = len(body) if member.offset is None else member.offset
        body += _header(member) + member.data
        listing += b"" if member.hidden else _listed(member, offset)
    body += before_list
    start = len(body)
    number = sum(not member.hidden for member in members) if count is None else count
    last = struct.pack(
        "<4s4H2LH",
        b"PK\5\6",
        ending.get("disk", 0),
        ending.get("first", 0),
        ending.get("here", number),
        number,
        len(listing),
        start,
        ending.get("said_comment", len(comment)),
    )
    return body + listing + before_end + last + comment + end


def of_folder(folder: Path) -> list[Member]:
    """The members of a good bundle's archive."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        Member(name=path.relative_to(folder).as_posix(), data=path.read_bytes()) for path in paths
    ]


def changed(members: list[Member], name: str, **changes: object) -> list[Member]:
    """The members, of which one is otherwise."""
    return [
        replace(member, **changes) if member.name == name else member  # type: ignore[arg-type]
        for member in members
    ]


def _fields(member: Member) -> tuple[int, int, int, int]:
    checksum = zlib.crc32(member.data) if member.checksum is None else member.checksum
    size = len(member.data) if member.said_size is None else member.said_size
    return member.flags, member.method, checksum, size


def _header(member: Member) -> bytes:
    flags, method, checksum, size = _fields(member)
    flags = int(member.header.get("flags", flags))  # type: ignore[call-overload]
    size = int(member.header.get("size", size))  # type: ignore[call-overload]
    name = str(member.header.get("name", member.name)).encode()
    fixed = struct.pack(
        "<4s5H3L2H",
        member.header.get("signature", b"PK\3\4"),
        20,
        flags,
        method,
        0,
        33,
        checksum,
        size,
        size,
        len(name),
        0,
    )
    return fixed + name


def _listed(member: Member, offset: int) -> bytes:
    flags, method, checksum, size = _fields(member)
    name = member.name.encode()
    packed = size if member.packed_size is None else member.packed_size
    fixed = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", member.system << 8 | 20, 20, flags, method, 0, 33, checksum,
        packed, size, len(name), 0, len(member.comment), 0, 0, member.mode, offset,
    )  # fmt: skip
    return fixed + name + member.comment
