from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from locks import make_lock
from specseal.errors import RunFailed
from specseal.runfolder import BUNDLE, alone, begin, earlier, unfinished
from specseal.spec.locked import Lock


@pytest.fixture
def lock() -> Lock:
    return make_lock()


def test_a_run_without_a_bundle_is_gone_on_with(tmp_path: Path, lock: Lock) -> None:
    run = begin(tmp_path, lock, "native")
    assert unfinished(tmp_path, lock, "native") == run


def test_a_run_with_a_bundle_is_finished(tmp_path: Path, lock: Lock) -> None:
    (begin(tmp_path, lock, "native").path / BUNDLE).mkdir()
    assert unfinished(tmp_path, lock, "native") is None


def test_a_run_of_another_lock_or_runtime_is_not_gone_on_with(tmp_path: Path, lock: Lock) -> None:
    begin(tmp_path, lock, "native")
    assert unfinished(tmp_path, lock, "docker") is None
    assert unfinished(tmp_path, make_lock(points={"seed": 2}), "native") is None


def test_runs_of_every_name_are_looked_at_and_only_those(tmp_path: Path, lock: Lock) -> None:
    home = tmp_path / "one"
    run = begin(home, lock, "native")
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray" / "run.json").write_text("{")
    (tmp_path / "old" / "20200101T000000Z-12345678").mkdir(parents=True)
    (tmp_path / "old" / "20200101T000000Z-12345678" / "run.json").write_text('{"was": "other"}')
    assert earlier(tmp_path, lock, "native") == (run.path,)


def sealed(home: Path, lock: Lock, *, failed: bool = False) -> Path:
    path = begin(home, lock, "native").path
    (path / BUNDLE).mkdir()
    if failed:
        (path / "jobs" / "01-r1-none-12345678").mkdir(parents=True)
        (path / "jobs" / "01-r1-none-12345678" / "failed.json").touch()
    return path


def test_the_first_run_takes_nothing_over(tmp_path: Path, lock: Lock) -> None:
    assert earlier(tmp_path, lock, "native") == ()


def test_a_run_of_another_lock_is_where_a_new_one_looks_for_finished_jobs(
    tmp_path: Path, lock: Lock
) -> None:
    other = sealed(tmp_path / "another", make_lock(points={"seed": 2}))
    assert earlier(tmp_path, lock, "native") == (other,)
    assert earlier(tmp_path, lock, "docker") == ()


def test_to_run_a_lock_again_that_was_measured_whole_is_to_measure_it_again(
    tmp_path: Path, lock: Lock
) -> None:
    sealed(tmp_path / "tiny", lock)
    assert earlier(tmp_path, lock, "native") == ()


def test_what_finished_beside_a_failed_job_is_taken_over(tmp_path: Path, lock: Lock) -> None:
    run = sealed(tmp_path / "tiny", lock, failed=True)
    assert earlier(tmp_path, lock, "native") == (run,)


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(RunFailed, match="another specseal"), alone(tmp_path):
        pass


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal\n"
        "from specseal.runfolder import alone\n"
        f"with alone(pathlib.Path({str(tmp_path)!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with alone(tmp_path):
        pass
