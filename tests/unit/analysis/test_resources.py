from __future__ import annotations

import pytest

from specseal.analysis import analyse
from unit.analysis.builders import job, metric, phase, record, run, telemetry, three


def sampled(**fields):
    return analyse(
        run(
            job(
                phase(three(record), seconds=10, status={"client_memory_bytes": 7}),
                telemetry=telemetry(10, **fields),
            )
        )
    )


def test_cpu_of_engine_client_and_others_adds_up_to_the_machine():
    result = sampled(
        cpus=4,
        cpu_percent=80.0,
        engine_cpu_s=lambda second: 2.6 * second,
        client_cpu_s=lambda second: 0.2 * second,
    )

    engine, client = metric(result, "engine_cpu_mean"), metric(result, "client_cpu_mean")
    assert (engine.value, engine.unit) == (pytest.approx(2.6), "cores")
    assert client.value == pytest.approx(0.2)
    others = metric(result, "other_cpu_share")
    assert others.value == pytest.approx((0.8 * 4 - 2.6 - 0.2) / 4)
    assert others.reasons == ("fewer_than_3_launches",)


def test_memory_is_the_peak_over_the_phases():
    result = sampled(
        engine_memory_bytes=lambda second: 500 + second,
    )

    peak = metric(result, "engine_memory_peak")
    assert (peak.value, peak.unit, peak.reasons) == (510, "bytes", ("extreme",))
    assert metric(result, "client_memory_peak").value == 7  # as the client itself said


def test_memory_of_accelerators_adds_up():
    held = job(
        phase(three(record), seconds=4),
        accelerator="any",
        devices=2,
        telemetry=telemetry(
            4,
            accelerator0_memory_used_bytes=9,
            accelerator1_memory_used_bytes=lambda second: 2 * second,
        ),
    )

    assert metric(analyse(run(held)), "accelerator_memory_peak").value == 9 + 8


def test_memory_of_accelerators_is_added_up_before_the_peak_is_taken():
    held = job(
        phase(three(record), seconds=4),
        accelerator="any",
        devices=2,
        telemetry=telemetry(
            4,
            accelerator0_memory_used_bytes=lambda second: 10 + second,
            accelerator1_memory_used_bytes=lambda second: 10 - second,
        ),
    )

    assert metric(analyse(run(held)), "accelerator_memory_peak").value == 20  # not 14 + 10


def test_memory_of_one_accelerator_is_not_that_of_two():
    held = job(
        phase(three(record), seconds=4),
        accelerator="any",
        devices=2,
        telemetry=telemetry(4, accelerator0_memory_used_bytes=9),
    )

    assert metric(analyse(run(held)), "accelerator_memory_peak").reasons == ("no_telemetry",)


def test_without_telemetry_only_what_the_client_says_of_itself_is_known():
    result = sampled()

    assert metric(result, "client_memory_peak").valid
    for name in ("engine_cpu_mean", "client_cpu_mean", "engine_memory_peak"):
        assert metric(result, name).reasons == ("no_telemetry",)
    assert metric(result, "other_cpu_share").reasons == ("not_watched",)


def test_others_are_only_told_where_every_phase_was_watched():
    told = {"cpus": 4, "cpu_percent": 80.0, "client_cpu_s": lambda second: 0.2 * second}
    watched = telemetry(10, engine_cpu_s=lambda second: 2.6 * second, **told)
    launches = [
        job(phase(three(record), seconds=10), repeat=repeat, telemetry=samples)
        for repeat, samples in enumerate((watched, telemetry(10, **told)))
    ]

    assert metric(analyse(run(*launches)), "other_cpu_share").reasons == ("not_watched",)
    assert metric(analyse(run(launches[0])), "other_cpu_share").value == pytest.approx(0.1)
