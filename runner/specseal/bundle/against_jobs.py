"""What `environment.json` tells of each job, held against what it tells of the whole, and the run.

In: `environment.json`, already held against its schema, and the run. That a run was shut in is said
once for all of it; each job tells in which containers it ran, of which images, and what it held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from specseal.analysis import RunData
from specseal.bundle.counts import COUNTS
from specseal.bundle.findings import Finding
from specseal.plan import Job
from specseal.spec.locked import Lock

_DOCKER = "docker"
_SHUT_IN: dict[str, dict[str, Any]] = {
    "engine": {"NetworkMode": "none", "Privileged": False, "ReadonlyRootfs": True},
    "client": {"NetworkMode": "container:engine", "Privileged": False, "ReadonlyRootfs": True},
}
"""What the container engine said of each container, of what makes it one that is shut in."""
_CAPABILITIES = "CapDrop"
"""Which are dropped. They are spelled differently by container engines, but are never none."""


def jobs_against_runtime(
    environment: Mapping[str, Any], run: RunData, *, is_of_the_first: bool
) -> Iterator[Finding]:
    """Yield a finding for each job that ran otherwise than the environment says of all.

    A job that failed before it had measured anything may not have come as far as its containers.

    Args:
        environment: the file.
        run: which phases each job measured.
        is_of_the_first: whether the bundle is one of the first, of which less is asked.
    """
    measured = {job.key for job in run.jobs if job.phases}
    must_tell = environment["runtime"] == _DOCKER and not is_of_the_first
    for job in environment["jobs"]:
        where = f"environment.json: job {job['key']}"
        for name in ("runtime", "isolation"):
            if job.get(name, environment[name]) != environment[name]:
                said = f"{name} is {job[name]}, of the whole run it is {environment[name]}"
                yield Finding("schemas.isolation", f"{where}: {said}")
        containers = job.get("containers")
        if containers is None:
            if must_tell and job["key"] in measured:
                yield Finding("schemas.isolation", f"{where}: tells of no containers")
        elif environment["runtime"] != _DOCKER:
            said = f"ran in containers, with runtime {environment['runtime']}"
            yield Finding("schemas.isolation", f"{where}: {said}")
        else:
            yield from _containers(where, containers)


def _containers(where: str, containers: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for role, wanted in _SHUT_IN.items():
        settings = containers.get(role, {})
        for name, value in wanted.items():
            if settings.get(name) != value:
                said = f"containers.{role}.{name} is {settings.get(name)}, shut in it is {value}"
                yield Finding("schemas.isolation", f"{where}: {said}")
        if not settings.get(_CAPABILITIES):
            said = f"containers.{role}.{_CAPABILITIES} is empty: it was left its capabilities"
            yield Finding("schemas.isolation", f"{where}: {said}")


def images_of_jobs(
    run: RunData, planned: Sequence[Job], environment: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield a finding for each job that ran in another image than is told of.

    The image that is described is the one that was there when the result was sealed. A job that
    was kept from an earlier session may have run in another one that was built of the same, so
    those of one session are held against each other. The first bundles don't say which session
    sealed them; it is the one that there is.

    Args:
        run: the run.
        planned: the jobs of its plan, as many.
        environment: the file.
    """
    images = environment["images"]
    told = {job["key"]: job.get("containers", {}) for job in environment["jobs"]}
    sessions = {job.session for job in run.jobs}
    sealing = environment.get("session", next(iter(sessions)) if len(sessions) == 1 else None)
    seen: dict[tuple[str, str, str], Any] = {}
    for job, plan in zip(run.jobs, planned, strict=True):
        programs = images["variants"][plan.variant] if "variants" in images else images
        for role, settings in told.get(job.key, {}).items():
            if not job.phases or role not in programs:
                continue
            facts, found = programs[role], settings.get("Image")
            known = seen.setdefault((job.session, role, facts.get("inputs")), found)
            expected = facts.get("id") if job.session == sealing else known
            if found != expected:
                yield Finding(
                    "recompute.jobs",
                    f"environment.json: job {job.key}: containers.{role}.Image is {found}, the "
                    f"image that is told of is {expected}",
                )


def devices_of_jobs(run: RunData, lock: Lock, environment: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each job that held other accelerators than its environment tells.

    Of a running server it is all that its machine has, or, where that is another, nothing.
    """
    is_ours = lock.spec["url"] is None
    told = {job["key"]: job.get("machine", {}) for job in environment["jobs"]}
    for job in run.jobs:
        where = f"{COUNTS}: job {job.key}: accelerators_found"
        if job.accelerators_found is None:
            if is_ours:
                yield Finding("recompute.jobs", f"{where} is not told, and the engine ran here")
            continue
        held = _held(told.get(job.key, {}), is_ours=is_ours)
        if held is not None and held != list(job.accelerators_found):
            yield Finding(
                "recompute.jobs",
                f"{where} is {list(job.accelerators_found)}, environment.json has {held}",
            )


def _held(machine: Mapping[str, Any], *, is_ours: bool) -> list[str] | None:
    """Return the names of what a job held; None where that is not told."""
    inspection = machine.get("inspection")  # none in jobs of the first versions
    told = inspection.get("devices") if is_ours and inspection else machine.get("accelerators")
    return None if told is None else [one["name"] for one in told]
