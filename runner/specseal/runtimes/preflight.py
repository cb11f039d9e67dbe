"""Before a run: whether this machine has what a lock asks for, and in which state it is.

Each thing looked at is a finding. What stops a run is a device that is missing or another than the
lock names, a driver that does not fit, or no way into a container; `--hardware any` takes other
devices of the same family, which the result then says. What only makes figures doubtful (somebody
else on the device, clocks that were set) is a warning, and is kept with the job.

`Preflight` reads the machine; `judge`, which decides, reads nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from specseal.errors import MachineLacks
from specseal.hardware import CPU, family_of, known, memory_fits
from specseal.runtimes.amd import amd_devices
from specseal.runtimes.devices import Address, Condition, OpenLibrary, open_devices
from specseal.runtimes.nvidia import nvidia_devices
from specseal.runtimes.passing import container_problem
from specseal.spec.model import Hardware

NEEDED = "needed"
"""Without it nothing is run."""
AS_LOCKED = "as locked"
"""Without it nothing is run, unless any hardware will do."""
WISHED = "wished"
"""Without it figures are doubtful: a warning."""

MOST_USED_SHARE = 0.02
"""Of a device's memory. An idle device was seen to tell of some MiB (NVIDIA) or some 300 MiB (AMD),
under 0.2% of what it has; an engine that is given 90% or more of it fails where much is missing."""
MOST_UTILIZATION_PERCENT = 5
"""What a device tells is of its last moment, and asking is work too."""
ANY_HARDWARE = "--hardware any"
_GIB = 1 << 30
_TENTH_W = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    holds: bool
    found: str
    mend: str = ""
    """Empty where it holds."""
    weight: str = WISHED
    """`NEEDED`, `AS_LOCKED` or `WISHED`."""

    def __str__(self) -> str:
        """Return it as a person is told."""
        return f"{self.name}: {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One device as it was found."""

    facts: Mapping[str, Any]
    condition: Condition
    address: Address

    @property
    def name(self) -> str:
        """Its row's name, or a made-up one."""
        name: str = self.facts["name"]
        return name

    @property
    def is_idle(self) -> bool:
        """Whether nobody is seen to use it."""
        return not any(_uses(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found for one lock."""

    findings: tuple[Finding, ...] = ()
    devices: tuple[Found, ...] = ()
    """Those that the job is to hold."""
    any_hardware: bool = False
    """Whether other devices than the lock names will do."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """How programs are told of the devices."""
        return tuple(device.address for device in self.devices)

    def demand(self) -> None:
        """Raise MachineLacks, all reasons at once, where something stops the run."""
        wrong = [one for one in self.findings if not one.holds and self._stops(one)]
        if wrong:
            raise MachineLacks(
                f"this machine is not what the spec asks for: {'; '.join(map(str, wrong))}",
                mend="; ".join(dict.fromkeys(one.mend for one in wrong)),
            )

    def warnings(self) -> tuple[str, ...]:
        """Return what does not hold and stops nothing, in words."""
        return tuple(
            f"{one} (mend: {one.mend})"
            for one in self.findings
            if not one.holds and not self._stops(one)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, for a job's environment; serial numbers are left out."""
        return {
            "hardware": "any" if self.any_hardware else "as_locked",
            "devices": [
                {**one.address.shown(), "name": one.name, **one.condition} for one in self.devices
            ],
            "findings": [asdict(one) for one in self.findings],
        }

    def _stops(self, finding: Finding) -> bool:
        return finding.weight == NEEDED or (finding.weight == AS_LOCKED and not self.any_hardware)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """Looks at this machine for a run."""

    container_engine: Mapping[str, Any] | None = None
    """What it says of itself; None where jobs run natively."""
    any_hardware: bool = False
    libraries: tuple[OpenLibrary, ...] = field(default=(nvidia_devices, amd_devices))

    def inspect(self, asked: Hardware, *, before: Sequence[Address] = ()) -> Inspection:
        """Return what is found of what is asked for; a `cpu` is always there.

        Args:
            asked: what the lock asks for.
            before: devices that jobs of this run have held.
        """
        if asked.accelerator == CPU:
            return Inspection(any_hardware=self.any_hardware)
        with open_devices(*self.libraries) as opened:
            found = [
                Found(facts=one.facts, condition=one.condition(), address=one.address)
                for one in opened.devices
            ]
        inspection = judge(
            asked, found, opened.faults, before=before, any_hardware=self.any_hardware
        )
        if self.container_engine is None:
            return inspection
        into = _into_containers(inspection.addresses, self.container_engine)
        return replace(inspection, findings=(*inspection.findings, into))


def devices_here() -> tuple[Address, ...]:
    """Return how programs are told of each accelerator of this machine."""
    with open_devices(nvidia_devices, amd_devices) as opened:
        return tuple(one.address for one in opened.devices)


def judge(
    asked: Hardware,
    found: Sequence[Found],
    faults: Sequence[str] = (),
    *,
    before: Sequence[Address] = (),
    any_hardware: bool,
) -> Inspection:
    """Choose the devices of a job and say what holds.

    Those that the lock names go before others of their family; then those that jobs of this run
    have held, because what is compared must run on the same; then idle ones before busy ones, in
    the order of their vendor's library. A device that is divided into partitions is never taken.

    Args:
        asked: what the lock asks for; not `cpu`.
        found: every device of the machine.
        faults: why a vendor's library could not be asked.
        before: devices that jobs of this run have held.
        any_hardware: whether other devices of the family will do.
    """
    family = family_of(asked.accelerator)
    of_family = [one for one in found if family_of(one.name) == family]
    whole = [one for one in of_family if not one.condition.get("partitions")]
    named = [one for one in whole if one.name == asked.accelerator]
    usable = sorted(
        whole if any_hardware else named,
        key=lambda one: (
            one.name != asked.accelerator,
            one.address not in before,
            not one.is_idle,
        ),
    )
    held = usable[: asked.count]
    findings = [
        _as_named(asked, held, found, faults),
        _enough(asked, of_family, whole),
    ]
    if held:
        differs = any(one.name != asked.accelerator for one in held)
        findings += [
            _memory(asked, held),
            _driver(asked, held, is_free=differs and any_hardware),
            *(_of_each(check, held) for check in _CHECKS),
        ]
    return Inspection(findings=tuple(findings), devices=tuple(held), any_hardware=any_hardware)


def _as_named(
    asked: Hardware, held: Sequence[Found], found: Sequence[Found], faults: Sequence[str]
) -> Finding:
    right = sum(one.name == asked.accelerator for one in held)
    holds = right >= asked.count
    counted = Counter(one.name for one in (held if holds else found))
    told = ", ".join(f"{number} × {name}" for name, number in counted.items()) or "none"
    why = f" ({'; '.join(faults)})" if faults and not holds else ""
    return Finding(
        name="accelerators",
        holds=holds,
        found=f"asked for {asked.count} × {asked.accelerator}, found {told}{why}",
        mend="" if holds else f"run it where they are, or with {ANY_HARDWARE} on what is here",
        weight=AS_LOCKED,
    )


def _enough(asked: Hardware, of_family: Sequence[Found], whole: Sequence[Found]) -> Finding:
    family, holds = family_of(asked.accelerator), len(whole) >= asked.count
    divided = Counter(
        one.condition["partitions"] for one in of_family if one.condition.get("partitions")
    )
    parts = "".join(f", {number} divided ({how})" for how, number in divided.items())
    mend = f"the engine is built for {family} and started for {asked.count}: run it where they are"
    if divided:
        mend += ", or undivide them (`nvidia-smi -mig 0`, `amd-smi set --compute-partition SPX`)"
    return Finding(
        name="devices that the engine can use",
        holds=holds,
        found=f"asked for {asked.count} of {family}, found {len(whole)}{parts}",
        mend="" if holds else mend,
        weight=NEEDED,
    )


def _memory(asked: Hardware, held: Sequence[Found]) -> Finding:
    row = known(asked.accelerator)
    told = [one.facts.get("memory_bytes") for one in held]
    holds = row is None or all(size is None or memory_fits(row, size) for size in told)
    sizes = ", ".join("not told" if size is None else f"{size / _GIB:.1f} GiB" for size in told)
    return Finding(
        name="memory",
        holds=holds,
        found=sizes,
        mend="" if holds else f"run it on {asked.accelerator}",
        weight=AS_LOCKED,
    )


def _driver(asked: Hardware, held: Sequence[Found], *, is_free: bool) -> Finding:
    """Hold drivers against the spec's versions, which say nothing of another device's driver."""
    told = [str(one.facts.get("driver") or "not told") for one in held]
    wanted = asked.driver
    holds = wanted is None or is_free or all(_fits(driver, wanted) for driver in told)
    asked_for = f", asked for {wanted}" if wanted else ""
    return Finding(
        name="driver",
        holds=holds,
        found=f"{', '.join(dict.fromkeys(told))}{asked_for}",
        mend="" if holds else "install a driver that fits, or widen hardware.driver in the spec",
        weight=NEEDED,
    )


def _fits(driver: str, wanted: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(Version(driver), prereleases=True)
    except InvalidVersion:
        return False


def _into_containers(devices: Sequence[Address], engine: Mapping[str, Any]) -> Finding:
    problem, mend = container_problem(devices, engine)
    return Finding(
        name="a way into containers",
        holds=not problem,
        found=problem or "there is one",
        mend=mend,
        weight=NEEDED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """What is looked at of each device that the job is to hold."""

    name: str
    wrong: Callable[[Found], str]
    """Return what is wrong with a device; empty where nothing is or it does not tell."""
    mend: str


def _of_each(check: _Check, held: Sequence[Found]) -> Finding:
    wrong = [
        f"{one.address.vendor} {one.address.number}: {said}"
        for one in held
        if (said := check.wrong(one))
    ]
    return Finding(
        name=check.name,
        holds=not wrong,
        found=", ".join(wrong) or "as wished",
        mend=check.mend if wrong else "",
        weight=WISHED,
    )


def _uses(found: Found) -> Iterator[str]:
    """Yield in words what is seen of others on a device."""
    yield from filter(None, (check.wrong(found) for check in _USES))


def _processes(found: Found) -> str:
    number = found.condition.get("processes") or 0
    return f"{number} {'process' if number == 1 else 'processes'}" if number else ""


def _memory_in_use(found: Found) -> str:
    used, size = found.condition.get("memory_used_bytes"), found.facts.get("memory_bytes")
    if used is None or not size or used <= MOST_USED_SHARE * size:
        return ""
    return f"{used / _GIB:.1f} of {size / _GIB:.1f} GiB in use"


def _busy(found: Found) -> str:
    percent = found.condition.get("utilization_percent") or 0
    return f"{percent}% busy" if percent > MOST_UTILIZATION_PERCENT else ""


def _no_persistence(found: Found) -> str:
    return "off" if found.condition.get("persistence") is False else ""


def _clocks(found: Found) -> str:
    return str(found.condition.get("clocks_set") or "")


def _power_limit(found: Found) -> str:
    """Tell of a limit that somebody has lowered, or of a board that was made for less."""
    row, limit = known(found.name), found.facts.get("power_limit_w")
    usual = [found.condition.get("power_limit_default_w"), row.tdp_w if row else None]
    most = max((watts for watts in usual if watts), default=None)
    # AMD SMI tells 0 where nobody has set a limit.
    if not limit or most is None or limit >= most - _TENTH_W:
        return ""
    return f"{limit:g} W instead of {most:g} W"


_USES = (
    _Check(name="other processes", wrong=_processes, mend="wait for them to end, or end them"),
    _Check(name="free memory", wrong=_memory_in_use, mend="end what holds it"),
    _Check(name="idleness", wrong=_busy, mend="wait until nothing runs on it"),
)
_CHECKS = (
    *_USES,
    _Check(name="persistence mode", wrong=_no_persistence, mend="nvidia-smi -pm 1"),
    _Check(
        name="clocks",
        wrong=_clocks,
        mend="leave them to the driver: `nvidia-smi -rac`, `amd-smi set --perf-level auto`",
    ),
    _Check(
        name="power limit",
        wrong=_power_limit,
        mend="set it to the default, or say beside the result that it was lower",
    ),
)
