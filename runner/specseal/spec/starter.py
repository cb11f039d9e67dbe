"""The spec that `specseal init` starts a user off with."""

from __future__ import annotations

import re
from importlib.resources import files

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
