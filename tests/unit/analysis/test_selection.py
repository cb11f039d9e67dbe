"""What is pooled, what is never pooled, and which baseline belongs to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.analysis import Result, analyse
from specseal.records import Load
from unit.analysis.builders import MS, baseline, failed, job, metric, phase, plain, record, run


def wheres(result: Result, name: str = "requests", **of: object) -> list[dict[str, object]]:
    found = [m.where for m in result.metrics if m.name == name]
    return [w for w in found if "category" not in w and of.items() <= w.items()]


def test_inputs_are_never_pooled():
    result = analyse(
        run(job(phase([record()]), phase([record(end_ns=200 * MS)], input="random"), devices=1))
    )

    assert {where["input"] for where in wheres(result)} == {"dataset", "random"}
    assert metric(result, "latency_mean").value == pytest.approx(0.160)
    assert metric(result, "latency_mean", input="random").value == pytest.approx(0.200)


def test_open_loads_are_told_apart_by_their_rate():
    slow, fast = phase([record()], rate=0.5), phase([record(end_ns=200 * MS)], rate=2.0)
    result = analyse(run(baseline(phase([plain()], rate=2.0)), job(fast, slow)))

    assert metric(result, "latency_mean", rate=0.5).value == pytest.approx(0.160)
    assert metric(result, "speedup_user_tps", rate=2.0).value == pytest.approx(0.8)
    assert metric(result, "speedup_user_tps", rate=0.5).reasons[0] == "no_baseline"
    assert metric(result, "requests").value == 2


def test_settings_of_a_sweep_are_never_pooled_and_stand_in_where():
    def of(limit: int):
        return phase([record()], setting={"workload.max_tokens": limit})

    result = analyse(run(job(of(64), of(128))))

    assert wheres(result, **{"workload.max_tokens": 64})
    assert not [where for where in wheres(result) if "workload.max_tokens" not in where]


def test_speculation_is_held_against_the_baseline_of_its_own_setting():
    def of(made, limit: int, end_ms: int):
        return phase([made(end_ns=end_ms * MS)], setting={"workload.max_tokens": limit})

    result = analyse(
        run(
            baseline(of(plain, 64, 200), of(plain, 128, 900)),
            job(of(record, 64, 160), of(record, 128, 300)),
        )
    )

    short, long = (
        metric(result, "speedup_user_tps", **{"workload.max_tokens": limit}) for limit in (64, 128)
    )
    assert short.value == pytest.approx(200 / 160)
    assert long.value == pytest.approx(3)


def test_variants_of_the_drafter_share_one_baseline():
    def of(path: str):
        return phase([record()], setting={"drafter.model.path": path, "model.dtype": "bf16"})

    result = analyse(
        run(
            baseline(phase([plain(end_ns=320 * MS)], setting={"model.dtype": "bf16"})),
            baseline(phase([plain(end_ns=480 * MS)], setting={"model.dtype": "fp16"}), repeat=0),
            job(of("a")),
            job(of("b")),
        )
    )

    for path in ("a", "b"):
        where = {"drafter.model.path": path, "model.dtype": "bf16"}
        assert metric(result, "speedup_user_tps", **where).value == pytest.approx(2)


def test_loads_of_one_level_but_different_modes_are_never_pooled():
    closed = phase([record()], load=Load(mode="closed", concurrency=4))
    burst = phase([record(end_ns=320 * MS)], load=Load(mode="burst", concurrency=4))
    result = analyse(run(job(closed, burst)))

    for mode, seconds in {"closed": 0.160, "burst": 0.320}.items():
        where = {"concurrency": 4, "workload.load.mode": mode}
        assert metric(result, "latency_mean", **where).value == pytest.approx(seconds)


def test_failed_job_contributes_nothing_and_breaks_nothing():
    broken = job(repeat=1, failure="the engine never became healthy")
    healthy = (baseline(phase([plain()])), job(phase([record()])))

    assert analyse(run(*healthy, broken)).metrics == analyse(run(*healthy)).metrics
    assert analyse(run(broken)).metrics == ()


def test_conversation_sent_again_pairs_with_its_own_cycle():
    slow = [plain(end_ns=200 * MS), plain(end_ns=600 * MS, cycle=1)]
    fast = [record(end_ns=100 * MS), record(end_ns=100 * MS, cycle=1), record(cycle=2)]
    result = analyse(run(baseline(phase(slow)), job(phase(fast))))

    speedup = metric(result, "speedup_user_tps")
    assert speedup.n == 2
    assert speedup.value == pytest.approx((40 + 40) / (20 + 4 / 0.6))


def test_conversation_sent_again_counts_again_in_the_harness_length():
    first = record(output_tokens=5, accepted_tokens=2, draft_tokens=4)  # 5 ÷ (1 + 2)
    again = record(output_tokens=9, accepted_tokens=0, draft_tokens=4, cycle=1)  # 9 ÷ (1 + 8)
    length = metric(analyse(run(job(phase([first, again])))), "acceptance_length_harness")

    assert length.value == pytest.approx((5 / 3 + 1) / 2)
    assert length.n == 2
    assert length.reasons == ("fewer_than_5_conversations",)


def test_order_of_jobs_and_phases_changes_nothing():
    def jobs(order: Sequence[int]):
        phases = [phase([record(f"q{i}")], concurrency=2**i) for i in range(3)]
        return [job(*(phases[i] for i in order), repeat=repeat) for repeat in order]

    assert analyse(run(*jobs((0, 1, 2)))) == analyse(run(*jobs((2, 0, 1))))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["coding", "math", "chat"]),
            st.sampled_from([1, 4]),
            st.booleans(),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_parts_add_up_to_the_whole(requests: list[tuple[str, int, bool, int]]):
    levels: dict[int, list] = {1: [], 4: []}
    for number, (category, level, completed, accepted) in enumerate(requests):
        made = record(f"q{number}", accepted_tokens=accepted) if completed else failed(f"q{number}")
        levels[level].append(replace(made, category=category))
    phases = [phase(made, concurrency=level) for level, made in levels.items() if made]
    result = analyse(run(job(*phases)))

    for name in ("requests", "failed_requests", "output_tokens", "acceptance_length_harness"):
        count = "n" if name.startswith("acceptance") else "value"
        found = [m for m in result.metrics if m.name == name]
        whole = [
            getattr(m, count) for m in found if {"category", "concurrency"}.isdisjoint(m.where)
        ]
        for split in ("category", "concurrency"):
            others = {"category", "concurrency"} - {split}
            parts = [m for m in found if split in m.where and others.isdisjoint(m.where)]
            assert sum(getattr(m, count) for m in parts) == whole[0]
