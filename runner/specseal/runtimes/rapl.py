"""Energy of the CPU packages, from Intel's and AMD's running average power limit (RAPL) counters.

Source: Linux, Documentation/power/powercap/powercap.rst: a zone's `energy_uj` counts µJ up to its
`max_energy_range_uj` and begins again at 0. Zones `intel-rapl:N` are packages and the whole
platform, told apart by `name`; zones within them (`intel-rapl:N:M`) are parts of the same energy.
Since Linux 5.10 only root may read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ZONES = Path("/sys/class/powercap")


@dataclass(slots=True, kw_only=True)
class _Package:
    zone: Path
    range_uj: int
    last_uj: int
    total_uj: int = 0

    def advance(self) -> None:
        now_uj = _number(self.zone / "energy_uj")
        added = now_uj - self.last_uj
        # A package needs minutes for its range, so between two samples it has wrapped once at most.
        self.total_uj += added if added >= 0 else added + self.range_uj
        self.last_uj = now_uj


class PackageEnergy:
    """The energy of all CPU packages since this was made."""

    def __init__(self, zones: Path = ZONES) -> None:
        try:
            self._packages: list[_Package] = [
                _Package(
                    zone=zone,
                    range_uj=_number(zone / "max_energy_range_uj"),
                    last_uj=_number(zone / "energy_uj"),
                )
                for zone in sorted(zones.glob("intel-rapl:*"))
                if zone.name.count(":") == 1 and _text(zone / "name").startswith("package")
            ]
        except (OSError, ValueError):
            self._packages = []

    def read_j(self) -> float | None:
        """Return J, or None where not every package tells."""
        try:
            for package in self._packages:
                package.advance()
        except (OSError, ValueError):
            self._packages = []
        if not self._packages:
            return None
        return sum(package.total_uj for package in self._packages) / 1e6


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _number(path: Path) -> int:
    return int(_text(path))
