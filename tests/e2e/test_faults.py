"""Faults must end well: one clear message, the right exit code, nothing measured twice or lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import lacking
from e2e.conftest import Place, stop
from specseal.errors import MachineLacks
from specseal.runtimes import connect
from specseal.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def goes_on(place: Place, runtime: str, kept: dict[str, int]) -> None:
    """Run again: it ends well, and jobs that had finished were not measured again."""
    assert not place.bundles()
    done = place.call("run", "tiny.yaml", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} finished jobs are kept" in done.stderr
    assert kept.items() <= place.finished_jobs().items()
    assert len(place.runs()) == 1
    assert len(place.bundles()) == 1


def test_specseal_killed_in_mid_run(
    place: Place, runtime: str, engines_left: Callable[[], list[str]]
) -> None:
    process = place.start("run", "tiny.yaml", "--runtime", runtime)
    place.wait_for_jobs(1, process)
    stop(process, signal.SIGKILL)
    kept = place.finished_jobs()
    goes_on(place, runtime, kept)
    assert not engines_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_mid_run(
    number: signal.Signals, place: Place, engines_left: Callable[[], list[str]]
) -> None:
    process = place.start("run", "tiny.yaml", "--runtime", "native")
    place.wait_for_jobs(1, process)
    code, said = stop(process, number)
    kept = place.finished_jobs()
    assert code == 4
    assert "error: interrupted" in said
    assert not engines_left()
    goes_on(place, "native", kept)


@pytest.mark.docker
def test_the_container_engine_stopped_in_mid_run(
    place: Place, own_docker: OwnDocker, site: Settings
) -> None:
    place.environment["SPECSEAL_DOCKER_HOST"] = own_docker.address
    own_docker.start(site)
    process = place.start("run", "tiny.yaml", "--runtime", "docker")
    place.wait_for_jobs(1, process)
    own_docker.stop()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    assert "the container engine stopped answering" in said
    kept = place.finished_jobs()
    own_docker.start(site)
    goes_on(place, "docker", kept)


@pytest.fixture
def small_disk(place: Place) -> Iterator[Path]:
    """The folder of runs on a disk of its own, of 4 MiB; mounting needs root."""
    runs = place.folder / "runs"
    runs.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(runs)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        lacking("a small disk can't be mounted by this user")
    yield runs
    subprocess.run(["umount", str(runs)], check=True)


def test_a_full_disk(place: Place, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    left = 40_000  # enough to begin a job, not to end it
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 4, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not place.finished_jobs()
    assert len(place.runs()) == 1
    ballast.unlink()
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 0, done.stderr
    assert len(place.runs()) == 1
    assert len(place.bundles()) == 1


def test_a_second_run_at_the_same_time(place: Place) -> None:
    process = place.start("run", "tiny.yaml", "--runtime", "native")
    place.wait_for_jobs(1, process)
    second = place.call("run", "tiny.yaml", "--runtime", "native")
    assert second.returncode == 4
    assert "another specseal is measuring on this machine" in second.stderr
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(place.bundles()) == 1


def test_a_lock_that_does_not_match_its_spec(place: Place) -> None:
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    place.spec.write_text(place.spec.read_text().replace("max_tokens: 16", "max_tokens: 17"))
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 2
    assert "was not made from this spec" in done.stderr
    checked = place.call("lock", "--check", "tiny.yaml", "--runtime", "native")
    assert checked.returncode == 1
    assert "sampling.max_tokens" in checked.stderr


@pytest.fixture
def model_beside_spec(place: Place, model_folder: Path) -> Path:
    model = place.folder / "model.gguf"
    shutil.copyfile(next(model_folder.glob("*.gguf")), model)
    start, end = place.spec.read_text().split("model:\n")
    rest = end[end.index("drafter:") :]
    place.spec.write_text(f"{start}model: {{source: path, path: model.gguf}}\n{rest}")
    return model


def test_a_model_altered_after_locking(place: Place, model_beside_spec: Path) -> None:
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    with model_beside_spec.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 2, done.stderr
    assert "model.gguf" in done.stderr
    assert not place.runs()


def test_an_altered_lock(place: Place) -> None:
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    lock = place.folder / "tiny.lock.json"
    lock.write_bytes(lock.read_bytes()[:-40])
    done = place.call("run", "tiny.yaml", "--runtime", "native")
    assert done.returncode == 2
    assert "tiny.lock.json: not JSON" in done.stderr


class OwnDocker:
    """A Docker Engine of the test's own, to be stopped in mid-run."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix://{folder}/socket"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, site: Settings) -> None:
        # In a network namespace of its own: an engine without a bridge deletes `docker0` where it
        # runs, and with it the network of this machine's own engine.
        command = [
            "unshare", "--net", "dockerd",
            "--host", self.address, "--data-root", str(self._folder / "data"), "--exec-root", str(self._folder / "exec"),
            "--pidfile", str(self._folder / "pid"), "--bridge", "none", "--iptables=false",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(600):
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                connect(replace(site, docker_host=self.address)).close()
            except MachineLacks:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the test's own Docker Engine does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(120)
            self._process = None


@pytest.fixture
def own_docker(docker_client: object) -> Iterator[OwnDocker]:
    if shutil.which("dockerd") is None or os.getuid() != 0:
        lacking("a Docker Engine of the test's own needs dockerd and root")
    # Not in tmp_path: the path of containerd's socket may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    engine = OwnDocker(folder)
    yield engine
    engine.stop()
    shutil.rmtree(folder)
