"""Python wheels: the hashed requirements files that images are made from, and single downloads.

A requirements file is read strictly, because it is the whole truth about an environment: each
package at one version, with hashes, from no place in particular. Downloads go through pip, whose
own configuration says where packages come from.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from specseal.digests import Digest
from specseal.errors import InputError, LockError, MachineLacks, Problem, SpecError
from specseal.settings import Settings

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NOT_FOUND = ("No matching distribution found", "Could not find a version")
_UNREACHABLE = re.compile(r"Retrying \(|Connection|Temporary failure|timed out|SSLError")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPin:
    """One package of an environment."""

    name: str
    """Normalised: lower case, hyphens."""
    version: str
    marker: str | None
    """When it is installed at all, e.g. `python_full_version < "3.13"`; None means always."""
    sha256: tuple[Digest, ...]
    """The files that may be installed, one digest each, sorted."""


def read_requirements(path: Path) -> tuple[WheelPin, ...]:
    """Read a requirements file that pins every package by version and hashes.

    Raises:
        SpecError: lines that say anything else; all of them, with file and line.
        OSError: the file can't be read.
    """
    pins: dict[tuple[str, str | None], WheelPin] = {}
    problems: list[tuple[int, str]] = []
    for number, line in _logical_lines(path.read_text(encoding="utf-8")):
        try:
            pin = _pin(line)
        except ValueError as error:
            problems.append((number, str(error)))
            continue
        if (pin.name, pin.marker) in pins:
            problems.append((number, f"{pin.name}: pinned twice"))
        pins[pin.name, pin.marker] = pin
    if not pins and not problems:
        problems.append((1, "pins no package"))
    if problems:
        raise SpecError(
            [
                Problem(path=str(path), line=number, column=1, where="", message=message)
                for number, message in problems
            ]
        )
    return tuple(pins.values())


def download(package: str, version: str, *, settings: Settings, into: Path) -> Path:
    """Download the wheel of exactly that version, without its dependencies, and return its path.

    Args:
        package: the distribution's name.
        version: its version.
        settings: `wheel_dir` is asked beside pip's own places, `ca_bundle` is trusted.
        into: an existing folder.

    Raises:
        InputError: the name or the version can't be one.
        LockError: there is no such wheel.
        MachineLacks: pip is not there, or could not fetch it.
    """
    try:
        # Also keeps an option for pip from being smuggled in through a name.
        name, wanted = canonicalize_name(package, validate=True), Version(version)
    except (InvalidName, InvalidVersion) as error:
        raise InputError(f"{package!r} {version!r} names no package and version") from error
    if importlib.util.find_spec("pip") is None:
        raise MachineLacks(
            "pip is not installed beside specseal, so no wheel can be downloaded",
            mend=f"{sys.executable} -m ensurepip",
        )
    command = [sys.executable, "-m", "pip", "download", f"{name}=={wanted}", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(into), "--quiet", "--progress-bar=off"]
    command += ["--no-input", "--disable-pip-version-check"]
    if settings.wheel_dir:
        command += ["--find-links", str(settings.wheel_dir)]
    if settings.ca_bundle:
        command += ["--cert", str(settings.ca_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _pip_error(f"{name} {wanted}", done.stderr)
    for wheel in into.glob("*.whl"):
        if parse_wheel_filename(wheel.name)[:2] == (name, wanted):
            return wheel
    raise LockError(f"{name} {wanted}: pip reported success but left no wheel of that version")


@contextmanager
def open_member(wheel: Path, member: str) -> Iterator[IO[bytes]]:
    """Open one file inside a wheel as a stream; nothing is unpacked to disk.

    Raises:
        LockError: the wheel holds no such file, or is damaged, also where that shows while reading.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            found = [info for info in files if info.filename == member]
            if len(found) != 1:
                largest = sorted(files, key=lambda info: -info.file_size)[:5]
                raise LockError(
                    f"{wheel.name}: holds {len(found) or 'no'} files named {member!r}",
                    mend="its largest files are " + ", ".join(info.filename for info in largest),
                )
            with archive.open(found[0]) as stream:
                yield stream
    # What zipfile raises for a damaged, an encrypted and an unknown kind of member.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise LockError(f"{wheel.name}: {member} can't be read from it: {error}") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (1-based number of its first line, text) of each line, continuations joined."""
    parts: list[str] = []
    start = 1
    for number, line in enumerate(text.splitlines(), 1):
        if not parts:
            start = number
        content = re.sub(r"(^|\s)#.*", "", line).strip()
        parts.append(content.removesuffix("\\").strip())
        # Comments between an entry's lines and the next say whom it is for; they end it as well.
        if not content.endswith("\\"):
            whole = " ".join(part for part in parts if part)
            parts = []
            if whole:
                yield start, whole
    if any(parts):
        yield start, " ".join(part for part in parts if part)


def _pin(line: str) -> WheelPin:
    """Return what a logical line pins. Raises: ValueError saying what is wrong with it."""
    if line.startswith("-"):
        raise ValueError(f"an option ({line.split()[0]}); only pinned packages may stand here")
    text, *options = re.split(r"\s+(?=--)", line)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {str(error).splitlines()[0]}") from error
    if requirement.url:
        raise ValueError(f"{requirement.name}: comes from a URL; pin a version and hashes instead")
    if requirement.extras:
        raise ValueError(f"{requirement.name}: has extras; pin what they bring in instead")
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        raise ValueError(f"{requirement.name}: expected one exact version (==)")
    hashes = [_HASH.fullmatch(option) for option in options]
    for option, match in zip(options, hashes, strict=True):
        if match is None:
            raise ValueError(f"{requirement.name}: expected --hash=sha256:…, found {option!r}")
    if not hashes:
        raise ValueError(f"{requirement.name}: has no hash")
    return WheelPin(
        name=canonicalize_name(requirement.name),
        version=str(Version(specifiers[0].version)),
        marker=str(requirement.marker) if requirement.marker else None,
        sha256=tuple(sorted({Digest(match[1]) for match in hashes if match})),
    )


def _pip_error(what: str, stderr: str) -> LockError | MachineLacks:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    last = (errors or lines or ["pip said nothing"])[-1]
    # A network that is down ends in "no matching distribution" too, after warnings that tell.
    if _UNREACHABLE.search(stderr):
        return MachineLacks(
            f"{what}: pip could not reach where packages come from: {last}",
            mend="check the network and pip's configuration (`pip config list`), or put the wheel "
            "into a folder named by `wheel_dir` in specseal.toml",
        )
    if any(text in last for text in _NOT_FOUND):
        return LockError(
            f"{what}: pip found no wheel of that version: {last}",
            mend="check the package's name and version in the spec",
        )
    return MachineLacks(f"{what}: pip could not download it: {last}")
