"""The content store: what it keeps, what it refuses, and who may use it at once."""

import io
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from specseal.digests import Digest, sha256_bytes
from specseal.errors import LockError, MachineLacks
from specseal.lock.store import Store

CONTENT = b"weights" * 1000


def files_of(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()} - {".lock"}


def test_bytes_a_stream_and_a_file_are_kept_under_the_same_digest(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(CONTENT)
    for number, content in enumerate((CONTENT, io.BytesIO(CONTENT), file)):
        store = Store(tmp_path / f"cache-{number}")
        digest = store.put(content)
        assert digest == sha256_bytes(CONTENT)
        assert store.has(digest)
        assert store.get(digest).read_bytes() == CONTENT


def test_kept_file_is_read_only(tmp_path):
    store = Store(tmp_path)
    assert stat.S_IMODE(store.get(store.put(CONTENT)).stat().st_mode) == 0o444


def test_file_that_was_never_kept_is_refused(tmp_path):
    store = Store(tmp_path)
    digest = sha256_bytes(b"something else")
    assert not store.has(digest)
    with pytest.raises(LockError, match="not in the store"):
        store.get(digest)


def test_digest_that_is_a_path_is_refused(tmp_path):
    for ask in (Store(tmp_path).has, Store(tmp_path).remove):
        with pytest.raises(LockError, match="not a SHA-256 digest"):
            ask(Digest("../../etc/passwd"))


def test_removed_file_is_gone_and_may_be_kept_again(tmp_path):
    store = Store(tmp_path)
    digest = store.put(CONTENT)
    for _ in range(2):  # the second time there is nothing to remove
        store.remove(digest)
    assert not store.has(digest)
    assert store.get(store.put(CONTENT)).read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"!", b""])
def test_file_altered_in_the_store_is_refused_and_removed_by_the_next_process(tmp_path, damage):
    digest = Store(tmp_path).put(CONTENT)
    path = Store(tmp_path).get(digest)
    path.chmod(0o644)
    path.write_bytes(damage)
    with pytest.raises(LockError, match=f"expected sha256 {digest}, found {sha256_bytes(damage)}"):
        Store(tmp_path).get(digest)
    assert not path.exists()


def test_file_replaced_while_the_process_runs_is_hashed_again(tmp_path):
    store = Store(tmp_path)
    path = store.get(store.put(CONTENT))
    path.unlink()
    path.write_bytes(b"x" * len(CONTENT))
    with pytest.raises(LockError, match="altered in the store"):
        store.get(Digest(path.name))


def test_altered_file_is_mended_by_keeping_the_content_again(tmp_path):
    digest = Store(tmp_path).put(CONTENT)
    path = Store(tmp_path).get(digest)
    path.chmod(0o644)
    path.write_bytes(b"damage")
    store = Store(tmp_path)
    store.put(CONTENT)
    assert store.get(digest).read_bytes() == CONTENT


def test_write_that_breaks_off_leaves_nothing(tmp_path):
    class Breaking(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise ValueError("the archive is damaged here")
            return super().read(10)

    with pytest.raises(ValueError, match="damaged"):
        Store(tmp_path).put(Breaking(CONTENT))
    assert files_of(tmp_path) == set()


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    digest = Store(tmp_path).put(CONTENT)
    (tmp_path / "sha256" / ".partial").write_bytes(CONTENT[:100])
    other = Store(tmp_path).put(b"other")
    assert files_of(tmp_path) == {digest, other}


def test_full_disk_is_reported_and_leaves_nothing(tmp_path):
    class Full(io.BytesIO):
        def read(self, size=-1):
            raise OSError(28, "No space left on device")

    with pytest.raises(MachineLacks, match="No space left on device") as caught:
        Store(tmp_path).put(Full())
    assert "cache_dir" in caught.value.mend
    assert files_of(tmp_path) == set()


def test_source_that_is_not_there_is_the_callers_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Store(tmp_path).put(tmp_path / "missing.gguf")


PUT = """
import sys
from pathlib import Path
from specseal.lock.store import Store
for _ in range(5):
    Store(Path(sys.argv[1])).put(b"weights" * 1000)
"""


def test_two_processes_may_keep_the_same_content_at_once(tmp_path):
    command = [sys.executable, "-c", PUT, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert files_of(tmp_path) == {sha256_bytes(CONTENT)}
