"""The table of accelerators: that it is sound, that its page is fresh, and who is recognised."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from specseal.engines import accelerator_family
from specseal.hardware import accelerators, family_of, known, memory_fits, recognised
from specseal.hardware.reference import hardware_reference
from specseal.spec.schema import spec_schema

ROOT = Path(__file__).parents[3]
ROWS = list(accelerators().values())
DEVICES = [row for row in ROWS if row.vendor]
MIB = 1 << 20


def read(name: str) -> str:
    return (files("specseal.hardware") / name).read_text(encoding="utf-8")


def test_table_is_of_its_schema() -> None:
    schema = json.loads(read("accelerators.schema.json"))
    Draft202012Validator.check_schema(schema)
    assert [e.message for e in Draft202012Validator(schema).iter_errors(table())] == []


def table() -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(read("accelerators.json"))
    return found


@pytest.mark.parametrize(
    "change",
    [{"tdp_w": None}, {"tdp_w": 1.5}, {"source": None}, {"recognised_by": []}, {"price": 1},
     {"name": "nvidia/h100"}, {"peak_flop_per_s": {"int8": 1}}],
)  # fmt: skip
def test_schema_refuses_a_row_that_says_too_little_or_something_else(
    change: dict[str, object],
) -> None:
    wrong = table()
    wrong["accelerators"][0].update(change)
    schema = json.loads(read("accelerators.schema.json"))
    assert list(Draft202012Validator(schema).iter_errors(wrong))


def test_rows_are_sorted_and_each_is_there_once() -> None:
    names = [row["name"] for row in table()["accelerators"]]
    assert names == sorted(set(map(str, names)))


def test_page_is_as_generated() -> None:
    page = ROOT / "docs" / "hardware.md"
    assert page.read_text(encoding="utf-8") == hardware_reference(), (
        "run: PYTHONPATH=runner python -c 'from specseal.hardware.reference import "
        'hardware_reference; print(hardware_reference(), end="")\' > docs/hardware.md'
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_name_can_be_written_in_a_spec(row) -> None:
    pattern = spec_schema()["$defs"]["hardware"]["properties"]["accelerator"]["pattern"]
    assert re.fullmatch(pattern, row.name)


@pytest.mark.parametrize("row", DEVICES, ids=lambda row: row.name)
def test_name_says_vendor_and_memory_as_the_row_does(row) -> None:
    vendor, _, rest = row.name.partition("/")
    assert (vendor, rest.rpartition("-")[2]) == (row.vendor, f"{row.memory_bytes >> 30}gb")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_engines_are_asked_for_the_family_that_the_row_has(row) -> None:
    assert accelerator_family(row.name) == row.family


@pytest.mark.parametrize(
    ("name", "family"),
    [("nvidia/not-yet", "cuda"), ("amd/not-yet", "rocm"), ("any", "any"), ("acme/one", "acme")],
)
def test_device_without_a_row_is_of_its_vendors_family(name: str, family: str) -> None:
    assert family_of(name) == family


@pytest.mark.parametrize("row", DEVICES, ids=lambda row: row.name)
def test_device_is_recognised_by_each_of_its_names_and_ids(row) -> None:
    for text in row.recognised_by:
        assert recognised(row.vendor, [text], row.memory_bytes) is row
        assert recognised(row.vendor, [text.upper()]) is row


# What nvidia-smi and amd-smi were seen to tell, in MiB. Source: their outputs in public issues and
# logs, 2024 to 2026 (sgl-project/sglang#8120, NVIDIA/TensorRT-LLM#10278, ROCm/rocm-systems#2987,
# facebookexperimental/triton#2023, NVIDIA/cosmos-framework#114, a table of rented GPUs by Modal).
@pytest.mark.parametrize(
    ("product", "mib", "name"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "nvidia/h100-sxm5-80gb"),
        ("NVIDIA H100 PCIe", 81559, "nvidia/h100-pcie-80gb"),
        ("NVIDIA H100 NVL", 95830, "nvidia/h100-nvl-94gb"),
        ("NVIDIA H200", 143771, "nvidia/h200-sxm-141gb"),
        ("NVIDIA B200", 183359, "nvidia/b200-sxm-180gb"),
        ("NVIDIA B300 SXM6 AC", 275040, "nvidia/b300-sxm-270gb"),
        ("NVIDIA GB200", 189471, "nvidia/gb200-186gb"),
        ("NVIDIA GB300", 284208, "nvidia/gb300-279gb"),
        ("NVIDIA A100-SXM4-40GB", 40960, "nvidia/a100-sxm4-40gb"),
        ("NVIDIA L40S", 46068, "nvidia/l40s-48gb"),
        ("NVIDIA L4", 23034, "nvidia/l4-24gb"),
        ("NVIDIA A10", 23028, "nvidia/a10-24gb"),
        ("NVIDIA GeForce RTX 5090", 32607, "nvidia/rtx-5090-32gb"),
        ("AMD Instinct MI300X", 196592, "amd/mi300x-192gb"),
        ("AMD Instinct Mi325X VF", 261824, "amd/mi325x-256gb"),
        ("AMD Instinct MI355X", 294896, "amd/mi355x-288gb"),
    ],
)
def test_device_as_it_was_seen_is_recognised(product: str, mib: int, name: str) -> None:
    row = recognised(product.partition(" ")[0].lower(), [product], mib * MIB)
    assert row is known(name)


@pytest.mark.parametrize(
    ("product", "mib"),
    [
        ("NVIDIA H20", 97871),  # not NVIDIA H200
        ("NVIDIA H100", 81559),
        ("NVIDIA GeForce RTX 4090 D", 24564),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864),
        ("NVIDIA GB300", 256703),  # of a DGX Station
        ("Tesla T4", 15360),
    ],
)
def test_device_that_is_only_like_a_row_is_not_recognised(product: str, mib: int) -> None:
    assert recognised("nvidia", [product], mib * MIB) is None


def test_device_is_not_recognised_as_another_vendors() -> None:
    assert recognised("amd", ["NVIDIA H200"]) is None


def test_name_and_id_of_one_row_are_no_contradiction_and_those_of_two_are_one() -> None:
    assert recognised("amd", ["AMD Instinct MI300X OAM", "0x74a1"]) is known("amd/mi300x-192gb")
    assert recognised("amd", ["AMD Instinct MI300X", "0x74a5"]) is None


def test_processor_has_no_memory_to_be_off() -> None:
    cpu = known("cpu")
    assert cpu is not None
    assert memory_fits(cpu, 1)
