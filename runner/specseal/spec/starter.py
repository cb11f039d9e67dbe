"""The spec that `specseal init` starts a user off with."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from specseal.errors import InputError
from specseal.spec.schema import spec_schema


def starter_text(name: str) -> str:
    """Return a commented, valid spec of that name. Raises: InputError where it can't be a name."""
    if not re.fullmatch(spec_schema()["properties"]["name"]["pattern"], name):
        raise InputError(
            f"{name!r} can't be the name of a spec",
            mend="use lower-case letters, digits and hyphens, 64 at most",
        )
    template = (files("specseal.spec") / "starter.yaml").read_text(encoding="utf-8")
    return template.replace("NAME", name)


def write_starter(name: str, folder: Path) -> Path:
    """Write a starter spec as `folder/name.yaml` and return its path.

    Raises:
        InputError: it can't be a name, the file is there already, or it can't be written.
    """
    text = starter_text(name)
    path = folder / f"{name}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} is there already", mend="choose another name") from error
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error
    return path
