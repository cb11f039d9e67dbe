"""The archive that we write: always the same, and one that others' tools read."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from attacks.builder import GoodBundle
from specseal.delivery import ArchiveSource, FolderSource, write_archive
from specseal.errors import InputError
from specseal.pull import bundle_limits


def packed(folder: Path) -> bytes:
    source = FolderSource(folder, bundle_limits())
    target = io.BytesIO()
    write_archive(source, source.entries, target)
    return target.getvalue()


def test_same_bundle_is_the_same_archive_whatever_its_times_modes_and_place(
    good: GoodBundle, bundle: Path
) -> None:
    for path in bundle.rglob("*"):
        os.utime(path, (time.time() - 10**6,) * 2)
        if path.is_file():
            path.chmod(0o600)
    assert packed(bundle) == packed(good.path)


def test_archive_holds_the_files_as_they_are(good: GoodBundle, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed(good.path))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist())
        for info in archive.infolist():
            assert archive.read(info) == (good.path / info.filename).read_bytes()
            assert (info.compress_type, info.date_time[0]) == (zipfile.ZIP_STORED, 1980)
            assert (info.create_system, info.external_attr >> 16) == (3, stat.S_IFREG | 0o644)
    found = sum(len(files) for _, _, files in os.walk(good.path))
    assert len(archive.namelist()) == found


def test_pythons_own_command_unpacks_it(good: GoodBundle, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(packed(good.path))
    command = [sys.executable, "-m", "zipfile", "-e", str(tmp_path / "a.zip"), str(tmp_path / "x")]
    subprocess.run(command, check=True)
    assert good.verify(tmp_path / "x").trusted


def test_our_reader_gives_back_what_was_written(good: GoodBundle, tmp_path: Path) -> None:
    data = packed(good.path)
    source = ArchiveSource(tmp_path / "a.zip", io.BytesIO(data), bundle_limits())
    folder = FolderSource(good.path, bundle_limits())
    assert source.entries == folder.entries
    for entry in source.entries:
        pieces: list[bytes] = []
        source.copy(entry, pieces.append)
        assert b"".join(pieces) == (good.path / entry.path).read_bytes()


def test_bundle_too_large_for_a_plain_zip_file_is_refused_with_where_to_bring_it(
    good: GoodBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    with pytest.raises(InputError, match="over 2 GiB") as caught:
        packed(good.path)
    assert "registry" in caught.value.mend
