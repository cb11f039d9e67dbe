"""Where a parcel arrives: a hidden folder beside its target, until somebody has verified it.

    .NAME.in-progress/
        bundle/    what has come and checks out
        part       the file that is coming

A process that is killed leaves that folder and nothing else. The next one goes on in it: a file
that is there with the right digest is not fetched again, and whatever else is there is removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from specseal.atomic import refuse_existing, sync, sync_tree
from specseal.delivery.parcel import Entry, Limits, Source, check_entries, copy_checked
from specseal.digests import sha256_file
from specseal.errors import InputError, MachineLacks, SpecsealError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)
"""What opening something else than a folder, or a link to one, fails with."""


class Landing:
    """The in-progress folder of a target, held by one process at a time.

    Args:
        target: the folder that is to appear, which must not be there yet; those above are made.

    Raises:
        InputError: there is something at the target already, or what lies in the place of the
            in-progress folder is not this user's own: it may have come with somebody's files.
        MachineLacks: another process is at work there.
        OSError: the folder can't be made.
    """

    def __init__(self, target: Path) -> None:
        refuse_existing(target)
        self.target = target
        self.folder = target.with_name(f".{target.name}.in-progress")
        self.tree = self.folder / "bundle"
        self.kept = 0
        """How many files were there already."""
        self.origin = ""
        """What errors call the place that it was all taken from."""
        self._descriptor = -1

    def __enter__(self) -> Landing:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Whoever held it may remove it between the look and the lock: then there is a new one.
        while not self._hold():
            pass
        return self

    def _hold(self) -> bool:
        """Open the folder and lock it; return whether it is still there under its name."""
        with suppress(FileExistsError):
            # Nobody else's to write in, so that what was verified is what is renamed.
            self.folder.mkdir(mode=0o700)
        try:
            self._descriptor = os.open(self.folder, _FOLDER)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            raise self._not_ours("is no folder") from error
        try:
            # Given back by the kernel, however the process ends.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = self._is_there()
            if held:
                self._check_own()
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise MachineLacks(
                f"{self.target}: another process is bringing it here",
                mend="wait for it to end",
            ) from error
        except BaseException:
            os.close(self._descriptor)
            raise
        if not held:
            os.close(self._descriptor)
        return held

    def _is_there(self) -> bool:
        try:
            there = self.folder.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def _check_own(self) -> None:
        """Refuse a folder that somebody else has prepared, or may change meanwhile."""
        found = os.fstat(self._descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise self._not_ours("belongs to another user, or others may write in it")
        try:
            os.close(os.open(self.tree.name, _FOLDER, dir_fd=self._descriptor))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            raise self._not_ours(f"has a {self.tree.name!r} that is no folder") from error

    def _not_ours(self, sentence: str) -> InputError:
        return InputError(
            f"{self.folder}: {sentence}, so it is not what an earlier attempt left here",
            mend="see where it comes from, remove it, and run the command again",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def take(self, source: Source, limits: Limits) -> None:
        """Make the tree hold what the source has, and nothing else.

        Raises:
            VerificationFailed: the listing or a file is not what it must be.
            SpecsealError: the source fails.
            OSError: a file can't be written.
        """
        self.origin = source.name
        check_entries(source.name, source.entries, limits)
        self.tree.mkdir(exist_ok=True)
        arrived = self._keep({entry.path: entry for entry in source.entries})
        self.kept = len(arrived)
        for entry in source.entries:
            if entry.path not in arrived:
                self._receive(source, entry)

    def add(self, source: Source, limits: Limits) -> tuple[Entry, ...]:
        """Take a source's files beside those that are there, all or none, and return what is new.

        A file that is there already, with the same bytes, is left alone. Raises: as `take`.
        """
        there = {path.relative_to(self.tree).as_posix(): path for path in _files(self.tree)}
        new = tuple(
            entry
            for entry in source.entries
            if entry.path not in there or sha256_file(there[entry.path]) != entry.sha256
        )
        # Nothing may replace what is there, so that no more is ever removed than was added.
        check_entries(source.name, new, limits, beside=there)
        try:
            for entry in new:
                self._receive(source, entry)
        except SpecsealError:
            self.remove(new)
            raise
        return new

    def remove(self, entries: Iterable[Entry]) -> None:
        """Take files that were added out again, and folders that this empties."""
        for entry in entries:
            path = self.tree / entry.path
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, self.tree)

    def settle(self) -> None:
        """Give the tree its final name, every byte of it on disk.

        Raises:
            InputError: something has appeared there meanwhile.
            OSError: it can't be renamed.
        """
        sync_tree(self.tree)
        refuse_existing(self.target)
        self.tree.rename(self.target)
        sync(self.target.parent)
        self.discard()

    def discard(self) -> None:
        """Remove all that has come."""
        shutil.rmtree(self.folder)

    def _keep(self, wanted: dict[str, Entry]) -> set[str]:
        """Return the paths of files that are there as they should be; remove all else."""
        arrived = set()
        for path in _files(self.tree):
            relative = path.relative_to(self.tree).as_posix()
            entry = wanted.get(relative)
            good = entry is not None and path.is_file() and not path.is_symlink()
            if good and sha256_file(path) == wanted[relative].sha256:
                arrived.add(relative)
            else:
                path.unlink()
        for folder, _, _ in os.walk(self.tree, topdown=False):
            _remove_empty(Path(folder), self.tree)
        return arrived

    def _receive(self, source: Source, entry: Entry) -> None:
        """Fetch one file, and put it into the tree if it is what it should be."""
        part = self.folder / "part"
        part.unlink(missing_ok=True)
        with part.open("xb") as file:
            # Forced to disk by `settle`: what a power cut leaves broken here is fetched again.
            copy_checked(source, entry, file.write)
        target = self.tree / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)


def refuse_within(path: Path, folder: Path) -> None:
    """Refuse a target that is a folder, or lies in it: what is written there would change it.

    Raises:
        InputError: it is so.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path}: lies in the bundle {folder}, which holds only what was signed",
            mend="name a place outside it",
        )


def _files(tree: Path) -> list[Path]:
    """Return all below a folder that is not a folder itself; links are not followed."""
    found = []
    for folder, folders, files in os.walk(tree):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in (*files, *links)]
    return found


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
