"""A run held against its lock's plan, each thing of it altered alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attacks.builder import DESCRIBED, alter_records, make_failed_job, make_job
from attacks.test_sweep import SWEEP, lock_of
from locks import CONVERSATIONS, make_lock
from specseal.analysis import JobData, Objectives, PhaseData, RunData
from specseal.bundle import against_plan
from specseal.bundle.against_plan import run_against_plan
from specseal.bundle.findings import BundleBroken
from specseal.bundle.withheld import withhold_ids
from specseal.plan import make_plan
from specseal.records import Load, Record
from specseal.sent import missing_phase
from specseal.spec.locked import Lock

LOCK = make_lock()


def run_of(lock: Lock) -> RunData:
    return RunData(jobs=tuple(map(make_job, make_plan(lock).jobs)), seed=0)


RUN = run_of(LOCK)


def environment_of(run: RunData, **changes: Any) -> dict[str, Any]:
    jobs = [{name: getattr(job, name) for name in DESCRIBED} for job in run.jobs]
    return {"jobs": jobs, "images": {}, **changes}


def found(
    run: RunData = RUN, lock: Lock = LOCK, environment: dict[str, Any] | None = None
) -> list[tuple[str, str]]:
    known = environment_of(run) if environment is None else environment
    return [(one.code, one.message) for one in run_against_plan(run, lock, known)]


def codes(*args: Any, **kwargs: Any) -> list[str]:
    return [code for code, _ in found(*args, **kwargs)]


def with_job(number: int, **changes: Any) -> RunData:
    jobs = list(RUN.jobs)
    jobs[number] = replace(jobs[number], **changes)
    return replace(RUN, jobs=tuple(jobs))


def with_phase(job: int, number: int, **changes: Any) -> RunData:
    phases = list(RUN.jobs[job].phases)
    phases[number] = replace(phases[number], **changes)
    return with_job(job, phases=tuple(phases))


def test_run_of_its_lock_is_as_planned() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 7}, "counts.json: run: seed is 7, the lock says 0"),
        ({"objectives": Objectives(ttft_s=1, tpot_s=None)}, "counts.json: run: objectives is"),
        ({"draftable": "ff"}, "counts.json: run: draftable is ff, the lock says None"),
    ],
)
def test_run_of_other_facts_is_found(changes: dict[str, Any], said: str) -> None:
    ((code, message),) = found(replace(RUN, **changes))
    assert code == "recompute.lock"
    assert message.startswith(said)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("field", "value"),
    [("prefix_cache", True), ("devices", 2), ("accelerator", "any"), ("engine_version", "")],
)
def test_job_of_other_facts_is_found(number: int, field: str, value: object) -> None:
    ((code, message),) = found(with_job(number, **{field: value}))
    assert code == "recompute.lock"
    assert message.startswith(f"counts.json: job {RUN.jobs[number].key}: {field} is {value}, ")


@pytest.mark.parametrize(
    "jobs",
    [
        RUN.jobs[:1],
        RUN.jobs[1:],
        (),
        RUN.jobs[::-1],
        (*RUN.jobs, RUN.jobs[1]),
        (RUN.jobs[0], replace(RUN.jobs[1], draft_length=3)),
        (RUN.jobs[0], replace(RUN.jobs[1], repeat=2)),
        (RUN.jobs[0], replace(RUN.jobs[1], speculation="eagle3")),
        (replace(RUN.jobs[0], speculation="ngram"), RUN.jobs[1]),
    ],
)
def test_jobs_other_than_the_plans_are_found(jobs: tuple[JobData, ...]) -> None:
    assert codes(replace(RUN, jobs=jobs)) == ["recompute.plan"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("load", Load(mode="closed", concurrency=16), "plan"),
        ("input", "random", "plan"),
        ("setting", {"drafter.args.num": 3}, "plan"),
        ("max_tokens", 9, "lock"),
        ("temperature", 0.5, "lock"),
        ("ignore_eos", True, "lock"),
        ("history_not_rewritten", True, "lock"),
        ("bos_doubled", True, "lock"),
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_phase_of_other_facts_is_found(number: int, field: str, value: object, code: str) -> None:
    ((told, message),) = found(with_phase(1, number, **{field: value}))
    assert told == f"recompute.{code}"
    name = RUN.jobs[1].phases[number].status.phase
    assert message.startswith(
        f"counts.json: job key-r1-ngram, phase {name}: {field} is {value}, the lock says "
    )


def test_phase_that_says_it_was_no_measurement_is_found() -> None:
    status = replace(RUN.jobs[0].phases[0].status, measured=False)
    ((code, message),) = found(with_phase(0, 0, status=status))
    assert code == "recompute.lock"
    assert ": measured is False, the lock says True" in message


# Phases


PLANNED = make_plan(LOCK).jobs[1]


def failed(measured: int, **changes: Any) -> RunData:
    job = replace(make_failed_job(PLANNED, "it died", measured=measured), **changes)
    return replace(RUN, jobs=(RUN.jobs[0], job))


@pytest.mark.parametrize("measured", [0, 1])
def test_failed_job_has_the_phases_that_it_measured(measured: int) -> None:
    run = failed(measured)
    assert len(run.jobs[1].phases) == measured
    assert found(run) == []


@pytest.mark.parametrize(
    "run",
    [
        with_job(1, phases=RUN.jobs[1].phases[:1]),
        with_job(1, phases=RUN.jobs[1].phases[1:]),
        with_job(1, phases=RUN.jobs[1].phases[::-1]),
        with_job(1, phases=()),
        with_job(1, phases=(*RUN.jobs[1].phases, RUN.jobs[1].phases[1])),
        with_job(
            1,
            phases=RUN.jobs[1].phases[:1],
            missing=(missing_phase([one for one in PLANNED.phases if one.measured][1]),),
        ),
        with_job(1, missing=(missing_phase([one for one in PLANNED.phases if one.measured][1]),)),
        failed(1, missing=()),
        failed(1, phases=RUN.jobs[1].phases[1:]),
        failed(0, missing=make_failed_job(PLANNED, "", measured=0).missing[1:]),
        failed(0, missing=make_failed_job(PLANNED, "", measured=0).missing[::-1]),
    ],
    ids=[
        "first alone", "second alone", "other order", "none", "one more", "missing without failure",
        "measured and missing", "missing not said", "second for first", "fewer missing",
        "missing in other order",
    ],
)  # fmt: skip
def test_phases_other_than_the_plans_are_found(run: RunData) -> None:
    assert codes(run) == ["recompute.plan"]


# The environment


@pytest.mark.parametrize("field", ["key", "session"])
def test_environment_of_other_jobs_is_found(field: str) -> None:
    environment = environment_of(RUN)
    environment["jobs"][1][field] = "another"
    assert found(environment=environment) == [
        ("recompute.jobs", "environment.json: jobs are not those of counts.json")
    ]


@pytest.mark.parametrize("field", ["engine_version_found", "method_found", "draft_length_found"])
def test_environment_that_saw_another_engine_is_found(field: str) -> None:
    environment = environment_of(RUN)
    environment["jobs"][1][field] = "another"
    ((code, message),) = found(environment=environment)
    assert code == "recompute.jobs"
    assert message.startswith(f"counts.json: job key-r1-ngram: {field} is ")
    assert message.endswith(", environment.json has another")


@pytest.mark.parametrize(
    ("said", "took", "holds"),
    [
        ("as_locked", ["as_locked", "as_locked"], True),
        ("any", ["as_locked", "any"], True),
        ("any", ["any", None], True),
        ("any", [None, None], True),
        (None, ["any", "any"], True),
        ("as_locked", ["as_locked", "any"], False),
        ("as_locked", ["any", None], False),
        ("any", ["as_locked", None], False),
    ],
)
def test_hardware_is_any_where_one_job_took_any(
    said: str | None, took: list[str | None], holds: bool
) -> None:
    environment = environment_of(RUN, **({"hardware": said} if said else {}))
    for job, hardware in zip(environment["jobs"], took, strict=True):
        job["machine"] = {"inspection": {"hardware": hardware} if hardware else None}
    assert codes(environment=environment) == ([] if holds else ["recompute.jobs"])


# Ids


def test_ids_are_withheld_only_of_a_restricted_data_set() -> None:
    run = withhold_ids(RUN)
    assert codes(run) == ["recompute.withheld"] * 4  # two phases of two jobs
    assert codes(run, make_lock(dataset={"restricted": True})) == []


# Records


def with_records(change: Callable[[PhaseData], Any]) -> RunData:
    phase = RUN.jobs[1].phases[1]
    return with_phase(1, 1, records=tuple(change(phase)))


def first(**changes: Any) -> Callable[[PhaseData], list[Record]]:
    return lambda phase: [replace(phase.records[0], **changes), *phase.records[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first(category="writing"), "is of another category than the lock's 'coding'"),
        (first(turn=1), "has turns [1], the lock's has 1"),
        (first(input_tokens=8, engine_input_tokens=8), "has 8 input tokens, the lock's has 7"),
    ],
)
def test_record_of_other_facts_than_the_locks_is_found(
    change: Callable[[PhaseData], list[Record]], said: str
) -> None:
    assert found(with_records(change)) == [
        ("recompute.records", f"records.parquet: job key-r1-ngram, phase c2: coding-0 {said}")
    ]


def test_record_that_makes_no_sense_is_told() -> None:
    run = with_records(first(output_tokens=99))
    told = [(code, message) for code, message in found(run) if "coding-0 turn 0: " in message]
    assert {code for code, _ in told} == {"recompute.records"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda phase: phase.records[1:], ["recompute.plan"]),
        (lambda phase: phase.records[:-1], ["recompute.plan"]),
        (lambda phase: [], ["recompute.plan"]),
        (first(cycle=1), ["recompute.plan"]),
        (first(conversation="another"), ["recompute.plan", "recompute.records"]),
        (first(conversation="math-0", cycle=1), ["recompute.plan", "recompute.records"]),
    ],
    ids=["first left out", "last left out", "none", "again", "unknown", "other"],
)
def test_conversations_other_than_the_plans_are_found(
    change: Callable[[PhaseData], list[Record]], expected: list[str]
) -> None:
    assert codes(with_records(change)) == expected


def longer(conversation: str, **changes: Any) -> Lock:
    rows = [{**row, **changes} if row["id"] == conversation else row for row in CONVERSATIONS]
    return make_lock(prompts={"conversations": rows})


def lengthen(lengths: dict[str, int]) -> RunData:
    """The run with other lengths of a conversation in phases of the second job."""
    job = RUN.jobs[1]
    phases = []
    for phase in job.phases:
        length = lengths.get(phase.status.phase, 7)
        records = [
            replace(one, input_tokens=length, engine_input_tokens=length)
            if one.conversation == "math-1"
            else one
            for one in phase.records
        ]
        phases.append(replace(phase, records=tuple(records)))
    return with_job(1, phases=tuple(phases))


def test_first_turn_has_one_length_everywhere() -> None:
    """What the lock can't say, of a conversation of several turns, all phases must say alike."""
    lock = longer("math-1", turns=2)
    alike = RUN

    def second(run: RunData) -> RunData:
        def grow(phase: PhaseData) -> PhaseData:
            more = [replace(one, turn=1) for one in phase.records if one.conversation == "math-1"]
            return replace(phase, records=(*phase.records, *more))

        jobs = [replace(job, phases=tuple(map(grow, job.phases))) for job in run.jobs]
        return replace(run, jobs=tuple(jobs))

    def lengths(run: RunData) -> list[str]:
        return [message for _, message in found(second(run), lock) if "input tokens" in message]

    assert lengths(alike) == []
    (message,) = lengths(lengthen({"c2": 8}))
    assert message.endswith("has 8 input tokens in its first turn, and elsewhere 7")
    assert len(lengths(lengthen({"c1": 8, "c2": 8}))) == 2


