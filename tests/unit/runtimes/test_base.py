"""Watching over a job: who is blamed for its end, and what of it is passed on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.client.errors import InputRefused, OutputFailed
from specseal.engines import Launch
from specseal.errors import ClientFailed, EngineFailed, RunFailed
from specseal.records import JobStatus, write_json_atomically
from specseal.runtimes import Progress
from specseal.runtimes import base as runtime
from specseal.runtimes.base import JobRun, conclude, supervise, tail


class FakePart:
    """A part whose exit codes are told beforehand, one a question; the last one stays."""

    def __init__(self, *codes: int | None, log: str = "") -> None:
        self._codes, self._log = list(codes), log

    def exit_code(self) -> int | None:
        return self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]

    def pid(self) -> int | None:
        return None

    def log(self) -> str:
        return self._log


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves on by what is slept, at once."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(runtime.time, "sleep", sleep)
    monkeypatch.setattr(runtime.time, "monotonic", lambda: now[0])


@pytest.fixture
def job(tmp_path: Path) -> JobRun:
    (tmp_path / "out").mkdir()
    launch = Launch(
        args=(), dialect="llamacpp", counts={}, health_path="/", readback={}, shm_bytes=0,
        locks_memory=False, one_chunk_a_step=False, cut_at_limit=False,
    )  # fmt: skip
    return JobRun(launch=launch, model=tmp_path, model_file="m", folder=tmp_path, name="r1-none")


def test_placeholders_in_the_engines_environment_are_filled(job: JobRun) -> None:
    launch = replace(job.launch, environment={"OMP_NUM_THREADS": "{threads}", "PLAIN": "{}"})
    found = replace(job, launch=launch).environment({"threads": "3"})
    assert found == {"OMP_NUM_THREADS": "3", "PLAIN": "{}"}


def telemetry(job: JobRun) -> list[dict[str, Any]]:
    rows = (job.folder / "out" / "telemetry.jsonl").read_text().splitlines()
    return [json.loads(row) for row in rows]


def ignore(progress: Progress) -> None:
    pass


def test_an_engine_that_dies_first_is_blamed_with_the_end_of_its_log(job: JobRun) -> None:
    engine = FakePart(None, 137, log="loading\nout of memory")
    with pytest.raises(EngineFailed) as caught:
        supervise(job, engine, FakePart(None), ignore)
    assert caught.value.message == (
        "r1-none: the engine died with exit code 137; the end of its log:\n"
        "    loading\n    out of memory"
    )


def test_a_client_that_fails_while_its_engine_is_dying_is_not_blamed(job: JobRun) -> None:
    engine = FakePart(None, None, None, -9)
    with pytest.raises(EngineFailed, match="the engine died with exit code -9"):
        supervise(job, engine, FakePart(None, 4), ignore)


def test_a_client_that_fails_beside_a_living_engine_is_left_to_its_own_words(job: JobRun) -> None:
    supervise(job, FakePart(None), FakePart(None, 4), ignore)
    with pytest.raises(
        RunFailed, match="exit code 4 and no status; its last words:\n    oops"
    ) as e:
        conclude(job, engine_log="", client_log="oops", client_code=4)
    assert not isinstance(e.value, EngineFailed)


@pytest.mark.parametrize(
    ("code", "is_the_jobs_own"),
    [(-9, True), (137, True), (1, True), (0, False), (2, False), (4, False)],
)
def test_a_client_that_was_killed_fails_its_job_and_one_that_can_not_write_the_run(
    code: int, is_the_jobs_own: bool, job: JobRun
) -> None:
    with pytest.raises(RunFailed, match=f"exit code {code} and no status") as caught:
        conclude(job, engine_log="", client_log="", client_code=code)
    assert isinstance(caught.value, ClientFailed) is is_the_jobs_own


def test_exit_codes_that_are_no_jobs_own_are_the_clients() -> None:
    own = {error.exit_code for error in (InputRefused, OutputFailed)}
    assert {*runtime._NOT_THE_JOBS_OWN} == {0, *own}


@pytest.mark.parametrize(("records", "waited_s"), [(True, 0.4), (False, 0.1)])
def test_client_whose_engine_died_may_end_its_notes_where_there_is_something_to_note(
    records: bool, waited_s: float, job: JobRun
) -> None:
    if records:
        (job.folder / "out" / "records.jsonl").touch()
    began = runtime.time.monotonic()
    with pytest.raises(EngineFailed, match="exit code 137"):
        supervise(job, FakePart(None, 137), FakePart(None, None, None, None, None, 4), ignore)
    assert runtime.time.monotonic() - began == pytest.approx(waited_s)


def test_client_that_does_not_end_after_its_engine_is_waited_for_no_longer(job: JobRun) -> None:
    (job.folder / "out" / "records.jsonl").touch()
    began = runtime.time.monotonic()
    with pytest.raises(EngineFailed, match="exit code 137"):
        supervise(job, FakePart(None, 137), FakePart(None), ignore)
    waited_s = runtime.time.monotonic() - began
    assert runtime.LAST_WORDS_S <= waited_s <= runtime.LAST_WORDS_S + 1


def test_telemetry_is_kept_even_of_a_job_that_failed(job: JobRun) -> None:
    with pytest.raises(RunFailed):
        supervise(job, FakePart(None, 1), FakePart(None), ignore)
    assert [row["cpu_percent"] >= 0 for row in telemetry(job)] == [True]


def test_progress_is_passed_on_once_and_rubbish_never(job: JobRun) -> None:
    seen: list[Progress] = []
    path = job.folder / "out" / "progress.json"
    progress = {
        "phase": "c1", "done": 1, "total": 2, "output_tokens": 5, "draft_tokens": 0,
        "accepted_tokens": 0, "elapsed_s": 0.5,
    }  # fmt: skip
    write_json_atomically(path, progress)
    supervise(job, FakePart(None), FakePart(None, None, None, 0), seen.append)
    assert seen == [Progress(**progress)]
    path.write_text("{")
    supervise(job, FakePart(None), FakePart(None, None, 0), seen.append)
    assert len(seen) == 1


def test_a_status_that_says_failed_is_the_reason(job: JobRun) -> None:
    status = JobStatus(outcome="failed", reason="phase c1: no answer", phases=(), engine={})
    write_json_atomically(job.folder / "out" / "status.json", status.to_dict())
    with pytest.raises(EngineFailed, match="r1-none: phase c1: no answer; the end of the engine's"):
        conclude(job, engine_log="busy", client_log="", client_code=4)


def test_a_running_server_that_fails_is_told_of_without_a_log(job: JobRun) -> None:
    status = JobStatus(outcome="failed", reason="phase c1: no answer", phases=(), engine={})
    write_json_atomically(job.folder / "out" / "status.json", status.to_dict())
    with pytest.raises(EngineFailed) as caught:
        conclude(job, engine_log=None, client_log="", client_code=4)
    assert caught.value.message == "r1-none: phase c1: no answer"


def test_a_running_server_is_not_watched_but_its_client_is(job: JobRun) -> None:
    supervise(job, None, FakePart(None, None, 4), ignore)
    assert len(telemetry(job)) == 2  # one at the start, one when the client has ended


def test_a_status_that_is_damaged_is_said_to_be(job: JobRun) -> None:
    (job.folder / "out" / "status.json").write_text('{"outcome": "done"')
    with pytest.raises(RunFailed, match=r"status\.json"):
        conclude(job, engine_log="", client_log="", client_code=0)


def test_a_long_log_is_told_by_its_end_and_an_empty_one_as_such() -> None:
    assert tail("\n".join(map(str, range(100)))).splitlines()[0] == "    80"
    assert tail("") == "    (it printed nothing)"
