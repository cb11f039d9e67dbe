"""What differs between the environments that two results were measured in: the table of it.

Telemetry is no part: it is a measurement. What is not there in one environment is not told to
differ: versions of specseal write down more than their predecessors did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from specseal.compare.fields import EVERYTHING, SPEED, Found, Kind, Row, entries_of, short
from specseal.compare.side import Side

_CPU = "cpu"
_ABSENT = object()


def _accelerators(first: Side, second: Side) -> Iterator[Found]:
    one, other = _held(first), _held(second)
    if one is not None and other is not None and one != other:
        yield Found(path="environment.accelerators", first=one, second=other)


def _held(side: Side) -> list[str] | None:
    """Return the accelerators that jobs held; None where nobody could look."""
    found = {job.accelerators_found for job in side.run.jobs}
    if None in found:
        return None
    counts = (Counter(names) for names in found if names)
    return sorted({f"{number} × {name}" for names in counts for name, number in names.items()})


def _versions(first: Side, second: Side) -> Iterator[Found]:
    one, other = (
        sorted({job.engine_version_found for job in side.run.jobs if job.engine_version_found})
        for side in (first, second)
    )
    if one and other and one != other:
        yield Found(path="environment.jobs.engine_version_found", first=one, second=other)


def _machine(key: str) -> Callable[[Side, Side], Iterator[Found]]:
    return _at("machine", key)


def _at(*keys: str) -> Callable[[Side, Side], Iterator[Found]]:
    def find(first: Side, second: Side) -> Iterator[Found]:
        one, other = (_look(side.environment, keys) for side in (first, second))
        if _ABSENT not in (one, other) and one != other:
            yield Found(path=f"environment.{'.'.join(keys)}", first=one, second=other)

    return find


def _look(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _cpu(of_the_engine: bool) -> Callable[[Side, Side], Iterator[Found]]:
    """Look at the processor, which is the hardware itself where engines run on it."""

    def find(first: Side, second: Side) -> Iterator[Found]:
        runs_on_it = any(side.lock.engine["family"] == _CPU for side in (first, second))
        if runs_on_it == of_the_engine:
            yield from _machine("cpu")(first, second)
            yield from _cpus(first, second)

    return find


def _cpus(first: Side, second: Side) -> Iterator[Found]:
    one, other = (_look(side.environment, ("machine", "cpus")) for side in (first, second))
    if isinstance(one, list) and isinstance(other, list) and len(one) != len(other):
        yield Found(
            path="environment.machine.cpus",
            first=len(one),
            second=len(other),
            key="CPUs",
        )


def _drivers(first: Side, second: Side) -> Iterator[Found]:
    one, other = (
        sorted(
            {
                str(device.get("driver"))
                for device in side.environment["machine"].get("accelerators", ())
            }
        )
        for side in (first, second)
    )
    if one and other and one != other:
        yield Found(path="environment.machine.accelerators.driver", first=one, second=other)


def _image(program: str) -> Callable[[Side, Side], Iterator[Found]]:
    """Look at the digest of an image's root file system; of its id only where there is none."""
    by_contents = _at("images", program, "rootfs_sha256")
    by_id = _at("images", program, "id")

    def find(first: Side, second: Side) -> Iterator[Found]:
        roots = [
            _look(side.environment, ("images", program, "rootfs_sha256"))
            for side in (first, second)
        ]
        known = all(root not in (_ABSENT, None) for root in roots)
        for found in (by_contents if known else by_id)(first, second):
            yield Found(path=found.path, first=short(found.first), second=short(found.second))

    return find


def _packages(program: str) -> Callable[[Side, Side], Iterator[Found]]:
    def read(side: Side) -> Mapping[str, str] | None:
        listed = _look(side.environment, ("packages", program))
        if isinstance(listed, list):
            return {str(name): "" for name in listed}
        return listed if isinstance(listed, Mapping) else None

    find = entries_of(f"environment.packages.{program}", read, kind="package")

    def both_known(first: Side, second: Side) -> Iterator[Found]:
        if read(first) is not None and read(second) is not None:
            yield from find(first, second)

    return both_known


def _row(
    group: str,
    what: str,
    find: Callable[[Side, Side], Iterator[Found]],
    makes: Kind | None = None,
    spoils: tuple[str, ...] = (SPEED,),
) -> Row[Side]:
    return Row(group=group, what=what, find=find, makes=makes, spoils=spoils)


_HARDWARE = Kind.OTHER_HARDWARE

ENVIRONMENT: tuple[Row[Side], ...] = (
    _row("hardware found", "accelerators", _accelerators, _HARDWARE),
    _row("hardware found", "processor", _cpu(of_the_engine=True), _HARDWARE),
    _row("hardware found", "processor", _cpu(of_the_engine=False)),
    _row("hardware found", "memory in bytes", _machine("memory_bytes")),
    _row("hardware found", "accelerator driver", _drivers),
    _row("system", "operating system", _machine("system")),
    _row("system", "architecture", _machine("architecture"), _HARDWARE),
    _row("system", "kernel", _machine("kernel")),
    _row("system", "CPU clock governor", _machine("governor")),
    _row("system", "Python of the host", _machine("python"), None, ()),
    _row("system", "runtime", _at("runtime")),
    _row("system", "isolation", _at("isolation")),
    _row("system", "whether programs were pinned", _at("pinned"), None, EVERYTHING),
    _row("programs found", "version that the engine tells", _versions, None, EVERYTHING),
    _row(
        "programs found",
        "root file system of the engine's image",
        _image("engine"),
        None,
        EVERYTHING,
    ),
    _row("programs found", "root file system of the load generator's image", _image("client")),
    _row("programs found", "engine's packages", _packages("engine"), None, EVERYTHING),
    _row("programs found", "load generator's packages", _packages("client")),
    _row("programs found", "specseal", _at("specseal_version"), None, ()),
)  # fmt: skip
"""What may differ between two environments: group, how to say it, how it is found, what it makes
of two results, and what it may change."""
