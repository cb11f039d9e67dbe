"""Find prepared files of SPEED-Bench in a file or folder that somebody hands over.

    <config>/test.parquet   what NVIDIA/Model-Optimizer writes, below `data/speed/`
    <config>.jsonl          what NVIDIA-NeMo/Skills writes

A folder may be any of those above them; every configuration in it is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specseal.errors import InputError
from specseal.lock.speed_bench import CONFIGS, JSON_LINES, PARQUET

_FORM_OF = {".parquet": PARQUET, ".jsonl": JSON_LINES}
_BELOW = ("", "speed/", "data/speed/")
"""Where the prepare step's own folders begin, seen from the folder that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialFile:
    """A file of one configuration, read."""

    name: str
    """As its user named it, for messages alone."""
    config: str
    form: str
    data: bytes


def find_official(path: Path, config: str | None = None) -> list[OfficialFile]:
    """Read the files of SPEED-Bench that a path stands for.

    Args:
        path: a file or a folder.
        config: the only configuration wanted; of a file, what it holds whatever its name is.

    Raises:
        InputError: there is none, or one configuration is there twice.
    """
    found = [_from_file(path, config)] if path.is_file() else list(_from_folder(path, config))
    if not found:
        wanted = config or "any configuration"
        raise InputError(
            f"{path}: no file of {wanted} of SPEED-Bench is there",
            mend="name a folder with CONFIG/test.parquet or CONFIG.jsonl in it, or such a file; "
            f"CONFIG is one of {', '.join(CONFIGS)}",
        )
    return [_read(file, name, form) for file, name, form in found]


def _from_file(path: Path, config: str | None) -> tuple[Path, str, str]:
    form = _FORM_OF.get(path.suffix)
    if form is None:
        raise InputError(
            f"{path}: neither Parquet nor JSON lines",
            mend=f"name a file that ends in {' or '.join(_FORM_OF)}",
        )
    named = config or (path.absolute().parent.name if form == PARQUET else path.stem)
    if named not in CONFIGS:
        raise InputError(
            f"{path}: its name does not say which configuration it holds",
            mend=f"say --config with one of {', '.join(CONFIGS)}",
        )
    return path, named, form


def _from_folder(folder: Path, only: str | None) -> Iterator[tuple[Path, str, str]]:
    for config in CONFIGS if only is None else (only,):
        places = [
            folder / below / name
            for below in _BELOW
            for name in (f"{config}/test.parquet", f"{config}.jsonl")
        ]
        if folder.absolute().name == config:
            places.append(folder / "test.parquet")
        there = [place for place in places if place.is_file()]
        if len(there) > 1:
            raise InputError(
                f"{folder}: {config} is there {len(there)} times: {', '.join(map(str, there))}",
                mend="name one of these files",
            )
        for place in there:
            yield place, config, _FORM_OF[place.suffix]


def _read(path: Path, config: str, form: str) -> OfficialFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    return OfficialFile(name=str(path), config=config, form=form, data=data)
