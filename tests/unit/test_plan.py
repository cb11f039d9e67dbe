from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locks import make_lock
from specseal.plan import choose_conversations, make_plan
from specseal.spec.locked import Lock

PROMPTS = [
    {"id": f"{category}-{number}", "category": category}
    for category in ("coding", "math", "qa")
    for number in range(4)
]


def lock(**points: Any) -> Lock:
    every = {"concurrency": [1, 4], "repeats": 2, "draft_length": 4}
    return make_lock(points={**every, **points})


def test_repeats_run_in_abba_order() -> None:
    jobs = make_plan(lock(repeats=3)).jobs
    assert [(job.repeat, job.method) for job in jobs] == [
        (0, "none"), (0, "ngram"), (1, "ngram"), (1, "none"), (2, "none"), (2, "ngram"),
    ]  # fmt: skip


def test_a_job_warms_up_and_then_has_a_phase_a_load_level() -> None:
    job = make_plan(lock()).jobs[0]
    phases = [(phase.name, phase.measured, phase.concurrency) for phase in job.phases]
    assert phases == [("warmup", False, 1), ("c1", True, 1), ("c4", True, 4)]
    assert job.max_concurrency == 4


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
