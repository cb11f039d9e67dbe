"""Small files, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from specseal.atomic import name_new, write_atomically, write_new
from specseal.errors import InputError


def test_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_atomically(path, data)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("deed", ["fsync", "replace"])
def test_what_lay_there_stays_where_writing_fails(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no space left")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os if deed == "fsync" else Path, deed, fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_is_written_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_new(path, b"first")
    with pytest.raises(InputError, match=r"file: there is something already\n  mend: name another"):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize("deed", ["fsync", "link"])
def test_new_file_that_is_cut_short_leaves_nothing(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, deed, fail)
    with pytest.raises(InputError, match="file: can't be written: No space left on device"):
        write_new(tmp_path / "file", b"all of it")
    assert list(tmp_path.iterdir()) == []


def test_name_that_was_taken_for_a_file_is_given_back_where_the_file_can_not_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    partial = tmp_path / "partial"
    partial.write_text("all of it")
    for deed in ("hardlink_to", "replace"):
        monkeypatch.setattr(Path, deed, fail)
    with pytest.raises(PermissionError):
        name_new(partial, tmp_path / "file")
    assert list(tmp_path.iterdir()) == [partial]


def test_new_file_that_can_not_be_written_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written: No such file or directory"):
        write_new(tmp_path / "none" / "file", b"")


@pytest.mark.parametrize("links", [True, False])
def test_name_is_given_once_with_hard_links_and_without(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", fail)
    for text in ("first", "second"):
        (tmp_path / text).write_text(text)
    name_new(tmp_path / "first", tmp_path / "file")
    with pytest.raises(InputError, match="file: there is something already"):
        name_new(tmp_path / "second", tmp_path / "file")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "file": "first", "second": "second"
    }  # fmt: skip
