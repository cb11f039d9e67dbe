"""What a spec may ask of the machine."""

import pytest

HARDWARE = "hardware: {accelerator: cpu}"
CONTEXT = "context_length: 4096"
H100 = "accelerator: nvidia/h100-sxm5-80gb"


def asks(text):
    return (HARDWARE, f"hardware: {{{text}}}")


def parallel(text):
    return (CONTEXT, f"{CONTEXT}, parallel: {{{text}}}")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("nvidia/h200", ": write nvidia/h200-nvl-141gb or nvidia/h200-sxm-141gb"),
        ("nvidia/h100-smx5-80gb", "; did you mean 'nvidia/h100-sxm5-80gb'?"),
    ],
)
def test_accelerator_outside_the_table_names_the_nearest(broken, name, instead):
    (found,) = broken(asks(f"accelerator: {name}"))
    assert found == f"5:25: hardware.accelerator: '{name}' is not in the table{instead}"


def test_accelerator_like_none_of_the_table_names_all(broken):
    (found,) = broken(asks("accelerator: acme/quantum-9"))
    assert "; it has amd/mi300x-192gb, " in found
    assert ", cpu, " in found


def test_any_is_for_running_servers(broken):
    assert broken(asks("accelerator: any")) == [
        "5:25: hardware.accelerator: any is for a running server: name a device, and run with"
        " --hardware any"
    ]


@pytest.mark.parametrize("told", ["accelerator: cpu, count: 2", "count: 2"])
def test_cpu_is_one_device(broken, told):
    (found,) = broken(asks(told))
    assert found.endswith("hardware.count: cpu is one device, not 2")


@pytest.mark.parametrize(
    ("count", "split", "expected"),
    [
        (
            ", count: 4",
            "tensor: 2",
            "engine.parallel.tensor 2 × engine.parallel.data 1 are 2 devices, hardware.count is 4",
        ),
        (
            "",
            "tensor: 2, data: 2",
            "engine.parallel.tensor 2 × engine.parallel.data 2 are 4 devices, hardware.count is 1",
        ),
        (
            ", count: 2",
            "data: 2",
            "engine.parallel.tensor 2 (left out, so hardware.count) × engine.parallel.data 2 are"
            " 4 devices, hardware.count is 2",
        ),
    ],
)
def test_devices_that_parallelism_does_not_use_up_are_refused(broken, count, split, expected):
    (found,) = broken(asks(H100 + count), parallel(split))
    assert found.partition("hardware.count: ")[2] == f"{expected}: let them agree"


def test_a_processor_is_not_shared_out(broken):
    (found,) = broken(parallel("tensor: 2"))
    assert found == (
        "5:1: hardware.count: engine.parallel.tensor 2 × engine.parallel.data 1 are 2 devices,"
        " hardware.count is 1: let them agree"
    )


@pytest.mark.parametrize(
    ("count", "split"),
    [(8, "tensor: 8"), (8, "tensor: 4, data: 2"), (2, "tensor: 1, data: 2"), (8, "expert: 8"),
     (4, "tensor: 4, expert: 4")],
)  # fmt: skip
def test_devices_that_parallelism_uses_up_are_accepted(broken, count, split):
    assert broken(asks(f"{H100}, count: {count}"), parallel(split)) == []


def test_without_parallelism_any_count_is_accepted(broken):
    assert broken(asks(f"{H100}, count: 8")) == []


@pytest.mark.parametrize("driver", [">=570", ">=570.10, <600", "==580.*", "~=6.14.0"])
def test_driver_is_a_specifier(broken, driver):
    assert broken(asks(f'{H100}, driver: "{driver}"')) == []


@pytest.mark.parametrize("driver", ["570", "newer than 570", ">=r570"])
def test_driver_that_is_none_is_refused(broken, driver):
    (found,) = broken(asks(f'{H100}, driver: "{driver}"'))
    assert found.partition("hardware.driver: ")[2] == (
        f"'{driver}' names no versions: write it like '>=570, <600' (PEP 440)"
    )


def test_cpu_has_no_driver(broken):
    (found,) = broken(asks('driver: ">=570"'))
    assert found.endswith("hardware.driver: cpu has no driver: leave it out")
