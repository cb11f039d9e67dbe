"""Wheels of a hash-locked requirements file, downloaded once for one target and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from specseal.digests import Digest, sha256_file, sha256_value
from specseal.errors import LockError, MachineLacks
from specseal.settings import Settings

# Debian 12's Python and C library, which the base image carries.
CONTAINER_TARGET = (
    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3",
    "--abi", "none",
    *(word for name in (
        "manylinux_2_36", "manylinux_2_35", "manylinux_2_34", "manylinux_2_31", "manylinux_2_28",
        "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux2010",
        "manylinux1",
    ) for word in ("--platform", f"{name}_x86_64")),
)  # fmt: skip
NATIVE_TARGET: tuple[str, ...] = ()


_CPU_BUILD = "+cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """A folder of wheels, and what is in it."""

    folder: Path
    wheels: dict[str, Digest]
    """File name → SHA-256."""

    @property
    def pip_wheel(self) -> Path:
        """The wheel of pip itself, which can be run without being installed."""
        return next(self.folder.glob("pip-*.whl"))


def fill(requirements: Path, target: tuple[str, ...], *, settings: Settings) -> Wheelhouse:
    """Download the wheels that `requirements` pins for a target, or take them from the cache.

    pip checks every wheel against the hashes in the file, and its own configuration says where
    wheels come from.

    Raises:
        MachineLacks: pip is missing, or no package registry answers.
        LockError: a wheel's bytes are not the ones pinned.
    """
    # Native wheels depend on the interpreter that installs them.
    key = sha256_value([sha256_file(requirements), *(target or (sys.version,))])
    folder = settings.cache_dir / "wheels" / key[:24]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
            filled = Path(partial) / "wheels"
            _download(requirements, target, filled, settings)
            try:
                filled.rename(folder)
            except OSError:  # another run has put the same wheels there meanwhile
                if not folder.is_dir():
                    raise
    wheels = {path.name: sha256_file(path) for path in sorted(folder.glob("*.whl"))}
    return Wheelhouse(folder=folder, wheels=wheels)


def _download(requirements: Path, target: tuple[str, ...], into: Path, settings: Settings) -> None:
    options = ["--dest", str(into), "--requirement", str(requirements), *target]
    run_pip(
        ["download", "--require-hashes", "--no-deps", "--only-binary", ":all:", *options],
        settings=settings,
        what=f"the wheels of {requirements.parent.name}/{requirements.name}",
    )


def run_pip(arguments: list[str], *, settings: Settings, what: str) -> None:
    """Run this interpreter's pip.

    Raises:
        MachineLacks, LockError: with pip's own last words.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    command += ["--cert", str(settings.ca_bundle)] if settings.ca_bundle else []
    links = settings.wheel_dir and arguments[0] == "download"
    arguments += ["--find-links", str(settings.wheel_dir)] if links else []
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    said = " / ".join(errors[-6:])
    if "HASHES" in done.stderr or "hashes" in done.stderr:
        raise LockError(
            f"{what} are not the ones that are pinned: {said}",
            mend="ask another package registry: this one serves different bytes",
        )
    mend = "put the wheels in a folder and name it as wheel_dir in specseal.toml"
    if _CPU_BUILD in done.stderr:
        mend = (
            "torch's builds for the CPU are in an index of PyTorch's own: name it to pip as well, "
            f"as PIP_EXTRA_INDEX_URL or in its configuration; or {mend}"
        )
    raise MachineLacks(
        f"{what} can't be had: {said}",
        mend=f"check the network and pip's configuration; {mend}",
    )


def copy_into(house: Wheelhouse, folder: Path) -> None:
    """Copy wheels into a build context, pip's own as `pip.whl` beside `wheels/`."""
    (folder / "wheels").mkdir()
    for name in house.wheels:
        shutil.copyfile(house.folder / name, folder / "wheels" / name)
    shutil.copyfile(house.pip_wheel, folder / "pip.whl")
