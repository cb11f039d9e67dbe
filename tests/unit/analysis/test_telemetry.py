from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specseal.analysis.telemetry import (
    Window,
    accelerator_watts,
    others_cpu,
    throttled_samples,
)
from unit.analysis.builders import telemetry

SECOND = 1_000_000_000


def window(start_s: float, end_s: float, seconds: int = 10, held: int = 2, **fields):
    return Window(
        held=held,
        samples=telemetry(seconds, **fields),
        start_ns=int(start_s * SECOND),
        end_ns=int(end_s * SECOND),
    )


def test_counter_is_interpolated_to_the_ends_of_the_window():
    # 10 J/s up to 5 s, then 30 J/s.
    energy = {"package_energy_j": lambda s: 10 * s if s <= 5 else 50 + 30 * (s - 5)}

    assert window(4.5, 6.5, **energy).rate("package_energy_j") == pytest.approx((5 + 1.5 * 30) / 2)


def test_power_between_samples_lies_on_their_line():
    # A ramp from 100 W at 2 s to 200 W at 3 s; the window is the middle half of it.
    power = {"accelerator0_power_w": lambda s: 100 if s <= 2 else 200}

    assert window(2.25, 2.75, **power).mean("accelerator0_power_w") == pytest.approx(150)
    assert window(2.0, 4.0, **power).mean("accelerator0_power_w") == pytest.approx(175)


def test_share_since_the_last_sample_counts_for_the_time_before_it():
    percent = {"cpu_percent": lambda s: 100 if s == 3 else 0}  # busy between 2 s and 3 s

    assert window(2, 3, **percent).mean_since_last("cpu_percent") == pytest.approx(100)
    assert window(2.5, 4.5, **percent).mean_since_last("cpu_percent") == pytest.approx(25)


def test_samples_that_miss_a_tenth_of_the_window_do_and_more_do_not():
    energy = {"package_energy_j": lambda s: 5 * s}

    assert window(1, 11, **energy).rate("package_energy_j") == pytest.approx(5)
    assert window(1, 11.2, **energy).rate("package_energy_j") is None
    assert window(20, 30, **energy).rate("package_energy_j") is None


def test_field_that_some_samples_lack_is_read_from_the_others():
    energy = {"package_energy_j": lambda s: None if s in {3, 4, 7} else 5 * s}

    assert window(2, 8, **energy).rate("package_energy_j") == pytest.approx(5)


@pytest.mark.parametrize("fields", [{}, {"package_energy_j": lambda s: 1 if s == 4 else None}])
def test_without_two_samples_nothing_is_told(fields):
    assert window(2, 8, **fields).rate("package_energy_j") is None


def test_counter_that_began_anew_tells_nothing():
    energy = {"package_energy_j": lambda s: 500 + s if s < 5 else s}

    assert window(2, 8, **energy).rate("package_energy_j") is None


def test_extremes_are_of_samples_within_the_window_alone():
    memory = {"engine_memory_bytes": lambda s: s * s}

    assert window(2, 4.5, **memory).greatest("engine_memory_bytes") == 16
    assert window(2, 4.5, **memory).least("engine_memory_bytes") == 4
    assert window(2.1, 2.9, **memory).least("engine_memory_bytes") is None


def test_accelerators_add_up_by_counter_where_they_have_one_and_by_power_where_not():
    both = window(
        2,
        8,
        accelerator0_energy_j=lambda s: 300 * s,
        accelerator0_power_w=0.0,  # read at bad moments: the counter goes before it
        accelerator1_power_w=200.0,
    )

    assert accelerator_watts(both) == pytest.approx(500)


def test_power_of_some_accelerators_is_not_that_of_all():
    one = window(2, 8, accelerator0_power_w=300.0, accelerator1_clock_mhz=1980)

    assert accelerator_watts(one) is None
    assert accelerator_watts(window(2, 8, accelerator0_power_w=300.0)) is None  # of 2 held
    assert accelerator_watts(window(2, 8, cpu_mhz=2400)) is None


def test_accelerators_of_other_jobs_are_not_counted():
    eight = {f"accelerator{i}_power_w": 100.0 for i in range(8)}

    assert accelerator_watts(window(2, 8, held=8, **eight)) == pytest.approx(800)
    assert accelerator_watts(window(2, 8, held=2, **eight)) is None
    assert throttled_samples(window(2, 8, held=0, accelerator0_throttle="sw_power_cap")) is None


@pytest.mark.parametrize(
    ("utilization", "watts"),
    [
        ((0, 90, 0, 80), 500.0),
        ((0, 90, 0, 0), None),
        ((1, 90, 0, 80), None),
        ((None, 90, 0, 80), None),
    ],
    ids=["as many as it held", "fewer", "more", "one does not tell"],
)
def test_accelerators_of_a_job_among_others_are_those_that_worked(utilization, watts):
    fields = {f"accelerator{i}_power_w": 100.0 * (1 + i) for i in range(4)}
    fields["accelerator3_power_w"] = 300.0
    fields |= {
        f"accelerator{i}_utilization_percent": lambda s, most=most: most and most * (s == 5)
        for i, most in enumerate(utilization)
    }

    assert accelerator_watts(window(2, 8, held=2, **fields)) == watts


def test_throttling_is_watched_on_those_that_worked():
    fields = {f"accelerator{i}_throttle": "sw_power_cap" if i else "" for i in range(3)}
    fields |= {f"accelerator{i}_utilization_percent": 50 * (i > 0) for i in range(3)}

    assert throttled_samples(window(2, 8, held=2, **fields)) == (7, 7)


def test_cpu_time_of_others_is_what_engine_and_client_leave_of_the_machine():
    busy = window(
        2,
        8,
        cpus=4,
        cpu_percent=60.0,
        engine_cpu_s=lambda s: 1.5 * s,
        client_cpu_s=lambda s: 0.1 * s,
    )

    others = others_cpu(busy)
    assert others is not None
    assert (others.cores, others.share) == (pytest.approx(2.4 - 1.6), pytest.approx(0.6 - 1.6 / 4))


def test_samples_are_throttled_if_any_accelerator_is():
    some = window(
        2,
        8,
        accelerator0_throttle=lambda s: "hw_thermal_slowdown" if s in {1, 3} else "",
        accelerator1_throttle=lambda s: None if s == 5 else "sw_power_cap" if s == 4 else "",
    )

    assert throttled_samples(some) == (2, 7)
    assert throttled_samples(window(2, 8, accelerator0_power_w=1.0)) is None


@given(
    values=st.lists(st.floats(0, 1e6), min_size=11, max_size=11),
    ends=st.tuples(st.floats(0, 10), st.floats(0, 10)).filter(lambda e: abs(e[0] - e[1]) > 0.01),
)
def test_a_mean_lies_between_the_extremes(values, ends):
    whole = window(*sorted(ends), cpu_mhz=values.__getitem__)

    for mean in (whole.mean("cpu_mhz"), whole.mean_since_last("cpu_mhz")):
        assert mean is not None
        assert min(values) - 1e-3 <= mean <= max(values) + 1e-3
