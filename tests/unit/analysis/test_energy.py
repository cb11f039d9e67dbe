from __future__ import annotations

import math
import statistics

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import job, metric, phase, run, telemetry, three
from unit.analysis.builders import record as request

GPU = "nvidia/h100-sxm5-80gb"


def launch(watts: float, *, repeat: int = 0, seconds: int = 10, devices: int = 1, **fields):
    """Return a launch of 12 output tokens in so many seconds, on one accelerator."""
    energy = {"accelerator0_energy_j": lambda second: watts * second}
    return job(
        phase(three(request), seconds=seconds),
        accelerator=GPU,
        accelerators_found=(GPU,) * devices,
        devices=devices,
        repeat=repeat,
        telemetry=telemetry(seconds, **{**energy, **fields}),
    )


def test_energy_of_a_token_is_mean_power_times_the_phase_over_its_tokens():
    result = analyse(run(launch(600.0)))

    power = metric(result, "accelerator_power_mean")
    assert (power.value, power.unit) == (pytest.approx(600), "W")
    energy = metric(result, "accelerator_energy_per_output_token")
    assert (energy.value, energy.unit) == (pytest.approx(600 * 10 / 12), "J/token")
    assert energy.reasons == ("fewer_than_3_launches",)
    assert energy.valid


def test_energy_has_an_interval_over_launches():
    watts = (500.0, 600.0, 700.0)
    energy = metric(
        analyse(run(*(launch(w, repeat=i) for i, w in enumerate(watts)))),
        "accelerator_energy_per_output_token",
    )

    # t(2, 97.5%) = 4.302653
    factor = math.exp(4.302653 * statistics.stdev(map(math.log, watts)) / 3**0.5)
    assert energy.n == 3
    assert energy.value == pytest.approx(500)
    assert (energy.low, energy.high) == pytest.approx((500 / factor, 500 * factor))


def test_phases_of_a_launch_weigh_by_their_time():
    fast = phase(three(request), seconds=2)
    slow = phase(three(request), concurrency=4, status={"start_ns": 2_000_000_000}, seconds=10)
    watts = {"package_energy_j": lambda second: 100 * second if second <= 2 else 50 * second + 100}
    result = analyse(run(job(fast, slow, telemetry=telemetry(10, **watts))))

    assert metric(result, "package_power_mean", concurrency=1).value == pytest.approx(100)
    assert metric(result, "package_power_mean", concurrency=4).value == pytest.approx(50)
    both = (100 * 2 + 50 * 8) / 10
    assert metric(result, "package_power_mean").value == pytest.approx(both)
    assert metric(result, "package_energy_per_output_token").value == pytest.approx(both * 10 / 24)


def test_without_telemetry_energy_is_absent_and_says_why():
    result = analyse(run(job(phase(three(request)), accelerator=GPU, accelerators_found=(GPU,))))

    for name in ("accelerator_power_mean", "package_energy_per_output_token"):
        absent = metric(result, name)
        assert (absent.value, absent.valid, absent.reasons) == (
            None,
            False,
            ("no_energy_telemetry",),
        )


def test_launch_that_was_not_sampled_leaves_the_others_their_energy():
    result = analyse(run(launch(600.0), launch(0.0, repeat=1, accelerator0_energy_j=None)))

    power = metric(result, "accelerator_power_mean")
    assert (power.value, power.n) == (pytest.approx(600), 1)


def test_job_on_cpus_has_no_metrics_of_accelerators():
    result = analyse(run(job(phase(three(request)))))

    assert not {m.name for m in result.metrics if m.name.startswith("accelerator")}


def test_energy_belongs_to_whole_phases():
    result = analyse(run(launch(600.0)))

    of = [m.where for m in result.metrics if m.name == "accelerator_power_mean"]
    assert of
    assert not [where for where in of if "category" in where]


def test_clocks_are_of_all_accelerators_over_the_phase():
    result = analyse(
        run(
            launch(
                600.0,
                devices=2,
                accelerator0_clock_mhz=lambda second: 1200 if second == 5 else 1800,
                accelerator1_clock_mhz=1600,
                cpu_mhz=2400,
            )
        )
    )

    # One sample of 11 is at 1200; its trapezoids take 600 MHz · s of 10 s.
    assert metric(result, "accelerator_clock_mean").value == pytest.approx((1740 + 1600) / 2)
    lowest = metric(result, "accelerator_clock_min")
    assert (lowest.value, lowest.valid, lowest.reasons) == (1200, True, ("extreme",))
    assert metric(result, "cpu_clock_mean").value == pytest.approx(2400)


def test_throttled_share_counts_samples_and_stays_valid_itself():
    throttled = {"accelerator0_throttle": lambda second: "sw_power_cap" if second < 4 else ""}
    result = analyse(run(launch(600.0, **throttled)))

    share = metric(result, "accelerator_throttled_share")
    assert (share.value, share.valid) == (pytest.approx(4 / 11), True)
    assert "clocks_throttled" in metric(result, "accelerator_power_mean").reasons


def test_accelerator_that_does_not_tell_its_clock_leaves_all_clocks_absent():
    result = analyse(run(launch(600.0, devices=2, accelerator1_clock_mhz=1600)))

    for name in ("accelerator_clock_mean", "accelerator_clock_min"):
        assert metric(result, name).reasons == ("no_telemetry",)


@pytest.mark.parametrize(
    ("found", "reason"),
    [((GPU,), "not_watched"), (None, "not_watched"), ((), "no_telemetry")],
    ids=["one is there", "nobody could look", "there is none"],
)
def test_phase_without_a_sample_of_throttling_was_not_watched(found, reason: str):
    # Samples at 0 and 1 s: none lies within a phase between them.
    short = phase(three(request), status={"start_ns": 200_000_000}, seconds=0.9)
    telling = telemetry(1, accelerator0_throttle="")
    result = analyse(
        run(job(short, accelerator="any", accelerators_found=found, telemetry=telling))
    )

    assert metric(result, "accelerator_throttled_share").reasons == (reason,)
