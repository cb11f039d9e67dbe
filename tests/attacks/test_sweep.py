"""A bundle of a sweep, in which a job failed: variants, random tokens, cycles and failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import (
    NOW,
    SPEC,
    GoodBundle,
    as_recorded,
    codes,
    inputs_of,
    make_failed_job,
    make_job,
    sent_at,
)
from attacks.test_contents import edit
from specseal.analysis import JobData, PhaseData, RunData
from specseal.bundle import SealInputs, against_plan, seal
from specseal.plan import make_plan
from specseal.spec import Spec, parse_spec
from specseal.spec.locked import Lock, Variant, joined

SWEEP = (
    SPEC.replace(b"concurrency: [1, 2]", b"concurrency: [1]").replace(
        b"  repeats: 1", b"  inputs: [dataset, random]\n  repeats: 1"
    )
    + b"sweep: {drafter.draft_length: [2, 3], workload.sampling.temperature: [0, 0.5]}\n"
)


def lock_of(text: bytes) -> Lock:
    """The lock of a spec whose variants differ in points, sampling and load alone."""
    spec = parse_spec(text, path="spec.yaml")
    asked = [(one.setting, one.spec) for one in spec.variants] or [({}, spec)]
    return joined(
        [
            Variant(setting=setting, lock=variant_of(one, spec_sha256=spec.digest))
            for setting, one in asked
        ]
    )


def variant_of(spec: Spec, *, spec_sha256: str) -> Lock:
    load, base = spec.workload.load, locks.make_lock()
    return locks.make_lock(
        spec={"name": spec.name, "sha256": spec_sha256},
        prompts={"random": {"sha256": "a" * 64, "seed": 0}}
        if "random" in spec.workload.inputs
        else {},
        engine={"max_sequences": spec.engine.max_sequences},
        sampling={"temperature": spec.workload.sampling.temperature},
        points={
            "load": {
                **base.points["load"],
                "mode": load.mode,
                "concurrency": list(load.concurrency),
                "rate": list(load.rate),
                "arrival": load.arrival,
                "duration_s": load.duration_s,
            },
            "inputs": list(spec.workload.inputs),
            "draft_length": spec.drafter.draft_length,
        },
    )


def run_of(lock: Lock, failed: str = "", *, measured: int = 0) -> RunData:
    """A run of a lock's plan; the job of that name failed when it had measured so many phases."""
    jobs = [
        make_failed_job(job, "the engine died with exit code 9", measured=measured)
        if job.name == failed
        else make_job(job)
        for job in make_plan(lock).jobs
    ]
    return RunData(jobs=tuple(jobs), seed=0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> SealInputs:
    lock = lock_of(SWEEP)
    return inputs_of(SWEEP, lock, run_of(lock, "r1-ngram-3"), tmp_path_factory.mktemp("sweep"))


Found = Callable[..., set[str]]


@pytest.fixture
def found(good: GoodBundle, inputs: SealInputs, tmp_path: Path) -> Found:
    """Seal the sweep with something changed; return the codes of what `verify` finds."""

    def call(**changes: Any) -> set[str]:
        bundle = seal(replace(inputs, **changes), tmp_path / "bundle", signer=good.signer, now=NOW)
        return codes(good.verify(bundle))

    return call


def test_sweep_with_a_failed_job_is_a_good_bundle(inputs: SealInputs, found: Found) -> None:
    names = [job.name for job in make_plan(inputs.lock).jobs]
    assert names == ["r1-none", "r1-ngram-2", "r1-ngram-3"]
    settings = [phase.setting for phase in inputs.run.jobs[1].phases]
    assert settings == [
        {"workload.sampling.temperature": temperature} for temperature in (0, 0, 0.5, 0.5)
    ]
    assert found() == set()


def changed(inputs: SealInputs, number: int, **changes: Any) -> RunData:
    """The run with one job changed."""
    jobs = list(inputs.run.jobs)
    jobs[number] = replace(jobs[number], **changes)
    return replace(inputs.run, jobs=tuple(jobs))


@pytest.mark.parametrize("measured", [0, 1, 3])
def test_what_a_failed_job_had_measured_is_kept(
    measured: int, inputs: SealInputs, found: Found
) -> None:
    run = run_of(inputs.lock, "r1-ngram-3", measured=measured)
    assert len(run.jobs[2].phases) == measured
    assert found(run=run) == set()


def test_phase_of_a_failed_job_left_out_is_found(inputs: SealInputs, found: Found) -> None:
    job = run_of(inputs.lock, "r1-ngram-3", measured=2).jobs[2]
    assert found(run=changed(inputs, 2, phases=job.phases[1:])) == {"recompute.plan"}


def test_missing_phase_that_is_not_said_to_be_is_found(inputs: SealInputs, found: Found) -> None:
    missing = inputs.run.jobs[2].missing
    assert found(run=changed(inputs, 2, missing=missing[1:])) == {"recompute.plan"}


def test_half_a_phase_of_a_failed_job_is_found(inputs: SealInputs, found: Found) -> None:
    first, second = run_of(inputs.lock, "r1-ngram-3", measured=2).jobs[2].phases
    half = replace(second, records=second.records[:3])
    missing = inputs.run.jobs[2].missing[2:]
    run = changed(inputs, 2, phases=(first, half), missing=missing)
    assert found(run=run) == {"recompute.plan"}


@pytest.mark.parametrize("name", ["engine_version_found", "method_found", "draft_length_found"])
def test_what_was_seen_of_an_engine_stands_in_the_environment(
    name: str, inputs: SealInputs, found: Found
) -> None:
    seen: dict[str, Any] = {name: 9 if name == "draft_length_found" else "other"}
    assert "recompute.jobs" in found(run=changed(inputs, 1, **seen))


def test_failure_left_out_is_found(inputs: SealInputs, found: Found) -> None:
    assert found(run=changed(inputs, 2, failure="")) == {"recompute.plan"}


def test_reason_of_a_failure_altered_is_found(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path
) -> None:
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    counts = bundle / "counts.json"
    counts.write_bytes(counts.read_bytes().replace(b"exit code 9", b"exit code 0"))
    good.sign_again(bundle, inputs=inputs)
    report = good.verify(bundle)
    assert codes(report) == {"recompute.failures"}
    (message,) = [check.message for check in report.checks if check.code == "recompute.failures"]
    assert "exit code 9" in message
    assert "exit code 0" in message


@pytest.mark.parametrize("value", ["hot", True, 0.25])
def test_setting_of_a_failure_told_as_another_kind_of_value_is_a_no_and_no_crash(
    good: GoodBundle, inputs: SealInputs, tmp_path: Path, value: object
) -> None:
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)

    def change(result: dict[str, Any]) -> None:
        missing = result["failures"][0]["missing"][-1]
        assert missing["workload.sampling.temperature"] == 0.5
        missing["workload.sampling.temperature"] = value

    edit(bundle / "result.json", change)
    good.sign_again(bundle, inputs=inputs)
    assert codes(good.verify(bundle)) == {"recompute.failures"}