def test_length_that_only_the_server_knows_is_not_compared() -> None:
    lock = longer("math-1", input_tokens=None)
    assert codes(lengthen({"c1": 8, "c2": 9}), lock) == []
    assert codes(lengthen({"c1": 8, "c2": 9})) == ["recompute.records"] * 2


def test_conversation_that_ends_in_an_error_may_have_fewer_turns() -> None:
    lock = longer("math-1", turns=2)
    broken = alter_records(
        RUN,
        lambda one: (
            replace(one, finish="error", error="it broke") if one.conversation == "math-1" else one
        ),
    )
    assert not any("has turns" in message for _, message in found(broken, lock))
    assert sum("has turns [0]" in message for _, message in found(RUN, lock)) == 4


# Plans without end

WARMUP = len(LOCK.points["warmup"])


def test_plan_may_be_as_large_as_any_bundle_and_no_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against_plan, "MAX_JOBS", 2)
    most = 2 * len(CONVERSATIONS) + WARMUP
    monkeypatch.setattr(against_plan, "MAX_ROWS", most)
    assert found() == []
    for name, bound in (("MAX_JOBS", 1), ("MAX_ROWS", most - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(against_plan, name, bound)
            with pytest.raises(BundleBroken) as caught:
                found()
            assert [one.code for one in caught.value.findings] == ["recompute.plan"]
    more = make_lock(points={"repeats": 2})
    with pytest.raises(BundleBroken):
        found(lock=more)


def test_open_load_has_as_many_requests_as_its_rate_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    load = {
        **LOCK.points["load"],
        "mode": "open", "concurrency": [], "rate": [2.5], "arrival": "constant", "duration_s": 4.0,
    }  # fmt: skip
    lock = make_lock(points={"load": load}, engine={"max_sequences": 8})
    monkeypatch.setattr(against_plan, "MAX_ROWS", 10 + WARMUP)
    assert "recompute.plan" in codes(lock=lock)  # it is another plan's run, and no endless one
    monkeypatch.setattr(against_plan, "MAX_ROWS", 9 + WARMUP)
    with pytest.raises(BundleBroken, match="more than a bundle may hold"):
        found(lock=lock)


def test_closed_load_that_time_ends_is_planned_by_its_conversations() -> None:
    lock = make_lock(points={"load": {**LOCK.points["load"], "duration_s": 60.0}})
    assert found(run_of(lock), lock) == []


@pytest.mark.parametrize(
    ("lock", "jobs", "phases", "conversations"),
    [
        (make_lock(points={"repeats": 3}), 6, 12, 3 * (2 * 6 + WARMUP)),
        (lock_of(SWEEP), 8, 16, 4 * (2 * 6 + WARMUP)),
    ],
    ids=["repeats", "variants and inputs"],
)
def test_every_repeat_variant_input_and_level_counts_towards_the_bounds(
    monkeypatch: pytest.MonkeyPatch, lock: Lock, jobs: int, phases: int, conversations: int
) -> None:
    bounds = {"MAX_JOBS": jobs, "MAX_PHASES": phases, "MAX_ROWS": conversations}
    for name, bound in bounds.items():
        monkeypatch.setattr(against_plan, name, bound)
    assert found(lock=lock)  # it is another run, and of no endless plan
    for name, bound in bounds.items():
        with monkeypatch.context() as patch:
            patch.setattr(against_plan, name, bound - 1)
            with pytest.raises(BundleBroken, match="more than a bundle may hold"):
                found(lock=lock)
