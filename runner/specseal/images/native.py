"""The same programs without containers: hash-locked virtual environments, kept by content."""

from __future__ import annotations

import shutil
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock

from specseal.digests import sha256_value
from specseal.errors import MachineLacks
from specseal.image_inputs import check, describe_client_source, describe_image, inputs_digest
from specseal.images import wheelhouse
from specseal.images.containers import copy_client_source
from specseal.settings import Settings, images_folder
from specseal.spec.locked import Lock, official_image

_PROGRAMS = ("serve.py", "convert.py")
"""What is started of an image's folder: a server, or a preparation step's program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """Commands that start the engine and the client, to which their arguments are appended."""

    engine: tuple[str, ...]
    """Empty for a running server."""
    client: tuple[str, ...]
    client_path: Path
    """For PYTHONPATH: the folder that holds the client's source tree."""
    facts: dict[str, Any]
    """For the environment: inputs' digests, wheels with their hashes."""


def build_environments(
    lock: Lock, *, settings: Settings, say: Callable[[str], None]
) -> Environments:
    """Return the programs of a lock, making the virtual environments that are not there yet.

    Raises:
        LockError: files here are not the locked ones.
        MachineLacks: an official image can't run natively, or wheels can't be had.
    """
    pinned = lock.engine["image"]
    command: tuple[str, ...] = ()
    facts: dict[str, Any] = {}
    if pinned is not None:  # else a running server: nothing of it is started here
        if official_image(pinned) is not None:
            raise MachineLacks(
                f"the engine is run from the image {lock.spec['image']}, which needs a container "
                "engine",
                mend="start a Docker Engine; on the CPU, leaving out engine.image uses locked "
                "wheels; or measure a server of your own with engine.name endpoint",
            )
        engine, facts["engine"] = _environment(pinned, settings, say)
        command = (str(engine), str(_program(images_folder() / pinned["folder"])))
    client, facts["client"] = _environment(
        lock.client["image"], settings, say, lock.client["source"]
    )
    return Environments(
        engine=command,
        client=(str(client), "-m", "specseal.client"),
        client_path=_client_source(lock, settings),
        facts=facts,
    )


def _program(folder: Path) -> Path:
    return next(path for name in _PROGRAMS if (path := folder / name).is_file())


def _environment(
    pinned: dict[str, Any],
    settings: Settings,
    say: Callable[[str], None],
    source: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Path, dict[str, Any]]:
    root = images_folder()
    found = describe_image(root, pinned["folder"], pinned["requirements"])
    check(f"images/{pinned['folder']}", {key: pinned[key] for key in found}, found)
    requirements = root / pinned["folder"] / pinned["requirements"]
    house = wheelhouse.fill(requirements, wheelhouse.NATIVE_TARGET, settings=settings)
    key = sha256_value({"wheels": house.wheels, "python": sys.version, "at": sys.base_prefix})[:24]
    folder = settings.cache_dir / "venvs" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "complete").is_file():
            say(f"installing {pinned['folder']} into a virtual environment")
            _install(folder, requirements, house, settings)
    inputs = inputs_digest(pinned, house.wheels, source)
    return folder / "bin" / "python", {"inputs": inputs, "wheels": house.wheels}


def _install(
    folder: Path, requirements: Path, house: wheelhouse.Wheelhouse, settings: Settings
) -> None:
    # A virtual environment can't be moved, so it is made in place and marked when it is whole.
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False, symlinks=True)
    wheelhouse.run_pip(
        ["--python", str(folder / "bin" / "python"), "install", "--no-index", "--find-links",
         str(house.folder), "--require-hashes", "--no-deps", "--requirement", str(requirements)],
        settings=settings,
        what=f"the wheels of {requirements.parent.name}",
    )  # fmt: skip
    (folder / "complete").touch()


def _client_source(lock: Lock, settings: Settings) -> Path:
    package = Path(wheelhouse.__file__).parents[1]
    check("the client's source tree", lock.client["source"], dict(describe_client_source(package)))
    target = settings.cache_dir / "clients" / sha256_value(lock.client["source"])[:24]
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as partial:
            copy_client_source(Path(partial) / "client")
            (Path(partial) / "client").rename(target)
    return target
