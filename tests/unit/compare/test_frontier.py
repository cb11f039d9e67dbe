"""Hardware against hardware: the Pareto front, and what throughput costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from locks import make_lock
from specseal.analysis import Metric, Result
from specseal.columns import GROUPINGS
from specseal.compare import Given, Side, compare, frontier, frontier_table
from specseal.compare.efficiency import weight_bytes
from specseal.compare.frontier import Point, _variant
from specseal.errors import InputError
from specseal.spec.locked import Variant, joined
from unit.compare.small import make_side, metric, with_jobs

H100 = "nvidia/h100-sxm5-80gb"
WEIGHTS = 16_000_000_000
MODEL = {
    "files": [
        {"path": "config.json", "bytes": 700, "sha256": "1" * 64},
        {"path": "model-00001-of-00002.safetensors", "bytes": WEIGHTS // 2, "sha256": "2" * 64},
        {"path": "model-00002-of-00002.safetensors", "bytes": WEIGHTS // 2, "sha256": "3" * 64},
    ],
    "load": ".",
}


def level(concurrency: int, user: float, output: float, **more: float | None) -> list[Metric]:
    """The figures of one load level, drafting."""
    values = {
        "user_tps_mean": user,
        "output_tps": output,
        "output_tps_per_device": output / 2,
        **more,
    }
    return [metric(name, value, concurrency=concurrency) for name, value in values.items()]


def on_accelerators(
    name: str, *levels: list[Metric], accelerator: str = H100, **changes: dict[str, Any]
) -> Side:
    """A result on two accelerators."""
    hardware = {"accelerator": accelerator, "count": 2}
    lock = make_lock(**{"model": MODEL, "hardware": hardware, **changes})
    result = Result(analysis_version=2, metrics=tuple(one for found in levels for one in found))
    side = make_side(name, lock=lock, result=result)
    return with_jobs(side, accelerators_found=(accelerator,) * 2)


def points(*sides: Side, anyway: bool = False, **given: Any) -> tuple[Point, ...]:
    found = compare(sides, metrics=[], group=GROUPINGS["load"], anyway=anyway)
    return frontier(found, Given(**given), anyway=anyway)


def figures(*sides: Side, **given: Any) -> Mapping[str, Any]:
    """The figures of the first point."""
    return points(*sides, **given)[0].figures


BOTH = (on_accelerators("A", level(1, 100, 200)), on_accelerators("B", level(1, 50, 400)))
PACE = {"tpot_mean": 0.01, "acceptance_length": 2.0, "total_tps": 1000.0}


def test_points_that_no_other_is_ahead_of_in_both_are_on_the_front_of_all() -> None:
    first = on_accelerators("A", level(1, 100, 200), level(2, 90, 150), level(4, 40, 500))
    second = on_accelerators("B", level(1, 100, 180), level(2, 60, 300), level(4, 40, 500))
    told = {
        (point.ran.side.name, point.where["concurrency"]): point.on_front
        for point in points(first, second)
    }
    assert told == {
        ("A", 1): True,
        ("A", 2): False,
        ("A", 4): True,
        ("B", 1): False,
        ("B", 2): True,
        ("B", 4): True,
    }


def test_throughput_is_that_of_a_device() -> None:
    assert figures(*BOTH)["output_tps_per_device"].value == 100


def test_figure_that_is_not_valid_is_on_no_front() -> None:
    doubtful = [replace(one, valid=False) for one in level(1, 999, 999)]
    found = points(on_accelerators("A", doubtful), BOTH[1])
    assert [point.on_front for point in found] == [False, True]


def test_random_tokens_are_left_out() -> None:
    random = [
        replace(one, where={**one.where, "input": "random"}) for one in level(1, 999.0, 999.0)
    ]
    assert len(points(on_accelerators("A", level(1, 1, 1), random), BOTH[1])) == 2


def test_tokens_a_joule_are_of_the_energy_that_was_measured() -> None:
    energy = {"accelerator_energy_per_output_token": 0.5, "package_energy_per_output_token": 0.1}
    assert figures(on_accelerators("A", level(1, 1, 1, **energy)), BOTH[1])[
        "output_tps_per_watt"
    ].value == pytest.approx(2.0)


def test_ends_of_tokens_a_joule_change_places() -> None:
    (energy,) = [metric("accelerator_energy_per_output_token", 0.5)]
    with_ends = replace(energy, low=0.4, high=0.8)
    found = figures(on_accelerators("A", [*level(1, 1, 1), with_ends]), BOTH[1])
    measured = found["output_tps_per_watt"]
    assert (measured.low, measured.high) == (1.25, 2.5)


def test_energy_that_nobody_measured_is_absent_with_the_reason() -> None:
    package = {"package_energy_per_output_token": 0.1}
    found = figures(on_accelerators("A", level(1, 1, 1, **package)), BOTH[1])
    assert found["output_tps_per_watt"].reason == "the energy of the accelerators was not measured"


def test_price_of_an_accelerator_is_of_each_device() -> None:
    found = figures(*BOTH, prices={H100: 3.0})["output_tokens_per_dollar"]
    assert found.value == pytest.approx(200 * 3600 / 6.0 / 1e6)


def test_price_of_a_bundle_is_of_its_whole_machine() -> None:
    found = points(*BOTH, prices={H100: 3.0, "B": 12.0})
    dollars = [point.figures["output_tokens_per_dollar"].value for point in found]
    assert dollars == pytest.approx([200 * 3600 / 6e6, 400 * 3600 / 12e6])


def test_without_a_price_there_is_no_figure_of_money() -> None:
    found = figures(*BOTH)["output_tokens_per_dollar"]
    assert (found.value, found.reason) == (None, "no price was given (--price)")


def test_price_of_something_else_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="--price h100") as refused:
        points(*BOTH, prices={"h100": 3.0})
    assert refused.value.mend == f"name one of: A, B, {H100}"


def test_bandwidth_is_weights_read_once_a_step() -> None:
    found = figures(on_accelerators("A", level(1, 1, 1, **PACE)), BOTH[1])
    # 16 GB, 50 steps a second, two devices of 3350 GB/s
    assert found["weight_bandwidth_share"].value == pytest.approx(100 * 800 / 6700)


def test_each_copy_of_the_model_reads_its_own_weights() -> None:
    engine = {"parallel": {"data": 2}}
    sides = [on_accelerators(name, level(1, 1, 1, **PACE), engine=engine) for name in "AB"]
    found = figures(*sides)["weight_bandwidth_share"]
    assert found.value == pytest.approx(100 * 1600 / 6700)


def test_weights_are_those_of_the_variant_of_a_sweep_that_a_figure_is_of() -> None:
    load = '{"concurrency":[1],"requests":5}'
    dtypes = ("auto", "float16")
    lock = joined(
        [
            Variant(
                setting={"engine.args.dtype": dtype, "workload.load": load},
                lock=make_lock(engine={"args": {"dtype": dtype}}),
            )
            for dtype in dtypes
        ]
    )
    for dtype in dtypes:
        where = {"engine.args.dtype": dtype, "workload.load.requests": 5}
        assert _variant(lock, where).engine["args"] == {"dtype": dtype}


def test_step_of_the_baseline_is_a_token() -> None:
    baseline = [
        replace(one, where={"speculation": "none", "input": "dataset", "concurrency": 1})
        for one in level(1, 1, 1, tpot_mean=0.01)
    ]
    found = figures(on_accelerators("A", baseline), BOTH[1])["weight_bandwidth_share"]
    assert found.value == pytest.approx(100 * 1600 / 6700)


def test_share_that_rests_on_a_doubtful_length_is_marked() -> None:
    doubtful = [
        replace(one, valid=one.name != "acceptance_length") for one in level(1, 1, 1, **PACE)
    ]
    assert not figures(on_accelerators("A", doubtful), BOTH[1])["weight_bandwidth_share"].valid


def test_flops_need_the_number_of_parameters() -> None:
    side = on_accelerators("A", level(1, 1, 1, **PACE))
    assert "--parameters" in figures(side, BOTH[1])["flop_share"].reason
    told = figures(side, BOTH[1], parameters=8e9, precision="fp8")["flop_share"]
    assert told.value == pytest.approx(100 * 2 * 8e9 * 1000 / (2 * 1979e12))
    none = figures(side, BOTH[1], parameters=8e9, precision="fp4")["flop_share"]
    assert none.reason == "no peak FLOP/s in fp4 is known of the device"


def test_prompts_from_a_cache_were_not_computed() -> None:
    cached = {"prefix_cache": True}
    sides = [on_accelerators(name, level(1, 1, 1, **PACE), engine=cached) for name in "AB"]
    assert "from a cache" in figures(*sides, parameters=8e9)["flop_share"].reason


@pytest.mark.parametrize("accelerator", ["cpu", "nvidia/h100-mig-1g"])
def test_device_without_known_peaks_has_no_shares(accelerator: str) -> None:
    side = on_accelerators("A", level(1, 1, 1, **PACE), accelerator=accelerator)
    found = figures(side, side, parameters=8e9)
    assert found["weight_bandwidth_share"].reason == "no peak bandwidth is known of the device"
    assert found["flop_share"].value is None


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "quantised while loading": (
        {"engine": {"quantization": "fp8"}},
        "weights may be converted while they are loaded (quantization)",
    ),
    "another type while loading": (
        {"engine": {"args": {"torch_dtype": "float16"}}},
        "weights may be converted while they are loaded (torch_dtype)",
    ),
    "experts apart": (
        {"engine": {"parallel": {"expert": 8}}},
        "not all experts are read in a step",
    ),
    "two sets of weights": (
        {
            "model": {
                "load": ".",
                "files": [
                    {"path": "model.safetensors", "bytes": 7, "sha256": "1" * 64},
                    {"path": "consolidated.safetensors", "bytes": 7, "sha256": "2" * 64},
                ],
            }
        },
        "the model's files may hold its weights more than once",
    ),
    "a running server": (
        {"model": {"load": "", "files": []}},
        "the lock names no file of weights",
    ),
}


@pytest.mark.parametrize("situation", UNKNOWN)
def test_weights_of_which_nobody_knows_the_size(situation: str) -> None:
    changes, reason = UNKNOWN[situation]
    assert weight_bytes(make_lock(**changes)) == reason


def test_weights_are_as_large_as_their_files() -> None:
    assert weight_bytes(make_lock(model=MODEL)) == WEIGHTS
    assert weight_bytes(make_lock()) == 7  # one GGUF file


def test_result_that_is_not_comparable_has_no_points_unless_asked_for() -> None:
    other = on_accelerators("B", level(1, 1, 1), sampling={"max_tokens": 9})
    assert {one.ran.side.name for one in points(BOTH[0], other)} == {"A"}
    assert {one.ran.side.name for one in points(BOTH[0], other, anyway=True)} == {"A", "B"}


def test_price_of_what_turns_out_not_comparable_is_no_mistake() -> None:
    l4 = "nvidia/l4-pcie-24gb"
    other = on_accelerators("B", level(1, 1, 1), accelerator=l4, sampling={"max_tokens": 9})
    (point,) = points(BOTH[0], other, prices={H100: 3.0, l4: 1.0})
    assert point.ran.accelerator == H100


def table(*sides: Side, **given: Any) -> Any:
    found = compare(sides, metrics=[], group=GROUPINGS["load"])
    return frontier_table(found, frontier(found, Given(**given)))


def test_columns_are_those_that_some_point_has_and_the_rest_is_explained() -> None:
    summary = table(*BOTH, prices={H100: 3.0})
    assert summary.headers == (
        "of", "concurrency", "drafting", "user tok/s", "output tok/s", "output tok/s/device",
        "Mtok /$", "Pareto front",
    )  # fmt: skip
    assert [row[-1] for row in summary.rows] == ["yes", "yes"]
    assert any(note.startswith("no output tok/s/W: the energy") for note in summary.notes)


def test_what_each_was_measured_on_is_said() -> None:
    unseen = with_jobs(
        on_accelerators("B", level(1, 50, 400), engine={"family": "cuda"}), accelerators_found=None
    )
    here = make_side("C", result=Result(analysis_version=2, metrics=tuple(level(1, 2, 3))))
    found = compare([BOTH[0], unseen, here], metrics=[], group=GROUPINGS["load"], anyway=True)
    summary = frontier_table(found, frontier(found, Given(), anyway=True))
    assert summary.sentences[:3] == (
        f"A ran on 2 × {H100}",
        f"B ran on 2 × {H100} (as locked: nobody could look)",
        "C ran on 1 × cpu (a processor)",
    )


def test_what_is_called_by_its_hardware_is_not_said_to_have_run_on_it() -> None:
    named = replace(BOTH[0], name=f"2 × {H100}")
    told = table(named, BOTH[1]).sentences
    assert [one for one in told if " ran on " in one] == [f"B ran on 2 × {H100}"]


def test_peaks_are_named_with_their_source() -> None:
    side = on_accelerators("A", level(1, 1, 1, **PACE))
    told = table(side, BOTH[1]).sentences
    (peaks,) = (one for one in told if one.startswith("peaks"))
    assert peaks.startswith(f"peaks of {H100}: 3,350 GB/s, 989.5 TFLOP/s in bf16")
    assert "https://www.nvidia.com/" in peaks
    assert any("mixture of experts" in one for one in told)


def test_points_are_plain_json() -> None:
    document = points(*BOTH)[0].to_dict()
    assert (document["accelerator"], document["devices"], document["on_front"]) == (H100, 2, True)
    assert document["figures"]["flop_share"]["reason"]
