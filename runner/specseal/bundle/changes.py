"""Whether a folder is still what it was when it was read: a second look, which reads no file.

In: a folder, and what was noted of every entry in it as it was read. Out: the first thing that is
not so any more. It costs a look at each entry, whatever their sizes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from specseal.bundle.findings import Finding
from specseal.errors import InputError

Mark = tuple[int, ...]
"""Device, inode, kind and mode; of what is no folder also its size, and when its contents and
anything of it changed last."""


def mark_of(found: os.stat_result) -> Mark:
    """Return what tells an entry from another in its place, and from itself once it is changed."""
    place = (found.st_dev, found.st_ino, found.st_mode)
    if stat.S_ISDIR(found.st_mode):
        return place  # what is in it has marks of its own, which tell what was changed by name
    # The time of any change (ctime) is the kernel's: unlike the other, nobody may set it back.
    return (*place, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def find_change(root: Path, marks: Mapping[str, Mark]) -> Finding | None:
    """Return a finding that names something changed, added or removed; None where nothing was.

    The bytes that were read hold or not, whatever lies there now. But whoever is told yes goes on
    with the folder, and it has been another one since.

    Args:
        root: the folder.
        marks: of every entry that was there, by relative POSIX path; of `root` itself as `.`.

    Raises:
        InputError: the folder can't be read, though it is there.
    """
    path = _first_change(root, marks)
    if path is None:
        return None
    return Finding(
        "read.changed",
        f"the bundle's files changed while they were read, {path} for one; verify again",
    )


def _first_change(root: Path, marks: Mapping[str, Mark]) -> str | None:
    left = dict(marks)
    try:
        for path, mark in _entries(root.resolve()):
            # The first one ends it, so a folder that was made endless meanwhile is not walked.
            if left.pop(path, None) != mark:
                return path
    except (FileNotFoundError, NotADirectoryError) as error:
        return str(error.filename or ".")
    except OSError as error:
        raise InputError(f"{root}: can't be read: {error.strerror} ({error.filename})") from error
    return next(iter(left), None)


def _entries(top: Path) -> Iterator[tuple[str, Mark]]:
    for folder, folders, files, descriptor in os.fwalk(top, onerror=_fail):
        prefix = os.path.relpath(folder, top)
        yield prefix, mark_of(os.fstat(descriptor))
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            # A folder has its turn when it is entered; a link to one never is.
            if not stat.S_ISDIR(found.st_mode):
                yield name if prefix == "." else f"{prefix}/{name}", mark_of(found)


def _fail(error: OSError) -> None:
    raise error
