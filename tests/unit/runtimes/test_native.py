"""Native processes, with programs of the test's own as engine and client."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.engines import Launch
from specseal.errors import EngineFailed, MachineLacks, RunFailed
from specseal.runtimes import (
    ContainerRuntime,
    JobRun,
    NativeRuntime,
    NetworkAccess,
    ProgramRun,
    Progress,
)
from specseal.runtimes.devices import Address

KEY = "sk-0123456789"

# Each notes how it was started, in the folder that its first argument names; the client closes the
# job with the outcome that its second argument names.
NOTE = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
def note(name):
    said = {"argv": sys.argv[3:], "environment": dict(os.environ)}
    folder.joinpath(name).write_text(json.dumps(said))
"""
ENGINE = NOTE + "note('engine'); print('ready', flush=True); import time; time.sleep(600)"
CLIENT = (
    NOTE
    + """
note('client')
import time
status = {"outcome": sys.argv[2], "reason": "no answer", "phases": [], "engine": {},
          "schema": "specseal/job/1"}
at = sys.argv.index("--out") + 1
if "--port" in sys.argv:
    while not folder.joinpath("engine").exists():
        time.sleep(0.01)
pathlib.Path(sys.argv[at], "status.json").write_text(json.dumps(status))
"""
)


@pytest.fixture
def job(tmp_path: Path) -> JobRun:
    for name in ("in", "out"):
        (tmp_path / "job" / name).mkdir(parents=True)
    launch = Launch(
        args=("--model", "{model}", "--port", "{port}", "--threads", "{threads}"),
        dialect="llamacpp", counts={}, health_path="/", readback={}, shm_bytes=0,
        locks_memory=False, one_chunk_a_step=False, cut_at_limit=False,
    )  # fmt: skip
    return JobRun(
        launch=launch, model=tmp_path, model_file="m", folder=tmp_path / "job", name="r1-none"
    )


@pytest.fixture
def running(job: JobRun) -> JobRun:
    launch = replace(job.launch, args=(), url="https://example.test/base")
    return replace(job, launch=launch, model=None)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def runtime(notes: Path, outcome: str = "done") -> NativeRuntime:
    def command(program: str) -> tuple[str, ...]:
        return (sys.executable, "-c", program, str(notes), outcome)

    return NativeRuntime(engine=command(ENGINE), client=command(CLIENT), client_path=notes)


def noted(notes: Path, name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((notes / name).read_text())
    return said


def found(job: JobRun) -> dict[str, Any]:
    environment: dict[str, Any] = json.loads((job.folder / "out/environment.json").read_text())
    return environment


def quiet(progress: Progress) -> None:
    pass


def test_engine_and_client_are_told_one_port(job: JobRun, notes: Path) -> None:
    assert runtime(notes).run(job, quiet).outcome == "done"
    engine, client = (noted(notes, name)["argv"] for name in ("engine", "client"))
    assert engine[:2] == ["--model", str((job.model_folder() / "m").resolve())]
    assert client[client.index("--port") + 1] == engine[engine.index("--port") + 1]
    assert "--url" not in client
    assert (job.folder / "out" / "engine.log").read_text() == "ready\n"
    assert "url" not in found(job)


def test_engine_sees_the_devices_of_its_job_and_the_environment_no_serial_number(
    job: JobRun, notes: Path
) -> None:
    devices = (Address(vendor="nvidia", number=2, uuid="GPU-2f"),)
    runtime(notes).run(replace(job, devices=devices), quiet)
    assert noted(notes, "engine")["environment"]["CUDA_VISIBLE_DEVICES"] == "GPU-2f"
    assert "CUDA_VISIBLE_DEVICES" not in noted(notes, "client")["environment"]
    assert found(job)["devices"] == [{"vendor": "nvidia", "number": 2}]


def test_engine_on_cpus_sees_no_device(job: JobRun, notes: Path) -> None:
    runtime(notes).run(job, quiet)
    assert noted(notes, "engine")["environment"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert found(job)["devices"] == []


def test_engine_puts_its_sockets_under_a_short_name_of_its_scratch_folder(
    job: JobRun, notes: Path
) -> None:
    launch = replace(job.launch, environment={"THREADS": "{threads}"})
    runtime(notes).run(replace(job, launch=launch), quiet)
    environment = noted(notes, "engine")["environment"]
    assert len(environment["TMPDIR"]) < len(environment["HOME"])
    assert not Path(environment["TMPDIR"]).parent.exists(), "it is gone with the job"
    assert environment["HOME"] == str(job.folder / "scratch")
    assert environment["THREADS"].isdigit()


def test_running_server_is_measured_by_a_client_alone(running: JobRun, notes: Path) -> None:
    assert runtime(notes).run(running, quiet).outcome == "done"
    client = noted(notes, "client")["argv"]
    assert client[client.index("--url") + 1] == "https://example.test/base"
    assert "--port" not in client
    assert not (notes / "engine").exists()
    assert not (running.folder / "out" / "engine.log").exists()
    assert found(running) | {"url": "https://example.test/base", "engine_cpus": []} == (
        found(running)
    )


def test_key_reaches_the_client_of_a_running_server_and_no_file(
    running: JobRun, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECSEAL_ENDPOINT_KEY", KEY)
    runtime(notes).run(running, quiet)
    client = noted(notes, "client")
    assert client["environment"]["SPECSEAL_ENDPOINT_KEY"] == KEY
    assert not any(KEY in argument for argument in client["argv"])
    written = [path.read_bytes() for path in running.folder.rglob("*") if path.is_file()]
    assert written
    assert not any(KEY.encode() in data for data in written)


def test_key_reaches_nobody_where_an_engine_is_started(
    job: JobRun, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECSEAL_ENDPOINT_KEY", KEY)
    runtime(notes).run(job, quiet)
    assert "SPECSEAL_ENDPOINT_KEY" not in noted(notes, "engine")["environment"]
    assert "SPECSEAL_ENDPOINT_KEY" not in noted(notes, "client")["environment"]


def test_running_server_that_fails_is_told_of_in_the_clients_words(
    running: JobRun, notes: Path
) -> None:
    with pytest.raises(EngineFailed) as caught:
        runtime(notes, outcome="failed").run(running, quiet)
    assert caught.value.message == "r1-none: no answer"


def test_engine_without_a_model_is_refused_before_it_is_started(job: JobRun, notes: Path) -> None:
    with pytest.raises(RunFailed, match="r1-none: there is no model"):
        runtime(notes).run(replace(job, model=None), quiet)
    assert not (notes / "engine").exists()


def test_containers_refuse_a_running_server_before_anything_is_done(running: JobRun) -> None:
    docker: Any = None
    containers = ContainerRuntime(docker, engine_image="e", client_image="c")
    with pytest.raises(MachineLacks) as caught:
        containers.run(running, quiet)
    assert caught.value.mend == "use --runtime native"
    assert not (running.folder / "scratch").exists()


def test_program_that_needs_a_network_runs_in_a_container_only(tmp_path: Path, notes: Path) -> None:
    network = NetworkAccess(environment={}, ca_bundle=None)
    run = ProgramRun(args=(), model=None, out=tmp_path, name="prepare", network=network)
    with pytest.raises(MachineLacks, match="prepare reaches the network, and so runs in a cont"):
        runtime(notes).run_alone(run)
    assert list(notes.iterdir()) == []
