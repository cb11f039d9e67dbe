"""What differs between the environments that two results were measured in: the table of it.

Telemetry is no part: it is a measurement. What is not there in one environment is not told to
differ: versions of specseal write down more than their predecessors did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from specseal.compare.fields import EVERYTHING, SPEED, Found, Kind, Row, entries_of, short
from specseal.compare.side import Side

_CPU = "cpu"
_ABSENT = object()
Find = Callable[[Side, Side], Iterator[Found]]


def accelerators_held(side: Side) -> list[str] | None:
    """Return the accelerators that jobs held, as `2 × name`; None where nobody could look."""
    found = {job.accelerators_found for job in side.run.jobs}
    if None in found:
        return None
    counts = (Counter(names) for names in found if names)
    return sorted({f"{number} × {name}" for names in counts for name, number in names.items()})


def _accelerators(first: Side, second: Side) -> Iterator[Found]:
    one, other = accelerators_held(first), accelerators_held(second)
    if one is not None and other is not None and one != other:
        yield Found(path="environment.accelerators", first=one, second=other)


def _versions(first: Side, second: Side) -> Iterator[Found]:
    one, other = (
        sorted({job.engine_version_found for job in side.run.jobs if job.engine_version_found})
        for side in (first, second)
    )
    if one and other and one != other:
        yield Found(path="environment.jobs.engine_version_found", first=one, second=other)


def _machine(key: str) -> Find:
    return _at("machine", key)


def _at(*keys: str) -> Find:
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


def _cpu(of_the_engine: bool) -> Find:
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


def _image(program: str) -> Find:
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


def _packages(program: str) -> Find:
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


def _of_one_engine(find: Find) -> Find:
    """Look only where both have the same engine: what two are made of needs no telling."""

    def found(first: Side, second: Side) -> Iterator[Found]:
        if first.lock.engine["name"] == second.lock.engine["name"]:
            yield from find(first, second)

    return found


_MACHINE: tuple[tuple[str, Find], ...] = (
    ("processor", _cpu(of_the_engine=False)),
    ("memory in bytes", _machine("memory_bytes")),
    ("accelerator driver", _drivers),
)
_SYSTEM: tuple[tuple[str, Find], ...] = (
    ("operating system", _machine("system")),
    ("kernel", _machine("kernel")),
    ("CPU clock governor", _machine("governor")),
    ("runtime", _at("runtime")),
    ("isolation", _at("isolation")),
)
_ENGINE: tuple[tuple[str, Find], ...] = (
    ("version that the engine tells", _versions),
    ("root file system of the engine's image", _image("engine")),
    ("engine's packages", _packages("engine")),
)
_CLIENT: tuple[tuple[str, Find], ...] = (
    ("root file system of the load generator's image", _image("client")),
    ("load generator's packages", _packages("client")),
)


def _rows(
    group: str,
    finders: Iterable[tuple[str, Find]],
    makes: Kind | None = None,
    spoils: tuple[str, ...] = (SPEED,),
) -> Iterator[Row[Side]]:
    for what, find in finders:
        yield Row(group=group, what=what, find=find, makes=makes, spoils=spoils)


ENVIRONMENT: tuple[Row[Side], ...] = (
    *_rows(
        "hardware found",
        [
            ("accelerators", _accelerators),
            ("processor", _cpu(of_the_engine=True)),
            ("architecture", _machine("architecture")),
        ],
        Kind.OTHER_HARDWARE,
    ),
    *_rows("hardware found", _MACHINE),
    *_rows("system", _SYSTEM),
    *_rows("system", [("whether programs were pinned", _at("pinned"))], spoils=EVERYTHING),
    *_rows(
        "programs found",
        [(what, _of_one_engine(find)) for what, find in _ENGINE],
        spoils=EVERYTHING,
    ),
    *_rows("programs found", _CLIENT),
    *_rows(
        "programs found",
        [("specseal", _at("specseal_version")), ("Python of the host", _machine("python"))],
        spoils=(),
    ),
)
"""What may differ between two environments: group, how to say it, how it is found, what it makes
of two results, and what it may change."""
