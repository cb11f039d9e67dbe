"""A folder as a source: looked at no further than a bundle may go, and never taken for another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from specseal.delivery import FolderSource, Limits
from specseal.errors import InputError, VerificationFailed


def limits(asked: Callable[[str], object], *, max_files: int = 10) -> Limits:
    """What a folder may hold; `asked` is told each path of which it is asked whether it may be."""

    def path_problem(path: str) -> None:
        asked(path)

    return Limits(
        max_files=max_files,
        max_bytes=1000,
        max_file_bytes=lambda path: 100,
        path_problem=path_problem,
    )


@pytest.mark.parametrize("name", ["nothing", "file", "dangling"])
def test_what_is_no_folder_is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"{name}: a bundle is a folder, and there is none"):
        FolderSource(tmp_path / name, limits(str))


def test_walk_ends_where_there_are_more_files_than_any_bundle_has(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"")
    asked: list[str] = []
    with pytest.raises(VerificationFailed, match="has more than 2 files"):
        FolderSource(tmp_path, limits(asked.append, max_files=2))
    assert asked == ["folder"]
    found = FolderSource(tmp_path, limits(asked.append, max_files=3))
    assert [entry.path for entry in found.entries] == ["0", "1", "2"]
    assert "folder/below" in asked


def test_file_that_becomes_a_folder_while_it_is_looked_at_is_refused_and_not_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")

    def swap(path: str) -> None:
        # Of folders it is asked first, when the names of all that is there have been read.
        (tmp_path / "file").unlink()
        (tmp_path / "file").mkdir()

    with pytest.raises(VerificationFailed, match="'file': is not a regular file"):
        FolderSource(tmp_path, limits(swap))
