"""Job folders: what makes a job another one, when it counts as finished, and what is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fakeruntime import COUNTS, FakeRuntime
from locks import make_lock as make_any_lock
from locks import write_prompts
from specseal.digests import Digest
from specseal.engines.llamacpp import LlamaCpp
from specseal.errors import EngineFailed, RunFailed
from specseal.jobs import JobFolder, _streams, adopt, job_folder, run_job
from specseal.measured import hardware_taken, has_measured, job_environment, prove, read_job
from specseal.plan import make_plan
from specseal.prepare import PreparedVariant
from specseal.programs import Programs
from specseal.records import JobStatus, Load, append_jsonl, read_records
from specseal.runtimes import Inspection
from specseal.runtimes.devices import Address
from specseal.runtimes.preflight import Found
from specseal.spec.locked import Lock


def make_lock(**changes: Any) -> Lock:
    """Return a lock whose drafts of 2 tokens llama.cpp would make."""
    return make_any_lock(**{"drafter": {"args": {"ngram_min": 1}}, **changes})


@dataclass(frozen=True)
class Bench:
    """A plan's jobs in a folder, and what runs them."""

    lock: Lock
    programs: Programs
    runtime: FakeRuntime
    variant: PreparedVariant
    folder: Path
    inspection: Inspection = field(default_factory=Inspection)

    def job(self, method: str = "ngram") -> JobFolder:
        (job,) = [job for job in make_plan(self.lock).jobs if job.method == method]
        return job_folder(job, 1, self.lock, self.programs, self.folder)

    def run(self, job: JobFolder) -> JobStatus:
        return run_job(
            job,
            self.variant,
            self.variant.prompts,
            self.programs,
            inspection=self.inspection,
            session="s1",
            watch=lambda _: None,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    lock, runtime = make_lock(), FakeRuntime()
    prompts = tmp_path / "prompts.jsonl"
    write_prompts(prompts)
    return Bench(
        lock=lock,
        programs=Programs(
            runtime=runtime, facts={"engine": {"inputs": "1" * 64}, "client": {"inputs": "2" * 64}}
        ),
        runtime=runtime,
        variant=PreparedVariant(
            lock=lock,
            model=tmp_path,
            drafter=None,
            prompts={Digest(lock.prompts["sha256"]): prompts},
            words=prompts,
        ),
        folder=tmp_path / "run" / "jobs",
    )


def test_the_same_job_of_the_same_inputs_has_the_same_folder(bench: Bench) -> None:
    assert bench.job().path == bench.job().path
    assert bench.job().path.name.startswith("01-r1-ngram-")


CHANGES: dict[str, dict[str, dict[str, object]]] = {
    "conversations": {"points": {"conversations": ["math-0"]}},
    "sampling": {"sampling": {"max_tokens": 9}},
    "draft length": {"points": {"draft_length": 3}},
    "engine": {"engine": {"prefix_cache": True}},
    "model": {"model": {"stop_ids": [3]}},
    "drafter": {"drafter": {"args": {"ngram_min": 2}}},
}


@pytest.mark.parametrize("what", [*CHANGES, "programs", "runtime"])
def test_a_job_of_other_inputs_has_another_folder(what: str, bench: Bench) -> None:
    lock, programs = make_lock(**CHANGES.get(what, {})), bench.programs
    if what == "programs":
        programs = replace(programs, facts={**programs.facts, "client": {"inputs": "3" * 64}})
    if what == "runtime":
        programs = replace(programs, runtime=FakeRuntime(name="other"))
    other = replace(bench, lock=lock, programs=programs)
    assert other.job().key != bench.job().key


LAUNCHES: dict[str, Any] = {
    "dialect": "openai-chat",
    "counts": {"source": "none"},
    "readback": {"props": "/props"},
    "environment": {"THREADS": "1"},
    "model": "another",
    "health_path": "/v1/models",
    "url": "http://127.0.0.1:8000",
    "one_chunk_a_step": True,
    "cut_at_limit": True,
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_a_job_that_an_adapter_launches_in_another_way_has_another_folder(
    name: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, launch = bench.job().key, LlamaCpp.launch
    changed = {name: LAUNCHES[name]}
    monkeypatch.setattr(
        LlamaCpp, "launch", lambda self, request: replace(launch(self, request), **changed)
    )
    assert bench.job().key != before


@pytest.mark.parametrize("what", ["draft length", "drafter"])
def test_what_changes_the_drafter_only_leaves_the_baseline_as_it_is(
    what: str, bench: Bench
) -> None:
    other = replace(bench, lock=make_lock(**CHANGES[what]))
    assert other.job("none").key == bench.job("none").key


def test_the_engines_own_configuration_makes_a_job_another_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, launch = bench.job(), LlamaCpp.launch
    configured = {"engine.json": "{}"}
    monkeypatch.setattr(
        LlamaCpp, "launch", lambda self, asked: replace(launch(self, asked), config=configured)
    )
    assert bench.job().key != before.key


def test_adapter_is_told_the_highest_temperature_that_a_job_asks_for(bench: Bench) -> None:
    assert bench.job().request.temperature == 0


def test_names_and_places_in_the_plan_are_no_part_of_a_jobs_key(bench: Bench) -> None:
    (job,) = [job for job in make_plan(bench.lock).jobs if job.method == "ngram"]
    renamed = replace(job, name="r1-ngram-2", variant=5)
    other = job_folder(renamed, 7, bench.lock, bench.programs, bench.folder)
    assert other.key == bench.job().key
    assert other.path.name.startswith("07-r1-ngram-2-")


def test_a_job_finds_its_inputs_and_nothing_that_an_unfinished_one_left(bench: Bench) -> None:
    job = bench.job()
    (job.path / "out").mkdir(parents=True)
    (job.path / "out" / "records.jsonl").write_text("half a record")
    bench.run(job)
    prompts = f"prompts-{bench.lock.prompts['sha256'][:12]}.jsonl"
    assert bench.runtime.found == ["in", "in/job.json", f"in/{prompts}", "machine.json", "out"]
    asked = json.loads((job.path / "in" / "job.json").read_bytes())
    assert [phase["name"] for phase in asked["phases"]] == ["warmup", "c1", "c2"]
    assert {phase["prompts"] for phase in asked["phases"]} == {prompts}
    assert all(phase["sampling"] == bench.lock.sampling for phase in asked["phases"])


def test_a_finished_job_is_read_back_without_its_warm_up(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    data = read_job(job)
    assert (data.speculation, data.draft_length, data.session) == ("ngram", 2, "s1")
    assert [phase.status.phase for phase in data.phases] == ["c1"]
    assert data.phases[0].after == COUNTS
    assert data.phases[0].before is None
    assert (data.telemetry, data.failure) == ((), "")
    assert data.accelerators_found == ()
    assert data.missing == ()
    environment = job_environment(job, data)
    assert environment["runtime"] == "fake"
    assert environment["engine"]["slots"]
    assert environment["machine"]["cpus"]
    assert environment["machine"]["inspection"] == {
        "hardware": "as_locked", "devices": [], "findings": [],
    }  # fmt: skip
    assert hardware_taken([environment]) == "as_locked"


def test_a_job_holds_the_devices_that_were_found_for_it(bench: Bench) -> None:
    address = Address(vendor="nvidia", number=3, uuid="GPU-3")
    device = Found(facts={"name": "nvidia/t4"}, condition={"processes": 0}, address=address)
    one = replace(bench, inspection=Inspection(devices=(device,), any_hardware=True))
    job = one.job()
    one.run(job)
    assert bench.runtime.devices == [(address,)]
    assert read_job(job).accelerators_found == ("nvidia/t4",)
    machine = job_environment(job, read_job(job))["machine"]
    assert machine["inspection"]["devices"] == [
        {"vendor": "nvidia", "number": 3, "name": "nvidia/t4", "processes": 0}
    ]
    assert hardware_taken([job_environment(job, read_job(job))]) == "any"


def test_a_job_of_an_earlier_version_is_read_as_it_was(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    machine = json.loads((job.path / "machine.json").read_bytes())
    del machine["inspection"]
    (job.path / "machine.json").write_text(
        json.dumps(machine | {"accelerators": [{"name": "nvidia/t4"}]})
    )
    assert read_job(job).accelerators_found == ("nvidia/t4",)
    assert hardware_taken([job_environment(job, read_job(job))]) == "as_locked"


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
        prove(job)
    assert job.status() is None


def test_an_engine_that_did_not_do_as_asked_leaves_no_finished_job(bench: Bench) -> None:
    bench.runtime.slots = 1
    job = bench.job()
    bench.run(job)
    with pytest.raises(EngineFailed, match="r1-ngram: the engine did not do as asked: it has 1 s"):
        prove(job)


def test_a_baseline_that_speculated_is_refused(bench: Bench) -> None:
    bench.runtime.baseline_speculates = True
    job = bench.job("none")
    bench.run(job)
    with pytest.raises(EngineFailed, match="r1-none: the engine did not do as asked: its draf"):
        prove(job)


def test_a_failed_job_keeps_its_reason_as_its_result(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    job.fail("it ran out of memory", session="s2")
    assert job.status() is None
    data = read_job(job)
    assert (data.failure, data.session, data.phases) == ("it ran out of memory", "s2", ())
    assert [one.load.concurrency for one in data.missing] == [1, 2]
    assert (data.engine_version_found, data.method_found) == (None, None)
    environment = job_environment(job, data)
    assert (environment["session"], environment["engine"]) == ("s2", {})


def test_what_was_seen_of_an_engine_is_kept_with_what_was_found(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    data = read_job(job)
    seen = (data.engine_version_found, data.method_found, data.draft_length_found)
    assert seen == ("2026.10.11549", "ngram", 2)
    environment = job_environment(job, data)
    assert environment["engine_version_found"] == "2026.10.11549"
    assert (environment["method_found"], environment["draft_length_found"]) == ("ngram", 2)


def test_a_version_that_no_log_tells_was_not_seen(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    (job.path / "out" / "engine.log").unlink()
    assert read_job(job).engine_version_found is None


def broken_late(bench: Bench) -> JobFolder:
    """Return a job that broke in its second measured phase."""
    job = bench.job()
    bench.runtime.breaks_late = frozenset({"r1-ngram"})
    with pytest.raises(EngineFailed) as caught:
        bench.run(job)
    job.fail(caught.value.message, session="s1")
    return job


def test_a_job_that_broke_late_keeps_what_it_had_measured(bench: Bench) -> None:
    job = broken_late(bench)
    data = read_job(job)
    assert data.failure == "r1-ngram: c2: it is gone"
    assert [phase.status.phase for phase in data.phases] == ["c1"]
    assert len(data.phases[0].records) == len(bench.lock.points["conversations"])
    assert [one.load.concurrency for one in data.missing] == [2]
    assert data.method_found == "ngram"
    assert job_environment(job, data)["engine"]["slots"]
    assert job.status() is None
    assert has_measured(job)


def test_a_phase_that_lacks_a_turn_is_none_that_was_measured(bench: Bench) -> None:
    job = broken_late(bench)
    prompts = next((job.path / "in").glob("prompts-*"))
    prompts.write_text(prompts.read_text().replace('"between": []', '"between": [[2]]'))
    assert read_job(job).phases == ()
    assert not has_measured(job)


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_phase_all_of_whose_conversations_ended_in_errors_is_the_one_that_broke(
    is_counted: bool, bench: Bench
) -> None:
    job = broken_late(bench)
    records = read_records(job.path / "out" / "records.jsonl")[:-1]
    answered = 1 if is_counted else 0
    cut = [
        replace(one, phase="c2", error=None if place < answered else "cut", finish="error")
        for place, one in enumerate(records)
    ]
    (job.path / "out" / "records.jsonl").unlink()
    append_jsonl(job.path / "out" / "records.jsonl", [one.to_dict() for one in (*records, *cut)])
    if is_counted:
        before = replace(COUNTS, phase="c2", moment="before")
        append_jsonl(job.path / "out" / "counts.jsonl", [before.to_dict()])
    assert [phase.status.phase for phase in read_job(job).phases] == ["c1"]


def test_an_engine_that_did_not_do_as_asked_and_then_broke_leaves_nothing(bench: Bench) -> None:
    bench.runtime.slots = 1
    assert read_job(broken_late(bench)).phases == ()


def test_what_an_engine_measured_that_did_not_do_as_asked_is_not_kept(bench: Bench) -> None:
    job = bench.job()
    bench.run(job)
    job.fail("the engine did not do as asked", session="s1")
    data = read_job(job)
    assert (data.phases, len(data.missing)) == ((), 2)


@pytest.mark.parametrize("name", ["status.json", "records.jsonl", "counts.jsonl"])
def test_damaged_files_of_a_failed_job_leave_its_reason(name: str, bench: Bench) -> None:
    job = broken_late(bench)
    (job.path / "out" / name).write_text("{")
    data = read_job(job)
    assert (data.phases, data.failure) == ((), "r1-ngram: c2: it is gone")
    assert job_environment(job, data)["engine"] == {}


def test_a_job_that_failed_is_tried_again_and_then_has_no_failure(bench: Bench) -> None:
    job = bench.job()
    bench.runtime.fails = True
    with pytest.raises(EngineFailed):
        bench.run(job)
    job.fail("the engine died", session="s1")
    bench.runtime.fails = False
    bench.run(job)
    assert read_job(job).failure == ""


def test_a_finished_job_of_an_earlier_run_is_taken_over_under_its_new_name(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(bench.job())
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    later.folder.mkdir(parents=True)
    job = replace(later.job(), path=later.folder / f"09-r1-ngram-2-{later.job().key[:8]}")
    assert adopt(job, [tmp_path / "nothing", bench.folder.parent])
    assert read_job(job) == read_job(bench.job())


def test_a_job_that_failed_is_not_taken_over(bench: Bench, tmp_path: Path) -> None:
    old = bench.job()
    bench.run(old)
    old.fail("died", session="s1")
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    assert not adopt(later.job(), [bench.folder.parent])


def test_a_job_whose_key_only_begins_the_same_is_not_taken_over(
    bench: Bench, tmp_path: Path
) -> None:
    old = bench.job()
    bench.run(old)
    marker = old.path / "finished.json"
    marker.write_text(json.dumps({"session": "s1", "key": old.key[:8] + "0" * 56}))
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    assert not adopt(later.job(), [bench.folder.parent])


@pytest.mark.parametrize("damaged", ["finished.json", "machine.json"])
def test_a_job_that_can_not_be_read_is_passed_over(
    bench: Bench, tmp_path: Path, damaged: str
) -> None:
    bench.run(bench.job())
    (bench.job().path / damaged).write_text("{")
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    assert not adopt(later.job(), [bench.folder.parent])


def test_a_job_that_failed_here_is_tried_again_and_not_taken_over(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(bench.job())
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    job = later.job()
    job.path.mkdir(parents=True)
    job.fail("it did something else", session="s2")
    assert not adopt(job, [bench.folder.parent])


def test_a_job_is_copied_where_files_can_not_be_shared(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError("no hard links here")

    bench.run(bench.job())
    monkeypatch.setattr("os.link", refuse)
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    later.folder.mkdir(parents=True)
    assert adopt(later.job(), [bench.folder.parent])
    assert read_job(later.job()) == read_job(bench.job())


@pytest.mark.parametrize(
    ("load", "offsets", "streams"),
    [
        (Load(mode="closed", concurrency=300), (), 300),
        (Load(mode="open", rate=1.0), (0, 29 * 10**9, 30 * 10**9), 2),
        (Load(mode="open", rate=1.0), (), 1),
    ],
)
def test_streams_of_a_phase_are_those_that_the_client_reckons_with(
    bench: Bench, load: Load, offsets: tuple[int, ...], streams: int
) -> None:
    phase = replace(bench.job().job.phases[-1], load=load, offsets_ns=offsets)
    assert _streams(phase) == streams


def test_a_damaged_job_that_was_taken_over_is_measured_anew_and_not_taken_over_again(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(bench.job())
    (bench.job().path / "out" / "records.jsonl").write_text("{")
    later = replace(bench, folder=tmp_path / "later" / "jobs")
    later.folder.mkdir(parents=True)
    assert adopt(later.job(), [bench.folder.parent])
    with pytest.raises(RunFailed, match="run again: it is measured anew"):
        prove(later.job())
    assert not adopt(later.job(), [bench.folder.parent])


@pytest.mark.parametrize(
    ("metrics", "said", "is_one"),
    [
        (None, {"counts": {"source": "vllm"}}, True),
        ("vllm", {}, True),
        (None, {"counts": {"source": "sglang"}}, False),
        (None, {"counts": {"source": "llamacpp"}}, False),
        (None, {"counts": {"source": "none", "reason": "no page of metrics"}}, False),
        ("none", {}, False),
    ],
)
def test_running_server_is_known_by_its_metrics_and_its_cache_by_nobody(
    metrics: str | None, said: dict[str, Any], is_one: bool, bench: Bench
) -> None:
    endpoint = {"name": "endpoint", "api": "chat", "model": "m", "metrics": metrics}
    url = "http://127.0.0.1:8000"
    lock = make_lock(engine=endpoint, spec={"url": url}, points={"baseline": "none"})
    bench.runtime.said = said
    served = replace(bench, lock=lock)
    job = served.job()
    served.run(job)

    data = read_job(job)
    assert data.one_chunk_a_step is is_one
    assert data.prefix_cache is None


def test_engine_that_was_started_has_the_chunks_of_its_adapter_and_the_cache_of_its_lock(
    bench: Bench,
) -> None:
    bench.runtime.said = {"counts": {"source": "vllm"}}
    job = bench.job()
    bench.run(job)

    data = read_job(job)
    assert data.one_chunk_a_step is False
    assert data.prefix_cache is False
