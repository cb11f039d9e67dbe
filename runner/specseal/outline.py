"""What a spec will do, without a lock and without a machine: its jobs, launch lines and images.

For reading before anything is downloaded or run. What a lock would pin is named, not resolved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from specseal.digests import Digest
from specseal.engines import CAPABILITIES, Launch, asked_of_engine, engine, launch_request
from specseal.lock import points_of
from specseal.plan import Job, make_plan
from specseal.settings import images_folder
from specseal.spec import Spec
from specseal.spec.locked import Lock, Variant, joined

_UNKNOWN = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlined:
    """One launch of the plan, and the jobs that it is for."""

    jobs: tuple[str, ...]
    """Names, in the order in which they run."""
    phases: tuple[str, ...]
    launch: Launch
    image: str
    """An official image's reference, or the Dockerfile that one is built from; empty for a running
    server."""
    base: str
    """The official image that one is built on; empty where it is not built on one."""
    dockerfile: str
    """Text of the engine's Dockerfile for these accelerators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A whole plan."""

    order: tuple[str, ...]
    """Every job, in the order in which they run."""
    launches: tuple[Outlined, ...]


def outline(spec: Spec) -> Outline:
    """Return what a spec will do."""
    specs = [variant.spec for variant in spec.variants] or [spec]
    settings = [variant.setting for variant in spec.variants] or [{}]
    pairs = zip(settings, specs, strict=True)
    lock = joined([Variant(setting=setting, lock=_unresolved(one)) for setting, one in pairs])
    jobs = make_plan(lock).jobs
    launches: dict[str, list[Job]] = {}
    for job in jobs:
        launches.setdefault(job.name.partition("-")[2], []).append(job)
    return Outline(
        order=tuple(job.name for job in jobs),
        launches=tuple(_outlined(of_launch, specs) for of_launch in launches.values()),
    )


def _outlined(jobs: list[Job], specs: list[Spec]) -> Outlined:
    first = jobs[0]
    spec = specs[first.variant]
    request = launch_request(
        spec,
        method=first.method,
        draft_length=first.draft_length,
        max_sequences=first.max_sequences,
        temperature=max(phase.sampling["temperature"] for phase in first.phases),
    )
    image, base, dockerfile = _image(spec)
    return Outlined(
        jobs=tuple(job.name for job in jobs),
        phases=tuple(phase.name for phase in first.phases),
        launch=engine(spec.engine.name).launch(request),
        image=image,
        base=base,
        dockerfile=dockerfile,
    )


def _image(spec: Spec) -> tuple[str, str, str]:
    if spec.engine.url is not None:
        return "", "", ""
    folder = Path(spec.engine.name) / asked_of_engine(spec)["family"]
    path = images_folder() / folder / "Dockerfile"
    dockerfile = path.read_text(encoding="utf-8") if path.is_file() else ""
    official = CAPABILITIES.image_reference(spec)
    if official and not spec.engine.is_built:
        return official, "", dockerfile
    return f"images/{folder.as_posix()}/Dockerfile", official or "", dockerfile


def _unresolved(spec: Spec) -> Lock:
    """Return a lock that says what the plan depends on, and pins nothing."""
    prompts = {"sha256": _UNKNOWN, "history_not_rewritten": False, "bos_doubled": False}
    return Lock(
        spec={"name": spec.name},
        engine=asked_of_engine(spec),
        client={},
        model=asdict(spec.model),
        drafter={**asdict(spec.drafter), "draft_length": None},
        dataset={},
        encoder=None,
        prompts={**prompts, "random": {"sha256": _UNKNOWN}},
        sampling=_listed(asdict(spec.workload.sampling)),
        hardware=asdict(spec.hardware),
        points=points_of(spec),
    )


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(one) if isinstance(one, tuple) else one for key, one in values.items()}


def lines(outlined: Outline) -> Iterator[str]:
    """Yield an outline as lines of text."""
    yield f"jobs in order: {' '.join(outlined.order)}"
    shown: set[str] = set()
    for one in outlined.launches:
        yield ""
        yield f"{one.jobs[0]}: {len(one.jobs)} launches, phases {' '.join(one.phases)}"
        yield from _launch_lines(one)
        if one.dockerfile and one.image not in shown:
            shown.add(one.image)
            is_built = one.image.startswith("images/")
            what = one.image if is_built else "not built, the official image is run as it is"
            yield f"  Dockerfile ({what}):"
            yield from (f"    {line}".rstrip() for line in one.dockerfile.splitlines())


def _launch_lines(one: Outlined) -> Iterator[str]:
    launch = one.launch
    if launch.url is not None:
        yield f"  server: {launch.url}"
        return
    yield f"  image: {one.image}{f' on {one.base}' if one.base else ''}"
    for name, value in sorted(launch.environment.items()):
        yield f"  environment: {name}={value}"
    yield f"  launch: {' '.join((*launch.entrypoint, *launch.args))}"
    for name, text in launch.config.items():
        yield f"  {name}: {text.strip()}"
