"""The client watching itself."""

from __future__ import annotations

import asyncio
import gc
import os
import time

from specseal.client.ownhealth import Health, OwnHealth, together, watch


def test_percentile_is_the_nearest_rank() -> None:
    health = OwnHealth(lags_ns=list(range(200, 0, -1))).so_far()
    assert (health.lag_p99_ns, health.lag_max_ns) == (198, 200)


def test_phase_shorter_than_a_sample_has_no_lag() -> None:
    health = OwnHealth().so_far()
    assert (health.lag_p99_ns, health.lag_max_ns) == (0, 0)


def test_loop_that_was_blocked_shows_at_least_that_lag() -> None:
    async def block() -> OwnHealth:
        async with watch() as health:
            await asyncio.sleep(0.001)
            time.sleep(0.1)
            await asyncio.sleep(0.03)
        return health

    assert asyncio.run(block()).so_far().lag_max_ns >= 79_000_000


def test_collector_rests_during_a_phase_and_is_back_after_it() -> None:
    async def look() -> bool:
        async with watch():
            return gc.isenabled()

    assert asyncio.run(look()) is False
    assert gc.isenabled()


def test_several_processes_are_as_late_as_the_worst_and_as_large_as_all() -> None:
    quick = Health(
        lag_p99_ns=1, lag_max_ns=9, cpu_share=0.5, cpu_total=0.5, cpus=2, memory_bytes=10
    )
    late = Health(
        lag_p99_ns=5, lag_max_ns=6, cpu_share=0.25, cpu_total=0.25, cpus=2, memory_bytes=30
    )
    assert together([quick, late]) == Health(
        lag_p99_ns=5, lag_max_ns=9, cpu_share=0.5, cpu_total=0.75, cpus=2, memory_bytes=40
    )


def test_process_counts_the_cpus_that_it_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert OwnHealth(cpu_share=0.5).so_far().cpus == 1
    finally:
        os.sched_setaffinity(0, before)


def test_memory_is_the_most_that_was_ever_resident() -> None:
    assert OwnHealth().so_far().memory_bytes > 5_000_000, "no Python is smaller than that"
