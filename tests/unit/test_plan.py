"""From a lock to jobs and phases: order, sharing of launches, schedules, names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locks import make_lock
from specseal.plan import choose_conversations, loads, make_plan, schedule, warmup_count
from specseal.records import Load
from specseal.spec.locked import Lock, Variant, joined

PROMPTS = [
    {"id": f"{category}-{number}", "category": category}
    for category in ("coding", "math", "qa")
    for number in range(4)
]
RANDOM = {"sha256": "a" * 64, "seed": 0}


def lock(**points: Any) -> Lock:
    base = make_lock()
    load = {**base.points["load"], "concurrency": [1, 4], **points.pop("load", {})}
    every = {"repeats": 2, "draft_length": 4, "load": load}
    return make_lock(points={**every, **points}, prompts={"random": RANDOM})


def sweep(path: str, *locks: Lock, values: list[Any]) -> Lock:
    pairs = zip(values, locks, strict=True)
    return joined([Variant(setting={path: value}, lock=one) for value, one in pairs])


def draft_lengths(*lengths: int, **points: Any) -> Lock:
    return sweep(
        "drafter.draft_length",
        *(lock(draft_length=length, **points) for length in lengths),
        values=list(lengths),
    )


def test_repeats_run_in_abba_order() -> None:
    jobs = make_plan(lock(repeats=3)).jobs
    assert [(job.repeat, job.method) for job in jobs] == [
        (0, "none"), (0, "ngram"), (1, "ngram"), (1, "none"), (2, "none"), (2, "ngram"),
    ]  # fmt: skip


def test_a_job_warms_up_and_then_has_a_phase_a_load_level() -> None:
    job = make_plan(lock()).jobs[0]
    phases = [(phase.name, phase.measured, phase.load.concurrency) for phase in job.phases]
    assert phases == [("warmup", False, 1), ("c1", True, 1), ("c4", True, 4)]
    assert job.max_sequences == 4


@pytest.mark.parametrize(("at_once", "count"), [(1, 2), (4, 4), (16, 16), (512, 16)])
def test_a_warm_up_has_a_conversation_for_each_that_is_in_flight_within_bounds(
    at_once: int, count: int
) -> None:
    assert warmup_count(at_once) == count


def test_a_stated_number_of_sequences_is_the_engines_whatever_the_load() -> None:
    stated = lock()
    stated.engine["max_sequences"] = 7
    assert {job.max_sequences for job in make_plan(stated).jobs} == {7}


def test_speculation_and_baseline_get_the_same_conversations_in_the_same_order() -> None:
    first, second = make_plan(lock(conversations=["math-2", "math-0", "coding-1"])).jobs[:2]
    assert first.phases == second.phases
    assert first.phases[1].conversations == ("math-2", "math-0", "coding-1")


def test_without_a_baseline_only_speculation_runs() -> None:
    assert {job.method for job in make_plan(lock(baseline="none")).jobs} == {"ngram"}


def test_a_spec_without_speculation_runs_the_baseline_alone() -> None:
    plain = lock(baseline="none", draft_length=0)
    plain.drafter["method"] = "none"
    assert [job.method for job in make_plan(plain).jobs] == ["none", "none"]


def test_both_inputs_share_a_launch_and_turn_round_with_the_repeats() -> None:
    both = make_plan(lock(inputs=["dataset", "random"], load={"concurrency": [2]})).jobs
    names = [[phase.name for phase in job.phases[1:]] for job in both]
    assert names == [["c2", "c2-random"]] * 2 + [["c2-random", "c2"]] * 2
    dataset, given_random = both[0].phases[1:]
    assert dataset.conversations == given_random.conversations
    assert (dataset.prompts, given_random.prompts) == ("9" * 64, RANDOM["sha256"])


def test_what_is_wrong_with_rendered_prompts_is_not_said_of_random_ones() -> None:
    flawed = lock(inputs=["dataset", "random"], load={"concurrency": [2]})
    flawed.prompts.update({"history_not_rewritten": True, "bos_doubled": True})
    dataset, given_random = make_plan(flawed).jobs[0].phases[1:]
    assert (dataset.history_not_rewritten, dataset.bos_doubled) == (True, True)
    assert (given_random.history_not_rewritten, given_random.bos_doubled) == (False, False)


def test_a_sweep_of_draft_lengths_shares_one_baseline_a_repeat() -> None:
    jobs = make_plan(draft_lengths(1, 2, 8)).jobs
    assert [job.name for job in jobs] == [
        "r1-none", "r1-ngram-1", "r1-ngram-2", "r1-ngram-8",
        "r2-ngram-8", "r2-ngram-2", "r2-ngram-1", "r2-none",
    ]  # fmt: skip
    assert [job.variant for job in jobs[:4]] == [0, 0, 1, 2]
    assert all(phase.setting == {} for job in jobs for phase in job.phases)


def test_variants_that_differ_in_sampling_only_share_their_launches() -> None:
    short, long = lock(load={"concurrency": [1]}), lock(load={"concurrency": [1]})
    long.sampling["max_tokens"] = 64
    path = "workload.sampling.max_tokens"
    jobs = make_plan(sweep(path, short, long, values=[8, 64])).jobs
    assert [job.name for job in jobs] == ["r1-none", "r1-ngram", "r2-ngram", "r2-none"]
    phases = jobs[0].phases[1:]
    assert [(phase.name, phase.sampling["max_tokens"]) for phase in phases] == [
        ("c1", 8),
        ("c1-2", 64),
    ]
    assert [phase.setting for phase in phases] == [{path: 8}, {path: 64}]


def test_load_levels_of_two_variants_are_one_launch_with_room_for_the_largest() -> None:
    few, many = lock(load={"concurrency": [1, 2]}), lock(load={"concurrency": [2, 4]})
    jobs = make_plan(sweep("workload.load.concurrency", few, many, values=["[1,2]", "[2,4]"])).jobs
    assert len(jobs) == 4
    assert [phase.name for phase in jobs[0].phases] == ["warmup", "c1", "c2", "c4"]
    assert jobs[0].max_sequences == 4


def test_a_sweep_of_the_drafters_arguments_shares_a_baseline_that_knows_nothing_of_them() -> None:
    small, large = lock(), lock()
    small.drafter["args"], large.drafter["args"] = {"ngram_min": 2}, {"ngram_min": 5}
    jobs = make_plan(sweep("drafter.args.ngram_min", small, large, values=[2, 5])).jobs
    assert [job.name for job in jobs[:3]] == ["r1-none", "r1-ngram-v1", "r1-ngram-v2"]
    assert [job.phases[1].setting for job in jobs[:3]] == [
        {},
        {"drafter.args.ngram_min": 2},
        {"drafter.args.ngram_min": 5},
    ]


def test_each_engine_setting_has_a_baseline_of_its_own_beside_it() -> None:
    one, other = lock(repeats=1), lock(repeats=1)
    other.engine["context_length"] = 2048
    jobs = make_plan(sweep("engine.context_length", one, other, values=[4096, 2048])).jobs
    assert [(job.method, job.variant) for job in jobs] == [
        ("none", 0), ("ngram", 0), ("none", 1), ("ngram", 1),
    ]  # fmt: skip
    assert len({job.name for job in jobs}) == 4


def test_a_variant_with_fewer_repeats_is_absent_from_the_later_ones() -> None:
    jobs = make_plan(
        sweep(
            "drafter.draft_length",
            lock(draft_length=1, repeats=1),
            lock(draft_length=2, repeats=2),
            values=[1, 2],
        )
    ).jobs
    assert [job.name for job in jobs if job.repeat == 1] == ["r2-ngram-2", "r2-none"]


def test_names_tell_every_job_from_every_other() -> None:
    names = [job.name for job in make_plan(draft_lengths(1, 2, 4, 8, repeats=3)).jobs]
    assert len(set(names)) == len(names) == 15


@pytest.mark.parametrize(
    ("load", "names"),
    [
        ({"mode": "open", "rate": [0.5, 20.0], "arrival": "poisson", "concurrency": []},
         ["0.5rps", "20rps"]),
        ({"mode": "burst", "concurrency": [3]}, ["burst3"]),
        ({"mode": "ramp", "concurrency": [3], "duration_s": 9.0}, ["ramp3"]),
    ],
)  # fmt: skip
def test_phases_are_named_by_their_load(load: dict[str, Any], names: list[str]) -> None:
    asked = lock(load=load)
    asked.engine["max_sequences"] = 4
    assert [phase.name for phase in make_plan(asked).jobs[0].phases[1:]] == names
    assert [one.mode for one in loads(asked.points["load"])] == [load["mode"]] * len(names)


def test_the_schedule_of_an_open_load_is_fixed_before_the_run_and_the_same_for_all_jobs() -> None:
    load = {"mode": "open", "rate": [5.0], "arrival": "poisson", "concurrency": []}
    asked = lock(load=load)
    asked.engine["max_sequences"] = 4
    schedules = {job.phases[1].offsets_ns for job in make_plan(asked).jobs}
    assert len(schedules) == 1
    assert len(schedules.pop()) == len(asked.points["conversations"])


def test_constant_arrivals_are_evenly_spaced() -> None:
    load = Load(mode="open", rate=4.0, arrival="constant")
    assert schedule(load, 4, seed=0) == (0, 250_000_000, 500_000_000, 750_000_000)


@given(seed=st.integers(0, 2**32), rate=st.floats(0.5, 200))
def test_poisson_arrivals_never_run_backwards_and_keep_to_the_duration(
    seed: int, rate: float
) -> None:
    load = Load(mode="open", rate=rate, arrival="poisson", duration_s=3.0)
    instants = schedule(load, 1, seed=seed)
    assert instants[0] == 0
    assert all(before <= after for before, after in pairwise(instants))
    assert instants[-1] < 3e9
    assert instants == schedule(load, 99, seed=seed)


def test_poisson_arrivals_have_the_rate_and_the_spread_that_they_should() -> None:
    instants = schedule(Load(mode="open", rate=10.0, arrival="poisson"), 20_000, seed=1)
    gaps = [(after - before) / 1e9 for before, after in pairwise(instants)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.1, rel=0.03)
    assert deviation == pytest.approx(0.1, rel=0.03)  # an exponential's equals its mean


def test_another_seed_or_rate_gives_another_schedule() -> None:
    load = Load(mode="open", rate=10.0, arrival="poisson")
    assert schedule(load, 5, seed=1) != schedule(load, 5, seed=2)
    faster = schedule(replace(load, rate=20.0), 5, seed=1)
    assert schedule(load, 5, seed=1) != tuple(2 * instant for instant in faster)


@pytest.mark.parametrize("count", [3, 6, 9, 12])
def test_a_subset_has_as_many_of_every_category(count: int) -> None:
    chosen = choose_conversations(PROMPTS, count=count, seed=7)
    spread = Counter(name.partition("-")[0] for name in chosen)
    assert set(spread.values()) == {count // 3}


@given(count=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_the_choice_repeats_with_its_seed_and_has_no_conversation_twice(
    count: int, seed: int
) -> None:
    chosen = choose_conversations(PROMPTS, count=count, seed=seed)
    assert chosen == choose_conversations(list(reversed(PROMPTS)), count=count, seed=seed)
    assert len(set(chosen)) == len(chosen) == min(count, len(PROMPTS))


def test_phases_that_differ_in_their_number_of_requests_only_are_told_apart() -> None:
    few, many = (lock(load={"concurrency": [1], "requests": count}) for count in (2, 4))
    path = "workload.load.requests"
    for job in make_plan(sweep(path, few, many, values=[2, 4])).jobs:
        assert [phase.setting for phase in job.phases[1:]] == [{path: 2}, {path: 4}]


def test_a_whole_load_that_is_swept_tells_its_number_of_requests() -> None:
    few, many = (lock(load={"concurrency": [1], "requests": count}) for count in (2, 4))
    jobs = make_plan(sweep("workload.load", few, many, values=["few", "many"])).jobs
    assert [phase.setting for phase in jobs[0].phases[1:]] == [
        {"workload.load.requests": 2},
        {"workload.load.requests": 4},
    ]


def test_a_shared_launch_warms_up_for_the_largest_load() -> None:
    few = lock(load={"concurrency": [1]}, warmup=["math-0"])
    many = lock(load={"concurrency": [4]}, warmup=["math-0", "math-1", "math-2"])
    job = make_plan(sweep("workload.load.concurrency", few, many, values=["[1]", "[4]"])).jobs[0]
    assert job.phases[0].conversations == ("math-0", "math-1", "math-2")
    assert job.phases[0].load.concurrency == 3


def test_every_repeat_of_a_launch_has_the_same_flags() -> None:
    few = lock(repeats=2, load={"concurrency": [1]})
    many = lock(repeats=1, load={"concurrency": [4]})
    jobs = make_plan(sweep("workload", few, many, values=["few", "many"])).jobs
    assert {job.max_sequences for job in jobs} == {4}