def test_jobs_in_another_order_than_the_plans_are_found(inputs: SealInputs, found: Found) -> None:
    run = replace(inputs.run, jobs=inputs.run.jobs[::-1])
    environment = {**inputs.environment, "jobs": inputs.environment["jobs"][::-1]}
    assert found(run=run, environment=environment) == {"recompute.plan"}


def test_figures_of_one_setting_under_the_name_of_another_are_found(
    inputs: SealInputs, found: Found
) -> None:
    first, second, third, fourth = inputs.run.jobs[1].phases
    swapped = (
        replace(first, setting=third.setting),
        second,
        replace(third, setting=first.setting),
        fourth,
    )
    assert found(run=changed(inputs, 1, phases=swapped)) == {"recompute.plan"}


def test_random_prompts_of_other_lengths_than_the_data_sets_are_found(
    inputs: SealInputs, found: Found
) -> None:
    def shorter(phase: PhaseData) -> PhaseData:
        if phase.input != "random":
            return phase
        return replace(phase, records=tuple(replace(one, input_tokens=6) for one in phase.records))

    phases = tuple(map(shorter, inputs.run.jobs[1].phases))
    assert found(run=changed(inputs, 1, phases=phases)) == {"recompute.records"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("fewer", lambda variants: variants[:-1]),
        (
            "other setting",
            lambda variants: [
                *variants[:-1],
                {**variants[-1], "setting": {"drafter.draft_length": 9}},
            ],
        ),
        (
            "other section",
            lambda variants: [
                *variants[:-1],
                {**variants[-1], "sections": {}},
            ],
        ),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_lock_with_other_variants_than_the_specs_sweep_is_found(
    inputs: SealInputs,
    found: Found,
    name: str,
    changes: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    lock = replace(inputs.lock, variants=changes(inputs.lock.variants))
    environment = {**inputs.environment, "lock_sha256": lock.digest, "recipe": lock.recipe}
    assert found(lock=lock, environment=environment) == {"schemas.disagree"}


def timed(load: bytes) -> tuple[bytes, Lock]:
    text = SPEC.replace(b"load: {mode: closed, concurrency: [1, 2]}", b"load: " + load)
    assert text != SPEC
    if b"open" in load:
        text = text.replace(b"context_length: 4096", b"context_length: 4096, max_sequences: 8")
    return text, lock_of(text)


def sent(job: JobData, numbers: list[int]) -> JobData:
    """A job whose one phase sent these of its conversations, numbered through all cycles."""
    (phase,) = job.phases
    count = len(locks.CONVERSATIONS)
    apart_ns = round(1e9 / (phase.load.rate or 1.0))
    records = tuple(
        sent_at(replace(phase.records[number % count], cycle=number // count), number * apart_ns)
        for number in numbers
    )
    return replace(job, phases=(as_recorded(replace(phase, records=records)),))


def codes_of_timed(
    good: GoodBundle, folder: Path, load: bytes, numbers: list[int], processes: int = 1
) -> set[str]:
    text, lock = timed(load)
    run = run_of(lock)
    jobs = [sent(job, numbers) for job in run.jobs]
    for index, job in enumerate(jobs):
        status = replace(job.phases[0].status, client_processes=processes)
        jobs[index] = replace(job, phases=(replace(job.phases[0], status=status),))
    run = replace(run, jobs=tuple(jobs))
    inputs = inputs_of(text, lock, run, folder)
    return codes(good.verify(seal(inputs, folder / "bundle", signer=good.signer, now=NOW)))


CLOSED = b"{mode: closed, concurrency: [2], duration_s: 60}"


@pytest.mark.parametrize(
    ("numbers", "processes"),
    [
        ([0, 1], 1),
        ([*range(6), 6, 7, 8], 1),
        ([8, 7, 6, *range(6)], 1),
        ([0, 1, 2, 4, 6, 8], 2),
    ],
    ids=["part of a cycle", "over a cycle", "in another order", "one process was slower"],
)
def test_phase_limited_by_time_may_end_after_any_conversation(
    good: GoodBundle, tmp_path: Path, numbers: list[int], processes: int
) -> None:
    assert codes_of_timed(good, tmp_path, CLOSED, numbers, processes) == set()


@pytest.mark.parametrize(
    ("numbers", "processes"),
    [([0, 2], 1), ([1, 2], 1), ([], 1), ([0, 1, 4], 2), ([0, 5, 7], 10**9)],
    ids=["a gap", "without the first", "none", "a gap of one process", "too many processes"],
)
def test_phase_limited_by_time_that_leaves_one_out_is_found(
    good: GoodBundle, tmp_path: Path, numbers: list[int], processes: int
) -> None:
    assert codes_of_timed(good, tmp_path, CLOSED, numbers, processes) == {"recompute.plan"}


OPEN = b"{mode: open, rate: [2.5], arrival: constant, duration_s: 4}"


def test_open_load_sends_as_many_as_its_schedule_has(good: GoodBundle, tmp_path: Path) -> None:
    assert codes_of_timed(good, tmp_path, OPEN, [*range(10)]) == set()


def test_open_load_whose_last_conversation_is_left_out_is_found(
    good: GoodBundle, tmp_path: Path
) -> None:
    assert codes_of_timed(good, tmp_path, OPEN, [*range(9)]) == {"recompute.plan"}


RATES = [0.001 + 0.000001 * number for number in range(110)]
ENDLESS: dict[str, tuple[bytes, bytes, dict[str, Any]]] = {
    "jobs": (b"repeats: 1", b"repeats: 1000000000", {"repeats": 10**9}),
    "phases in which nothing is sent": (
        b"{mode: closed, concurrency: [1, 2]}\n  repeats: 1\n",
        b"{mode: open, arrival: constant, duration_s: 0.001, rate: ["
        + b",".join(b"%.6f" % rate for rate in RATES)
        + b"]}\n  repeats: 100\n",
        {
            "repeats": 100,
            "load": {
                "mode": "open", "concurrency": [], "rate": [float(f"{one:.6f}") for one in RATES],
                "arrival": "constant", "duration_s": 0.001, "requests": None,
            },
        },
    ),
    "conversations to warm up": (
        b"repeats: 1", b"repeats: 5000", {"repeats": 5000, "warmup": ["math-0"] * 2_001}
    ),
}  # fmt: skip


@pytest.mark.parametrize("endless", ENDLESS)
def test_plan_without_end_is_refused_before_it_is_made(
    good: GoodBundle, tmp_path: Path, endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, points = ENDLESS[endless]
    text = SPEC.replace(old, new).replace(b"context_length:", b"max_sequences: 4, context_length:")
    spec = parse_spec(text, path="spec.yaml")
    lock = locks.make_lock(
        spec={"name": spec.name, "sha256": spec.digest},
        engine={"max_sequences": 4},
        points=points,
    )
    inputs = inputs_of(text, lock, good.inputs.run, tmp_path)
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    monkeypatch.delattr(against_plan, "make_plan")
    report = good.verify(bundle)
    assert codes(report) == {"recompute.plan"}
    assert "more than a bundle may hold" in report.to_text()
