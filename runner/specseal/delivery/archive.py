"""A bundle as one zip file: written the same from the same files, and read with distrust.

Files are stored, not compressed: what is large in a bundle is compressed already, two versions of a
compressor do not give the same bytes, and nothing can unpack to more than it is. So the same files
are always the same archive. A reader accepts only such: every byte of the archive belongs to one
file, one header, or the list at its end.

Source: PKWARE APPNOTE 6.3.3 (local headers, central directory, its end record).
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from specseal.delivery.parcel import Entry, Limits, Source, check_entries, refused
from specseal.errors import InputError

SUFFIX = ".zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that the format knows."""
_MODE = stat.S_IFREG | 0o644
_CHUNK_BYTES = 1 << 20

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\5\6"
_ZIP64_SIGNATURE, _ZIP64_BYTES = b"PK\6\7", 20
_HEADER = struct.Struct("<4s5H3L2H")
_HEADER_SIGNATURE = b"PK\3\4"
_MAX_DIRECTORY_BYTES = 16 << 20
_UTF8 = 0x800
_DOS_FOLDER_DEVICE_LABEL = 0x10 | 0x40 | 0x08


def write_archive(source: Source, entries: Sequence[Entry], target: IO[bytes]) -> None:
    """Write files as an archive.

    Args:
        source: has them.
        entries: what to write; their order does not matter.
        target: can be sought in.

    Raises:
        InputError: they are too many bytes for a plain zip file.
        SpecsealError: the source fails.
    """
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
            for entry in sorted(entries, key=lambda one: one.path):
                info = zipfile.ZipInfo(entry.path, _EPOCH)
                info.create_system = 3  # Unix, whatever this is
                info.external_attr = _MODE << 16
                info.file_size = entry.size_bytes
                with archive.open(info, "w") as file:
                    source.copy(entry, file.write)
    except (zipfile.LargeZipFile, RuntimeError) as error:
        raise InputError(
            f"{source.name}: over 2 GiB, which a plain zip file can't hold",
            mend="publish it to a registry or a folder",
        ) from error


class ArchiveSource:
    """The files of an archive that anybody may have prepared.

    Args:
        path: the archive.
        file: the same, open.
        limits: what it may hold.

    Raises:
        VerificationFailed: it is not such an archive as `write_archive` writes.
    """

    def __init__(self, path: Path, file: IO[bytes], limits: Limits) -> None:
        self.name = str(path)
        self._file = file
        start, count = self._read_end()
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise refused(self.name, f"not a zip file that can be read: {error}") from error
        if len(infos) != count:
            raise refused(self.name, "its list of files is not as long as it says")
        self._starts: dict[str, int] = {}
        self._checksums: dict[str, int] = {}
        entries = tuple(self._entry(info) for info in infos)
        check_entries(self.name, entries, limits)
        self._check_places(infos, start)
        self.entries = entries

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        """Hand a file's bytes to `write`.

        Raises:
            VerificationFailed: they are cut short, or not those of the archive's own checksum.
        """
        self._file.seek(self._starts[entry.path])
        left, checksum = entry.size_bytes, 0
        while left:
            chunk = self._file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise refused(self.name, f"{entry.path}: is cut short")
            checksum = zlib.crc32(chunk, checksum)
            left -= len(chunk)
            write(chunk)
        if checksum != self._checksums[entry.path]:
            raise refused(self.name, f"{entry.path}: is damaged: its checksum does not fit")

    def _read_end(self) -> tuple[int, int]:
        """Return where the list of files starts, and how many it has, by the record at the end."""
        size = self._file.seek(0, 2)
        before = max(0, size - _END.size - _ZIP64_BYTES)
        self._file.seek(before)
        tail = self._file.read()
        if len(tail) < _END.size or tail[-_END.size :][:4] != _END_SIGNATURE:
            raise refused(self.name, "not a zip file, or there is something behind its end")
        _, disk, first, here, count, length, start, comment = _END.unpack(tail[-_END.size :])
        if tail.startswith(_ZIP64_SIGNATURE) or 0xFFFF in (here, count):
            raise refused(self.name, "is in the format for archives over 4 GiB")
        plain = (disk, first, comment) == (0, 0, 0) and here == count
        if not plain or start + length + _END.size != size or length > _MAX_DIRECTORY_BYTES:
            raise refused(self.name, "its end record does not fit the file")
        return start, count

    def _entry(self, info: zipfile.ZipInfo) -> Entry:
        name = info.orig_filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        problems = (
            (info.flag_bits & 0x1, "is encrypted"),
            (info.flag_bits & ~(_UTF8 | 0x1), "is written in a way that is not read here"),
            (info.compress_type != zipfile.ZIP_STORED, "is compressed"),
            (info.compress_size != info.file_size, "has two sizes"),
            (kind not in (0, stat.S_IFREG), "is not a regular file"),
            (info.external_attr & _DOS_FOLDER_DEVICE_LABEL, "is not a regular file"),
            (name != info.filename, "has two names"),
        )
        for is_so, sentence in problems:
            if is_so:
                raise refused(self.name, f"{name[:200]!r} {sentence}")
        self._checksums[name] = info.CRC
        return Entry(path=name, size_bytes=info.file_size)

    def _check_places(self, infos: Sequence[zipfile.ZipInfo], end: int) -> None:
        """Check that headers and files lie one behind the other, with nothing between or twice."""
        place = 0
        for info in sorted(infos, key=lambda one: one.header_offset):
            if info.header_offset != place:
                raise refused(
                    self.name, f"{info.filename}: overlaps another file, or leaves a gap before it"
                )
            self._file.seek(place)
            header = self._file.read(_HEADER.size)
            if len(header) < _HEADER.size or header[:4] != _HEADER_SIGNATURE:
                raise refused(self.name, f"{info.filename}: has no header")
            _, _, flags, method, _, _, checksum, packed, size, names, extra = _HEADER.unpack(header)
            said = (flags, method, checksum, packed, size, self._file.read(names))
            name = info.orig_filename.encode("utf-8" if flags & _UTF8 else "cp437")
            listed = (info.flag_bits, info.compress_type, info.CRC, info.file_size, info.file_size)
            if said != (*listed, name):
                raise refused(self.name, f"{info.filename}: its header says something else")
            self._starts[info.filename] = place + _HEADER.size + names + extra
            place = self._starts[info.filename] + info.file_size
        if place != end:
            raise refused(self.name, "has bytes that belong to no file")
