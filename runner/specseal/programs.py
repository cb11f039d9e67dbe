"""Choose a runtime for a lock and make its programs ready: images for containers, or environments.

`auto` takes the container engine if one answers and its images can be built here, else `native`,
and says which and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from specseal.digests import Digest, sha256_value
from specseal.engines import CAPABILITIES
from specseal.errors import InputError, MachineLacks
from specseal.images import build_environments, build_images, differences_of_builds
from specseal.images.base import find_mirror
from specseal.runtimes import ContainerRuntime, NativeRuntime, ProgramRuntime, Runtime, connect
from specseal.settings import Settings
from specseal.spec import Spec
from specseal.spec.locked import Lock

CHOICES = ("auto", "docker", "native")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A runtime, ready to run jobs, and what its programs are made of."""

    runtime: Runtime
    facts: dict[str, Any]


def choose(choice: str, spec: Spec, settings: Settings, say: Say) -> str:
    """Return `docker` or `native`, and say in one line which and why.

    Args:
        choice: one of `CHOICES`.
        spec: what is to be run.
        settings: site settings.
        say: shows a line.

    Raises:
        InputError: `docker` was asked for, and a running server can't be put in a container.
        MachineLacks: `docker` was asked for and no container engine answers.
    """
    if spec.measures_running_server:
        if choice == "docker":
            raise InputError(
                "engine.name endpoint: a running server is outside of every container",
                mend="leave out --runtime docker",
            )
        say("runtime: native (isolation: none), because the spec measures a running server")
        return "native"
    if choice != "docker" and (images := _official_images(spec)):
        if choice == "native":
            raise MachineLacks(
                f"the engine is run from the image {images[0]}, which needs a container engine",
                mend="leave out --runtime native, or measure a server of your own with engine.name "
                "endpoint",
            )
        choice = "docker"  # nothing else will do, so that what it lacks is said at once
    if choice == "native":
        say("runtime: native, as asked (isolation: none)")
        return "native"
    try:
        with closing(connect(settings)) as client:
            version = client.version()["Version"]
        if choice == "auto":
            find_mirror(settings)  # containers are built from a base that comes from there
    except MachineLacks as error:
        if choice == "docker":
            raise
        say(f"runtime: native (isolation: none), because {error.message}")
        return "native"
    why = "as asked" if choice == "docker" else "because a container engine answers"
    say(f"runtime: docker {version}, {why}")
    return "docker"


def _official_images(spec: Spec) -> list[str]:
    specs = [variant.spec for variant in spec.variants] or [spec]
    return [image for one in specs if (image := CAPABILITIES.image_reference(one))]


def make_ready(name: str, lock: Lock, settings: Settings, say: Say) -> Programs:
    """Build what a lock needs on a runtime, and return it ready to run.

    Raises:
        LockError, MachineLacks, RunFailed: see `build_images` and `build_environments`.
    """
    runtime: Runtime
    if name == "docker":
        client = connect(settings)
        images = build_images(lock, client=client, settings=settings, say=say)
        runtime = ContainerRuntime(client, engine_image=images.engine, client_image=images.client)
        return Programs(runtime=runtime, facts=images.facts)
    environments = build_environments(lock, settings=settings, say=say)
    runtime = NativeRuntime(
        engine=environments.engine,
        client=environments.client,
        client_path=environments.client_path,
    )
    return Programs(runtime=runtime, facts=environments.facts)


def make_program_ready(
    name: str, pinned: dict[str, Any], lock: Lock, settings: Settings, say: Say
) -> ProgramRuntime:
    """Build a program of a preparation step, and return what runs it.

    Args:
        name: the runtime's.
        pinned: the program's image, as the lock has it.
        lock: whose step it is.
        settings: site settings.
        say: shows a line.

    Raises:
        LockError, MachineLacks, RunFailed: see `make_ready`.
    """
    program = {**lock.engine, "image": pinned}
    runtime = make_ready(name, replace(lock, engine=program), settings, say).runtime
    if not isinstance(runtime, ContainerRuntime | NativeRuntime):
        raise TypeError(f"{name} runs no programs alone")
    return runtime


def make_all_ready(
    name: str, locks: Sequence[Lock], settings: Settings, say: Say
) -> tuple[Programs, ...]:
    """Return the programs of each variant's lock, made once where variants share them.

    Raises:
        LockError, MachineLacks, RunFailed: see `make_ready`.
    """
    made: dict[Digest, Programs] = {}
    keys = [
        sha256_value([lock.engine["name"], lock.engine["image"], lock.client]) for lock in locks
    ]
    for key, lock in zip(keys, locks, strict=True):
        if key not in made:
            made[key] = make_ready(name, lock, settings, say)
    return tuple(made[key] for key in keys)


def compare_builds(locks: Sequence[Lock], settings: Settings, say: Say) -> dict[str, list[str]]:
    """Build each image of the locks twice; return {folder: paths in which the builds differ}.

    Raises:
        LockError, MachineLacks, RunFailed: see `build_images`.
    """
    found: dict[str, list[str]] = {}
    with closing(connect(settings)) as client:
        for lock in locks:
            found |= differences_of_builds(lock, client=client, settings=settings, say=say)
    return found


def facts_of(programs: Sequence[Programs]) -> dict[str, Any]:
    """Return what the programs of all variants are made of, by role.

    Where variants differ, `variants` lists the facts of each; the others are the first's.
    """
    facts = [one.facts for one in programs]
    others = {"variants": facts} if any(one != facts[0] for one in facts) else {}
    return {**facts[0], **others}
