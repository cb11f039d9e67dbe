"""The client watching itself."""

from __future__ import annotations

import asyncio
import gc
import time

from specseal.client.ownhealth import OwnHealth, watch


def test_percentile_is_the_nearest_rank() -> None:
    health = OwnHealth(lags_ns=list(range(200, 0, -1)))
    assert (health.lag_p99_ns, health.lag_max_ns) == (198, 200)


def test_phase_shorter_than_a_sample_has_no_lag() -> None:
    assert (OwnHealth().lag_p99_ns, OwnHealth().lag_max_ns) == (0, 0)


def test_loop_that_was_blocked_shows_at_least_that_lag() -> None:
    async def block() -> OwnHealth:
        async with watch() as health:
            await asyncio.sleep(0.001)
            time.sleep(0.1)
            await asyncio.sleep(0.03)
        return health

    assert asyncio.run(block()).lag_max_ns >= 79_000_000


def test_collector_rests_during_a_phase_and_is_back_after_it() -> None:
    async def look() -> bool:
        async with watch():
            return gc.isenabled()

    assert asyncio.run(look()) is False
    assert gc.isenabled()
