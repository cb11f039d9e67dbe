"""The folder in which a bundle arrives: what is kept, what is removed, and who may use it."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from specseal.delivery import Entry, Landing, Limits
from specseal.delivery.parcel import check_entries
from specseal.digests import sha256_bytes
from specseal.errors import InputError, MachineLacks, VerificationFailed

LIMITS = Limits(
    max_files=10,
    max_bytes=1000,
    max_file_bytes=lambda path: 10 if path == "small" else 500,
    path_problem=lambda path: "climbs" if ".." in path else None,
)


class Files:
    """A source of a few files, which remembers what it was asked for."""

    def __init__(self, files: dict[str, bytes], *, digests: bool = True) -> None:
        self.name = "the source"
        self.files = dict(files)
        self.entries = tuple(
            Entry(path=path, size_bytes=len(data), sha256=sha256_bytes(data) if digests else None)
            for path, data in files.items()
        )
        self.asked: list[str] = []

    def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
        self.asked.append(entry.path)
        for start in range(0, len(self.files[entry.path]), 2):
            write(self.files[entry.path][start : start + 2])


FILES = {"a": b"one", "b/c": b"two", "b/d": b""}


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_has_settled_is_there_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "new" / "bundle"
    with Landing(target) as landing:
        landing.take(Files(FILES), LIMITS)
        assert not target.exists()
        landing.settle()
    assert content(target) == FILES
    assert names_in(target.parent) == ["bundle"]


def test_what_has_not_settled_is_under_no_name_that_could_be_taken_for_it(tmp_path: Path) -> None:
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
    assert names_in(tmp_path) == [".bundle.in-progress"]


def test_second_attempt_fetches_only_what_has_not_come(tmp_path: Path) -> None:
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files({"a": FILES["a"], "b/c": FILES["b/c"]}), LIMITS)
    source = Files(FILES)
    with Landing(tmp_path / "bundle") as landing:
        landing.take(source, LIMITS)
        assert (source.asked, landing.kept) == (["b/d"], 2)


def test_what_lies_there_and_is_not_wanted_or_not_right_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"one")
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
        (landing.tree / "a").unlink()
        (landing.tree / "a").symlink_to(tmp_path / "elsewhere")
        (landing.tree / "b" / "c").write_bytes(b"tw0")
        (landing.tree / "extra" / "deep").mkdir(parents=True)
        (landing.tree / "extra" / "file").write_bytes(b"")
        (landing.tree / "link").symlink_to(tmp_path, target_is_directory=True)
        (landing.folder / "part").write_bytes(b"half")
    source = Files(FILES)
    with Landing(tmp_path / "bundle") as landing:
        landing.take(source, LIMITS)
        assert source.asked == ["a", "b/c"]
        landing.settle()
    assert content(tmp_path / "bundle") == FILES
    assert not (tmp_path / "bundle" / "a").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"one"


@pytest.mark.parametrize("kind", [stat.S_IFSOCK, stat.S_IFIFO])
def test_what_lies_there_in_place_of_a_file_is_replaced_and_not_read(
    tmp_path: Path, kind: int
) -> None:
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
        (landing.tree / "a").unlink()
        os.mknod(landing.tree / "a", kind | 0o600)
    source = Files(FILES)
    with Landing(tmp_path / "bundle") as landing:
        landing.take(source, LIMITS)
        assert source.asked == ["a"]
        assert content(landing.tree) == FILES


def test_file_of_which_the_source_tells_no_digest_is_fetched_again(tmp_path: Path) -> None:
    for _ in range(2):
        source = Files(FILES, digests=False)
        with Landing(tmp_path / "bundle") as landing:
            landing.take(source, LIMITS)
        assert source.asked == list(FILES)


@pytest.mark.parametrize(
    ("said", "sent", "message"),
    [
        (b"same size", b"some size", "a: the bytes that came are of SHA-256 [0-9a-f]{64}, not of"),
        (b"longer", b"short", "a: 5 bytes came of 6"),
        (b"short", b"longer", "a: is larger than it says"),
    ],
)
def test_file_that_is_not_what_was_said_is_refused_and_not_put_into_the_tree(
    tmp_path: Path, said: bytes, sent: bytes, message: str
) -> None:
    source = Files({"a": said})
    source.files["a"] = sent
    with Landing(tmp_path / "bundle") as landing:
        with pytest.raises(VerificationFailed, match=message):
            landing.take(source, LIMITS)
        assert content(landing.tree) == {}


def test_endless_file_is_given_up_at_its_size(tmp_path: Path) -> None:
    class Endless(Files):
        def copy(self, entry: Entry, write: Callable[[bytes], object]) -> None:
            while True:
                write(b"x" * 100)

    with (
        Landing(tmp_path / "bundle") as landing,
        pytest.raises(VerificationFailed, match="larger than it says"),
    ):
        landing.take(Endless({"a": b"x" * 150}), LIMITS)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"../a": b""}, "'../a' climbs"),
        ({"a": b"", "A": b""}, "A: two files for one place"),
        ({"a": b"", "a/b": b""}, "a/b: two files for one place"),
        ({"a/b": b"", "A": b""}, "A: two files for one place"),
        ({"a/b": b"", "a/b/c": b""}, "a/b/c: two files for one place"),
        ({"a": b"", "a/b/c": b""}, "a/b/c: two files for one place"),
        ({"a/b/c/d": b"", "a/b": b""}, "a/b: two files for one place"),
        ({"small": b"x" * 11}, "small: is of 11 bytes; 10 are allowed"),
        (dict.fromkeys("abc", b"x" * 400), "more than 1,000 bytes together"),
        ({str(number): b"" for number in range(11)}, "more than 10 files"),
    ],
)
def test_listing_that_no_bundle_has_is_refused_before_anything_is_fetched(
    tmp_path: Path, paths: dict[str, bytes], message: str
) -> None:
    source = Files(paths)
    with (
        Landing(tmp_path / "bundle") as landing,
        pytest.raises(VerificationFailed, match=message),
    ):
        landing.take(source, LIMITS)
    assert source.asked == []


def test_listing_as_large_as_one_may_be_is_taken_to_the_file_and_the_byte() -> None:
    most = [Entry(path=str(number), size_bytes=100) for number in range(LIMITS.max_files)]
    check_entries("it", most, LIMITS)
    check_entries("it", [Entry(path="small", size_bytes=10)], LIMITS)
    with pytest.raises(VerificationFailed, match="more than 1,000 bytes together"):
        check_entries("it", [*most[1:], Entry(path="0", size_bytes=101)], LIMITS)


def test_entry_of_a_negative_size_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="is of -1 bytes"):
        check_entries("it", [Entry(path="a", size_bytes=-1)], LIMITS)


def test_what_is_added_replaces_nothing_and_is_taken_out_alone(tmp_path: Path) -> None:
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
        for name in ("a", "A", "b"):
            with pytest.raises(VerificationFailed, match="two files for one place"):
                landing.add(Files({"new/x": b"1", name: b"2"}), LIMITS)
        assert content(landing.tree) == FILES
        new = landing.add(Files({"new/x": b"1", "a": FILES["a"]}), LIMITS)
        assert [entry.path for entry in new] == ["new/x"]
        landing.remove(new)
        assert content(landing.tree) == FILES
        assert not (landing.tree / "new").exists()


def test_addition_of_which_one_file_is_wrong_leaves_none(tmp_path: Path) -> None:
    source = Files({"x": b"1", "y": b"2"})
    source.files["y"] = b"3"
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
        with pytest.raises(VerificationFailed, match="y: the bytes"):
            landing.add(source, LIMITS)
        assert content(landing.tree) == FILES


def test_target_that_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(InputError, match="there is something already"):
            Landing(tmp_path / name)


def test_target_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
        (tmp_path / "bundle").mkdir()
        with pytest.raises(InputError, match="there is something already"):
            landing.settle()


def test_two_at_once_are_not_let_in(tmp_path: Path) -> None:
    with (
        Landing(tmp_path / "bundle"),
        pytest.raises(MachineLacks, match="another process"),
        Landing(tmp_path / "bundle"),
    ):
        pass
    with Landing(tmp_path / "bundle"):
        pass


@pytest.mark.parametrize("place", [".bundle.in-progress", ".bundle.in-progress/bundle"])
def test_link_in_place_of_the_hidden_folder_or_of_what_is_in_it_is_refused_and_not_followed(
    tmp_path: Path, place: str
) -> None:
    """A folder that was prepared may have come with a clone or an unpacked archive."""
    photo = tmp_path / "home" / "photos" / "one.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"photo")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "home")
    with (
        pytest.raises(InputError, match=r"\.bundle\.in-progress: .*not what an earlier attempt"),
        Landing(tmp_path / "bundle"),
    ):
        pass
    assert content(tmp_path / "home") == {"photos/one.jpg": b"photo"}
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", [".bundle.in-progress", "bundle"])
def test_hidden_folder_that_can_not_be_opened_is_not_said_to_be_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    usual = os.open

    def fail(path: Path | str, flags: int, **more: int) -> int:
        if Path(path).name == name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return usual(path, flags, **more)

    with Landing(tmp_path / "bundle") as landing:
        landing.take(Files(FILES), LIMITS)
    monkeypatch.setattr("os.open", fail)
    with pytest.raises(OSError, match="Too many open files"), Landing(tmp_path / "bundle"):
        pass


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_hidden_folder_in_which_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / ".bundle.in-progress"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InputError, match="others may write"), Landing(tmp_path / "bundle"):
        pass


def test_hidden_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".bundle.in-progress").mkdir(mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(InputError, match="belongs to another user"), Landing(tmp_path / "bundle"):
        pass


def test_hidden_folder_is_nobody_elses_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with Landing(tmp_path / "bundle") as landing:
            assert landing.folder.stat().st_mode & 0o777 == 0o700
            landing.take(Files(FILES), LIMITS)
            landing.settle()
    finally:
        os.umask(before)
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o775


def test_folder_that_its_holder_removed_before_it_was_locked_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Landing(tmp_path / "bundle").__enter__()
    usual = fcntl.flock

    def end_then_lock(descriptor: int, how: int) -> None:
        monkeypatch.setattr("fcntl.flock", usual)
        first.discard()
        first.__exit__(None, None, None)
        usual(descriptor, how)

    monkeypatch.setattr("fcntl.flock", end_then_lock)
    with (
        Landing(tmp_path / "bundle"),
        pytest.raises(MachineLacks, match="another process"),
        Landing(tmp_path / "bundle"),
    ):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from unit.delivery.test_landing import Files, LIMITS, FILES
from specseal.delivery import Landing

class Deadly(Files):
    def copy(self, entry, write):
        if entry.path == "b/c":
            write(b"t")
            os.kill(os.getpid(), signal.SIGKILL)
        super().copy(entry, write)

with Landing(Path(sys.argv[1])) as landing:
    landing.take(Deadly(FILES), LIMITS)
"""


def test_kill_in_the_middle_of_a_file_leaves_nothing_that_looks_whole_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    tests = Path(__file__).parents[2]
    script = [sys.executable, "-c", KILLED, str(tmp_path / "bundle"), str(tests)]
    done = subprocess.run(script, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert names_in(tmp_path) == [".bundle.in-progress"]
    source = Files(FILES)
    with Landing(tmp_path / "bundle") as landing:
        landing.take(source, LIMITS)
        assert source.asked == ["b/c", "b/d"]
        landing.settle()
    assert content(tmp_path / "bundle") == FILES
