"""Faults must end well: one clear message, the right exit code, nothing measured twice or lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.conftest import Place, stop

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
    kept = place.finished_jobs()
    code, said = stop(process, number)
    assert code == 4
    assert "error: interrupted" in said
    assert not engines_left()
    goes_on(place, "native", kept)


def test_the_container_engine_stopped_in_mid_run(place: Place, own_docker: OwnDocker) -> None:
    place.environment["SPECSEAL_DOCKER_HOST"] = own_docker.start()
    process = place.start("run", "tiny.yaml", "--runtime", "docker")
    place.wait_for_jobs(1, process)
    kept = place.finished_jobs()
    own_docker.stop()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    assert "the container engine stopped answering" in said
    own_docker.start()
    goes_on(place, "docker", kept)


def test_a_full_disk(place: Place) -> None:
    runs = place.folder / "runs"
    runs.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(runs)], check=True)
    try:
        done = place.call("run", "tiny.yaml", "--runtime", "native")
        assert done.returncode == 4, done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert not place.bundles()
        assert not place.finished_jobs()
        kept = place.finished_jobs()
        subprocess.run(["mount", "-o", "remount,size=64m", str(runs)], check=True)
        done = place.call("run", "tiny.yaml", "--runtime", "native")
        assert done.returncode == 0, done.stderr
        assert kept.items() <= place.finished_jobs().items()
    finally:
        subprocess.run(["umount", str(runs)], check=True)


def test_a_second_run_at_the_same_time(place: Place) -> None:
    process = place.start("run", "tiny.yaml", "--runtime", "native")
    place.wait_for_jobs(1, process)
    second = place.call("run", "tiny.yaml", "--runtime", "native")
    assert second.returncode == 4
    assert "another specseal run of tiny is under way" in second.stderr
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(place.bundles()) == 1


def test_a_lock_that_does_not_match_its_spec(place: Place) -> None:
    assert place.call("lock", "tiny.yaml", "--runtime", "native").returncode == 0
    place.spec.write_text(place.spec.read_text().replace("max_tokens: 24", "max_tokens: 25"))
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
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        socket = f"unix://{self._folder}/docker.sock"
        command = [
            "dockerd", "--host", socket, "--data-root", str(self._folder / "data"),
            "--exec-root", str(self._folder / "exec"), "--pidfile", str(self._folder / "pid"),
            "--bridge", "none", "--iptables=false",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(300):
            asked = ["docker", "--host", socket, "version"]
            if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
                return socket
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        raise AssertionError("the test's own Docker Engine does not answer")

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)
        self._process = None

    def close(self) -> None:
        if self._process is not None:
            self.stop()


@pytest.fixture
def own_docker(tmp_path: Path, docker_client: object) -> Iterator[OwnDocker]:
    if shutil.which("dockerd") is None or os.getuid() != 0:
        pytest.skip("a Docker Engine of the test's own needs dockerd and root")
    folder = tmp_path / "docker"
    folder.mkdir()
    engine = OwnDocker(folder)
    yield engine
    engine.close()
