"""One suite over both runtimes, with the real engine and the real client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from docker.errors import NotFound

from conftest import needed
from smalljob import write_job
from specseal import owner
from specseal.errors import RunFailed
from specseal.lock import Draft
from specseal.programs import Programs, make_ready
from specseal.records import read_records, read_snapshots, read_status
from specseal.runtimes import JobRun, Progress
from specseal.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MakeJob = Callable[..., JobRun]


@pytest.fixture(scope="module", params=["native", pytest.param("docker", marks=pytest.mark.docker)])
def programs(
    request: pytest.FixtureRequest, site: Settings, quickstart_draft: Draft
) -> Iterator[Programs]:
    if request.param == "docker":
        request.getfixturevalue("docker_client")
    with needed():
        ready = make_ready(request.param, quickstart_draft.lock, site, print)
    ready.runtime.clean()  # of runs that were killed before
    yield ready
    assert ready.runtime.clean() == 0, "a test left something behind"


@pytest.fixture
def docker_or_none(request: pytest.FixtureRequest, programs: Programs) -> Any:
    if programs.runtime.name == "docker":
        return request.getfixturevalue("docker_client")
    return None


@pytest.fixture
def make_job(tmp_path: Path, model_folder: Path, quickstart_draft: Draft) -> MakeJob:
    """Make a small job in a folder of this test."""
    load = quickstart_draft.lock.model["load"]
    return partial(write_job, tmp_path / "job", model=model_folder, model_file=load)


def quiet(progress: Progress) -> None:
    pass


def finished(job: JobRun) -> bool:
    status = read_status(job.folder / "out" / "status.json")
    return status is not None and status.outcome == "done"


Running = Callable[[], dict[str, int]]


@pytest.fixture
def running(docker_or_none: Any) -> Running:
    """Return the host's process ids of the engine and the client that this process has started.

    By their owner's name: other runs on this machine have engines too, which must not be killed.
    """
    mine = owner.this_owner()

    def of_processes() -> Iterator[tuple[str, int]]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(owner.VARIABLE) == mine:
                    yield " ".join(process.cmdline()), process.pid

    def of_containers() -> Iterator[tuple[str, int]]:
        for container in docker_or_none.containers.list(filters={"label": f"{owner.LABEL}={mine}"}):
            started = [container.attrs["Path"], *container.attrs["Args"]]
            yield " ".join(started), container.attrs["State"]["Pid"]

    def found() -> dict[str, int]:
        return {
            "client" if "specseal.client" in line else "engine": pid
            for line, pid in (of_containers() if docker_or_none else of_processes())
        }

    return found


def test_a_job_leaves_records_counts_telemetry_logs_and_a_status(
    programs: Programs, make_job: MakeJob
) -> None:
    job = make_job(conversations=3)
    status = programs.runtime.run(job, quiet)
    out = job.folder / "out"
    assert status.outcome == "done"
    assert [phase.requests for phase in status.phases] == [3]
    records = read_records(out / "records.jsonl")
    assert [record.output_tokens for record in records] == [16, 16, 16]
    before, after = read_snapshots(out / "counts.jsonl")
    assert after.output_tokens is not None
    assert before.output_tokens is not None
    assert after.output_tokens - before.output_tokens == 48
    found = json.loads((out / "environment.json").read_bytes())
    assert found["runtime"] == programs.runtime.name
    assert found["isolation"] == programs.runtime.isolation
    assert "listening on" in (out / "engine.log").read_text()
    telemetry = [json.loads(line) for line in (out / "telemetry.jsonl").read_text().splitlines()]
    assert telemetry
    assert all(row["engine_memory_bytes"] > 0 for row in telemetry[1:])


def test_an_engine_that_cannot_start_is_reported_with_the_end_of_its_log(
    programs: Programs, make_job: MakeJob
) -> None:
    job = replace(make_job(), model_file="no-such-model.gguf")
    with pytest.raises(RunFailed, match="the engine died with exit code") as caught:
        programs.runtime.run(job, quiet)
    assert "Failed to init server" in caught.value.message
    assert not finished(job)


def test_an_engine_that_never_gets_healthy_is_given_up_on(
    programs: Programs, make_job: MakeJob
) -> None:
    job = make_job(deadline_s=3, health="/no-such-path")
    with pytest.raises(RunFailed, match="healthy"):
        programs.runtime.run(job, quiet)
    assert not finished(job)


@pytest.mark.parametrize("victim", ["engine", "client"])
def test_a_part_killed_in_mid_run_is_reported_and_is_not_finished(
    victim: str, programs: Programs, make_job: MakeJob, running: Running
) -> None:
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if not killed and progress.done > 0:
            killed.append(running()[victim])
            os.kill(killed[0], signal.SIGKILL)

    job = make_job(conversations=400)
    with pytest.raises(RunFailed) as caught:
        programs.runtime.run(job, kill)
    assert killed, "the job ended before it could be killed"
    expected = "the engine died with exit code" if victim == "engine" else "client ended with exit"
    assert expected in caught.value.message
    assert not finished(job)
    assert not running()


def test_an_engine_that_hangs_is_given_up_on(
    programs: Programs, make_job: MakeJob, running: Running
) -> None:
    stopped: list[int] = []

    def stop(progress: Progress) -> None:
        if not stopped and progress.done > 0:
            stopped.append(running()["engine"])
            os.kill(stopped[0], signal.SIGSTOP)

    job = make_job(conversations=400, silence_timeout_s=10)
    with pytest.raises(RunFailed, match="the end of the engine's log") as caught:
        programs.runtime.run(job, stop)
    assert stopped, "the job ended before its engine could be stopped"
    assert "10 s" in caught.value.message
    assert not finished(job)
    assert not running()


def test_an_interrupt_stops_both_parts(
    programs: Programs, make_job: MakeJob, running: Running
) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        programs.runtime.run(make_job(conversations=400), interrupt)
    assert not running()


def test_what_a_killed_run_left_is_removed_by_the_next(
    programs: Programs, site: Settings, docker_or_none: Any
) -> None:
    dead = owner.this_owner().rsplit("|", 2)[0] + "|1|0.0"
    if programs.runtime.name == "docker":
        image = programs.facts["client"]["id"]
        left = docker_or_none.containers.create(image, labels={owner.LABEL: dead})
        alive = docker_or_none.containers.create(image, labels={owner.LABEL: owner.this_owner()})
        try:
            assert programs.runtime.clean() >= 1  # other runs may have died here too
            with pytest.raises(NotFound):
                left.reload()
            alive.reload()
        finally:
            alive.remove()
        return
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(sleep, env={owner.VARIABLE: dead}) as left,
        subprocess.Popen(sleep, env={owner.VARIABLE: owner.this_owner()}) as alive_process,
    ):
        try:
            assert programs.runtime.clean() >= 1
            assert not psutil.pid_exists(left.pid)
            assert psutil.pid_exists(alive_process.pid)
        finally:
            alive_process.kill()
