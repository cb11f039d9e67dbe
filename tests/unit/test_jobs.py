"""Job folders: what makes a job another one, when it counts as finished, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from locks import make_lock
from specseal.errors import RunFailed
from specseal.jobs import (
    JobFolder,
    job_environment,
    job_folder,
    prove,
    read_job,
    read_telemetry,
    run_job,
)
from specseal.plan import make_plan
from specseal.prepare import Prepared
from specseal.programs import Programs
from specseal.records import (
    JobStatus,
    PhaseStatus,
    Snapshot,
    append_jsonl,
    write_json_atomically,
)
from specseal.runtimes import JobRun, Progress
from specseal.spec.locked import Lock

PHASE = PhaseStatus(
    phase="c1", measured=True, concurrency=1, start_ns=1, end_ns=2, requests=1, failed=0,
    loop_lag_p99_ns=0, loop_lag_max_ns=0, client_cpu_share=0.1,
)  # fmt: skip
COUNTS = Snapshot(
    phase="c1", moment="after", time_ns=2, settled=True, drafts=3, draft_tokens=6,
    accepted_tokens=2, accepted_per_position=(1, 1), output_tokens=5, prompt_tokens=7,
)  # fmt: skip
WARMUP = replace(PHASE, phase="warmup", measured=False)


@dataclass
class FakeRuntime:
    """Writes what a job leaves, and notes what it found in the job's folder."""

    name: str = "fake"
    isolation: str = "none"
    slots: int = 2
    found: list[str] = field(default_factory=list)

    def clean(self) -> int:
        return 0

    def run(self, job: JobRun, watch: Callable[[Progress], None]) -> JobStatus:
        self.found = sorted(
            path.relative_to(job.folder).as_posix() for path in job.folder.rglob("*")
        )
        out = job.folder / "out"
        slot = {"speculative": "--spec-ngram-simple-size-m" in job.launch.args, "n_ctx": 4096}
        status = JobStatus(
            outcome="done", reason="", phases=(WARMUP, PHASE), engine={"slots": [slot] * self.slots}
        )
        append_jsonl(out / "counts.jsonl", [COUNTS.to_dict()])
        append_jsonl(out / "records.jsonl", [])
        write_json_atomically(out / "environment.json", {"runtime": self.name})
        write_json_atomically(out / "status.json", status.to_dict())
        return status


@dataclass(frozen=True)
class Bench:
    """A plan's jobs in a folder, and what runs them."""

    lock: Lock
    programs: Programs
    runtime: FakeRuntime
    prepared: Prepared
    folder: Path

    def job(self, method: str = "ngram") -> JobFolder:
        (job,) = [job for job in make_plan(self.lock).jobs if job.method == method]
        return job_folder(job, 1, self.lock, self.programs, self.folder)

    def run(self, job: JobFolder) -> JobStatus:
        return run_job(job, self.prepared, self.programs, session="s1", watch=lambda _: None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    lock, runtime = make_lock(), FakeRuntime()
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"id": "math-0"}\n')
    return Bench(
        lock=lock,
        programs=Programs(
            runtime=runtime, facts={"engine": {"inputs": "1" * 64}, "client": {"inputs": "2" * 64}}
        ),
        runtime=runtime,
        prepared=Prepared(lock=lock, model=tmp_path, prompts=prompts),
        folder=tmp_path / "jobs",
    )


def test_the_same_job_of_the_same_inputs_has_the_same_folder(bench: Bench) -> None:
    assert bench.job().path == bench.job().path
    assert bench.job().path.name.startswith("01-r1-ngram-")


@pytest.mark.parametrize("what", ["plan", "recipe", "launch", "programs", "runtime"])
def test_a_job_of_other_inputs_has_another_folder(what: str, bench: Bench) -> None:
    lock, programs = bench.lock, bench.programs
    match what:
        case "plan":
            lock = make_lock(points={"conversations": ["math-0"]})
        case "recipe":
            lock = make_lock(sampling={"max_tokens": 9})
        case "launch":
            lock = make_lock(points={"draft_length": 3})
        case "programs":
            programs = replace(programs, facts={**programs.facts, "client": {"inputs": "3" * 64}})
        case "runtime":
            programs = replace(programs, runtime=FakeRuntime(name="other"))
    other = replace(bench, lock=lock, programs=programs)
    assert other.job().key != bench.job().key


def test_a_job_finds_its_inputs_and_nothing_that_an_unfinished_one_left(bench: Bench) -> None:
    job = bench.job()
    (job.path / "out").mkdir(parents=True)
    (job.path / "out" / "records.jsonl").write_text("half a record")
    bench.run(job)
    assert bench.runtime.found == ["in", "in/job.json", "in/prompts.jsonl", "out"]
    asked = json.loads((job.path / "in" / "job.json").read_bytes())
    assert asked["sampling"] == bench.lock.sampling
    assert [phase["name"] for phase in asked["phases"]] == ["warmup", "c1", "c2"]


def test_a_finished_job_is_read_back_without_its_warm_up(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    data = read_job(job)
    assert (data.speculation, data.draft_length, data.session) == ("ngram", 2, "s1")
    assert [phase.status.phase for phase in data.phases] == ["c1"]
    assert data.phases[0].after == COUNTS
    assert data.phases[0].before is None
    assert read_telemetry(job) == []
    assert job_environment(job)["runtime"] == "fake"


@pytest.mark.parametrize(
    "text", [None, '{"outcome":"failed","reason":"x","phases":[],"engine":{}}']
)
def test_a_job_without_a_good_status_has_not_finished(text: str | None, bench: Bench) -> None:
    job = bench.job()
    (job.path / "out").mkdir(parents=True)
    if text is not None:
        (job.path / "out" / "status.json").write_text(text)
    assert job.status() is None
    with pytest.raises(RunFailed, match="this job has not finished"):
        read_job(job)


@pytest.mark.parametrize("name", ["status.json", "records.jsonl", "counts.jsonl"])
def test_a_damaged_file_of_a_finished_job_is_named(name: str, bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    (job.path / "out" / name).write_text("{")
    with pytest.raises(RunFailed, match=name):
        read_job(job)


def test_a_client_that_outlived_specseal_has_not_finished_its_job(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    (job.path / "finished.json").unlink()  # specseal was killed before it saw the end
    assert (job.path / "out" / "status.json").is_file()
    assert job.status() is None


def test_a_damaged_job_is_measured_anew_by_the_next_run(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    (job.path / "out" / "records.jsonl").write_text("{")
    with pytest.raises(RunFailed, match="run again: it is measured anew"):
        prove(job, bench.lock)
    assert job.status() is None


def test_an_engine_that_did_not_do_as_asked_leaves_no_finished_job(bench: Bench) -> None:
    bench.runtime.slots = 1
    job = bench.job()
    bench.run(job)
    with pytest.raises(RunFailed, match="r1-ngram: the engine did not do as asked: it has 1 slots"):
        prove(job, bench.lock)
    assert job.status() is None


def test_a_baseline_that_speculated_is_refused(bench: Bench) -> None:
    job = bench.job("none")
    bench.run(job)
    with pytest.raises(RunFailed, match="r1-none: the engine did not do as asked: a draft had 2"):
        prove(job, bench.lock)
