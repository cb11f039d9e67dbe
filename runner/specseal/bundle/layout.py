"""Read a bundle's folder: what lies in it, each file once, through one descriptor.

In: a folder that anybody may have prepared. Out: a `Tree` of digests and of the bytes that will be
parsed, which are the bytes that were hashed, and a finding for whatever may not be there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from specseal.bundle.changes import Mark, mark_of
from specseal.bundle.findings import Finding
from specseal.bundle.manifest import ATTESTATIONS, MANIFEST, path_problem
from specseal.bundle.sbom import SBOM_PATHS
from specseal.bundle.texts import TEXTS
from specseal.digests import Digest
from specseal.errors import InputError

RESULT_ATTESTATION = f"{ATTESTATIONS}/result.sigstore.json"
PROVENANCE_ATTESTATION = f"{ATTESTATIONS}/provenance.sigstore.json"
KEYS = f"{ATTESTATIONS}/keys"
REPRODUCTIONS = f"{ATTESTATIONS}/reproductions"
TIMESTAMP = f"{ATTESTATIONS}/timestamp.tsr"

MAX_FILES = 10_000
"""And folders."""
MAX_DEPTH = 16
_MiB = 2**20
MAX_FILE_BYTES = 4096 * _MiB
MAX_BYTES = 4 * MAX_FILE_BYTES
"""Of all files together."""
MAX_PARSED_BYTES = {
    MANIFEST: 4 * _MiB,
    "spec.yaml": 1 * _MiB,
    "lock.json": 64 * _MiB,
    "environment.json": 16 * _MiB,
    "result.json": 64 * _MiB,
    "counts.json": 64 * _MiB,
    "records.parquet": 1024 * _MiB,
    "telemetry.parquet": 256 * _MiB,
    **dict.fromkeys(SBOM_PATHS, 16 * _MiB),
    **dict.fromkeys(TEXTS, 8 * _MiB),
    RESULT_ATTESTATION: 1 * _MiB,
    PROVENANCE_ATTESTATION: 4 * _MiB,
    TIMESTAMP: 64 * 2**10,
}
"""The files that are parsed, hence kept in memory, and how large each may be."""
_LOG = re.compile(r"logs/[^/]+\.gz")
"""The files whose names are free, and which are not parsed."""
_KEY_FILE = re.compile(re.escape(KEYS) + r"/([0-9a-f]{64})\.pem")
_REPRODUCTION_FILE = re.compile(
    re.escape(REPRODUCTIONS) + r"/([0-9a-f]{64})-([0-9a-f]{64})\.sigstore\.json"
)
_MAX_KEY_BYTES = 4096
_MAX_REPRODUCTION_BYTES = 64 * 2**10
MAX_REPRODUCTIONS = 256
"""How many reproduction statements, and how many keys, a bundle may have."""
_CHUNK_BYTES = 1 * _MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What lies in a bundle's folder."""

    digests: dict[str, Digest]
    """SHA-256 of every regular file that was read, by relative POSIX path."""
    contents: dict[str, bytes]
    """The bytes of the files that are parsed, as they were hashed."""
    findings: tuple[Finding, ...]
    """`layout.*` and `read.*`, in the order of the walk."""
    foreign: tuple[str, ...] = ()
    """Paths that no bundle has, whose files were not read."""
    marks: Mapping[str, Mark] | None = None
    """What every entry looked like as it was read, by path, for a second look; None where the walk
    was given up."""

    @property
    def listed(self) -> dict[str, Digest]:
        """The digests of the files that a manifest lists."""
        return {
            path: digest
            for path, digest in self.digests.items()
            if path != MANIFEST and not path.startswith(f"{ATTESTATIONS}/")
        }

    @property
    def bundles(self) -> tuple[str, ...]:
        """The folders below that have a manifest of their own."""
        return tuple(
            path.removesuffix(f"/{MANIFEST}")
            for path in sorted(self.foreign)
            if path.endswith(f"/{MANIFEST}")
        )

    @property
    def keys(self) -> dict[Digest, str]:
        """{SPKI digest that it is named after: path} of the signers' public keys."""
        return {Digest(found[1]): found[0] for found in _matches(_KEY_FILE, self.contents)}

    @property
    def reproductions(self) -> list[NamedReproduction]:
        """The reproduction statements, by path."""
        return [
            NamedReproduction(path=found[0], key=Digest(found[1]), manifest=Digest(found[2]))
            for found in _matches(_REPRODUCTION_FILE, self.contents)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReproduction:
    """What the name of a reproduction statement's file says."""

    path: str
    key: Digest
    """SPKI digest of the key that signed it."""
    manifest: Digest
    """Of the reproduction's own bundle."""


def key_path(key: Digest) -> str:
    """Return where a signer's public key lies."""
    return f"{KEYS}/{key}.pem"


def reproduction_path(key: Digest, manifest: Digest) -> str:
    """Return where the statement of a key about the reproduction with that manifest lies."""
    return f"{REPRODUCTIONS}/{key}-{manifest}.sigstore.json"


def may_have(path: str) -> bool:
    """Return whether there are bundles with a file of that name."""
    return _limit(path) is not None or _LOG.fullmatch(path) is not None


def max_addition_bytes(path: str) -> int | None:
    """Return how large a file may be that is added later at a path; None where none may be."""
    may_be = path == TIMESTAMP or path.startswith((f"{KEYS}/", f"{REPRODUCTIONS}/"))
    return _limit(path) if may_be else None


class _Walk:
    """The walk in progress: what was found so far."""

    def __init__(self) -> None:
        self.digests: dict[str, Digest] = {}
        self.contents: dict[str, bytes] = {}
        self.findings: list[Finding] = []
        self.foreign: list[str] = []
        self.marks: dict[str, Mark] = {}
        self.seen = 0
        self.bytes = 0
        self.additions: Counter[str] = Counter()
        self.stopped = False

    def complain(self, code: str, path: str, sentence: str) -> None:
        self.findings.append(Finding(code, f"{path}: {sentence}"))

    def enter(self, prefix: str, folders: list[str], files: list[str], descriptor: int) -> None:
        """Look at all entries of one folder but the folders in it, whose turn comes later."""
        self.marks[prefix] = mark_of(os.fstat(descriptor))
        if prefix.count("/") >= MAX_DEPTH:
            self.stop(prefix, f"folders are nested deeper than {MAX_DEPTH}")
            return
        if not folders and not files:
            self.complain("layout.empty_folder", prefix, "is an empty folder")
        for name in sorted([*folders, *files]):
            path = name if prefix == "." else f"{prefix}/{name}"
            self.seen += 1
            if self.seen > MAX_FILES:
                self.stop(prefix, f"there are more than {MAX_FILES:,} files and folders")
                return
            if name in folders and not _is_link(name, descriptor):
                if name.startswith("."):
                    self.complain("layout.path", path, "the folder is hidden")
                continue
            self.visit(path, name, descriptor)
            if self.stopped:
                return

    def stop(self, path: str, sentence: str) -> None:
        """Give up on a folder that was made to be endless."""
        self.stopped = True
        self.complain("layout.bounds", path, f"{sentence}; the rest was not looked at")

    def visit(self, path: str, name: str, folder: int) -> None:
        """Look at one entry that is not a folder; read it where it is a regular file."""
        try:
            before = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            self.complain("read.swapped", path, "was removed while the folder was being read")
            return
        self.marks[path] = mark_of(before)
        # Asked before it is opened: opening a FIFO or a device is an act of its own.
        if not stat.S_ISREG(before.st_mode):
            self.complain("layout.kind", path, f"is {_kind(before.st_mode)}, not a regular file")
            return
        if problem := path_problem(path):
            self.complain("layout.path", path, f"the path {problem}")
            return
        if path.startswith(f"{ATTESTATIONS}/") and _limit(path) is None:
            self.complain("layout.extra", path, "no such attestation is known")
            return
        if path.startswith((f"{KEYS}/", f"{REPRODUCTIONS}/")):
            self.additions[path.rpartition("/")[0]] += 1
            if max(self.additions.values()) > MAX_REPRODUCTIONS:
                self.complain("layout.bounds", path, f"one of more than {MAX_REPRODUCTIONS}")
                return
        self._open(path, name, folder, before)

    def _open(self, path: str, name: str, folder: int, before: os.stat_result) -> None:
        """Open a file that may be there by its name, and read it if it is the one looked at."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            self.complain("read.unreadable", path, f"can't be read: {error.strerror}")
            return
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (a descriptor, no path)
            opened = os.fstat(descriptor)
            self.marks[path] = mark_of(opened)
            # The kind again: a file system may give the number of a file just removed to a FIFO.
            if not os.path.samestat(before, opened) or not stat.S_ISREG(opened.st_mode):
                self.complain("read.swapped", path, "was swapped while it was being opened")
            elif opened.st_nlink != 1:
                self.complain("layout.hard_link", path, "has another name (a hard link)")
            elif not may_have(path):
                self.foreign.append(path)
            # Asked before a byte is read: a file with holes takes no room, and long to hash.
            elif opened.st_size > (limit := _limit(path) or MAX_FILE_BYTES):
                self._complain_of_size(path, limit)
            elif self.bytes + opened.st_size > MAX_BYTES:
                self.stop(".", f"the files are of more than {MAX_BYTES:,} bytes together")
            else:
                self._read(path, file.read)

    def _complain_of_size(self, path: str, limit: int) -> None:
        self.complain("read.size", path, f"is larger than {limit:,} bytes")

    def _read(self, path: str, read: Callable[[int], bytes]) -> None:
        limit = _limit(path)
        hasher = hashlib.sha256()
        kept: list[bytes] = []
        size = 0
        while chunk := read(_CHUNK_BYTES):
            size += len(chunk)
            self.bytes += len(chunk)
            # Again, for it may have grown since.
            if size > (limit or MAX_FILE_BYTES):
                self._complain_of_size(path, limit or MAX_FILE_BYTES)
                return
            hasher.update(chunk)
            if limit is not None:
                kept.append(chunk)
        self.digests[path] = Digest(hasher.hexdigest())
        if limit is not None:
            self.contents[path] = b"".join(kept)


def read_tree(root: Path) -> Tree:
    """Read every file under `root` once.

    Symbolic links are not followed, not even by a folder swapped in during the walk: each entry is
    opened relative to its folder's descriptor.

    Raises:
        InputError: `root` is not a folder, or can't be read.
    """
    if not root.is_dir():
        raise InputError(
            f"{root}: a bundle is a folder, and there is none",
            mend=f"`specseal pull {root}` makes a folder of an archive, and verifies it"
            if root.is_file()
            else "",
        )
    walk = _Walk()
    top = root.resolve()
    try:
        for folder, folders, files, descriptor in os.fwalk(top, onerror=_fail):
            walk.enter(os.path.relpath(folder, top), folders, files, descriptor)
            if walk.stopped:
                break
    except OSError as error:
        raise InputError(f"{root}: can't be read: {error.strerror} ({error.filename})") from error
    _check_attestations(walk)
    return Tree(
        digests=walk.digests,
        contents=walk.contents,
        findings=tuple(walk.findings),
        foreign=tuple(walk.foreign),
        marks=None if walk.stopped else walk.marks,
    )


def _check_attestations(walk: _Walk) -> None:
    for path in (MANIFEST, RESULT_ATTESTATION, PROVENANCE_ATTESTATION):
        if path not in walk.contents:
            walk.complain("layout.missing", path, "missing, or not readable as a regular file")
    keys = {found[1] for found in _matches(_KEY_FILE, walk.contents)}
    reproducers = {found[1] for found in _matches(_REPRODUCTION_FILE, walk.contents)}
    for key in sorted(reproducers - keys):
        walk.complain("layout.keys", key_path(Digest(key)), "missing; a reproduction names it")
    # The signer of the result may have reproduced it, too: then no key is the result's alone.
    others = len(keys - reproducers)
    if others > 1 or not keys:
        walk.complain("layout.keys", KEYS, f"expected one public key, found {others}")


def _matches(pattern: re.Pattern[str], paths: Iterable[str]) -> list[re.Match[str]]:
    return [found for path in sorted(paths) if (found := pattern.fullmatch(path))]


def _limit(path: str) -> int | None:
    if _KEY_FILE.fullmatch(path):
        return _MAX_KEY_BYTES
    if _REPRODUCTION_FILE.fullmatch(path):
        return _MAX_REPRODUCTION_BYTES
    return MAX_PARSED_BYTES.get(path)


def _fail(error: OSError) -> None:
    raise error


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "something unknown")
