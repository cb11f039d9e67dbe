"""Energy of CPU packages, out of a folder laid out as the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from specseal.runtimes.rapl import PackageEnergy


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """Two packages with parts of them, the whole platform, and the same package by other means."""
    for zone, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:1", "package-1"),
        ("intel-rapl:2", "psys"),
        ("intel-rapl-mmio:0", "package-0"),
    ):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("10000000\n")
        put(tmp_path, zone, 4_000_000)
    return tmp_path


def put(zones: Path, zone: str, uj: int) -> None:
    (zones / zone / "energy_uj").write_text(f"{uj}\n")


def test_packages_count_and_neither_their_parts_nor_the_platform(zones: Path) -> None:
    energy = PackageEnergy(zones)
    for zone in zones.iterdir():
        put(zones, zone.name, 5_500_000)
    assert energy.read_j() == 3.0


def test_energy_begins_at_nothing_and_only_grows(zones: Path) -> None:
    energy = PackageEnergy(zones)
    assert energy.read_j() == 0
    put(zones, "intel-rapl:0", 4_500_000)
    assert energy.read_j() == 0.5
    assert energy.read_j() == 0.5


def test_counter_that_began_again_is_carried_on(zones: Path) -> None:
    energy = PackageEnergy(zones)
    put(zones, "intel-rapl:1", 1_000_000)
    assert energy.read_j() == 7.0
    put(zones, "intel-rapl:1", 2_000_000)
    assert energy.read_j() == 8.0


def test_machine_without_counters_tells_nothing(tmp_path: Path) -> None:
    assert PackageEnergy(tmp_path / "no-such-folder").read_j() is None


def test_counter_that_may_not_be_read_makes_the_sum_untold(zones: Path) -> None:
    (zones / "intel-rapl:1" / "energy_uj").unlink()
    assert PackageEnergy(zones).read_j() is None


def test_counter_that_goes_away_makes_the_sum_untold_from_then_on(zones: Path) -> None:
    energy = PackageEnergy(zones)
    (zones / "intel-rapl:1" / "energy_uj").unlink()
    assert energy.read_j() is None
    put(zones, "intel-rapl:1", 5_000_000)
    assert energy.read_j() is None
