"""A command line from an adapter's own flags and a spec's `engine.args`, which may not meet."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from specseal.digests import canonical
from specseal.engines.known_names import check_argument, check_said_once
from specseal.errors import Dishonoured

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def command_line(
    flags: Mapping[str, Any],
    args: Mapping[str, Any],
    *,
    own: Collection[str],
    changeable: Collection[str],
    refused: Collection[str],
    engine: str,
    known: Mapping[str, str],
) -> tuple[str, ...]:
    """Return `--name value …`: true is `--name`, false `--no-name`, an object canonical JSON.

    Args:
        flags: the adapter's, by name; None is left out, and the name is the adapter's all the same.
        args: the spec's, by name with dashes or underscores.
        own: names in `args` that are settings of the adapter, no flags.
        changeable: names in `flags` to which the adapter has given the spec's value, where the
            spec has one.
        refused: further names that a spec may not set.
        engine: name and version.
        known: the flags of the version, dashes before them, each with the kind of its value.

    Raises:
        Dishonoured: a name of the spec's is taken, or abbreviates one, or is none of the engine's,
            or its value is no flag's.
    """
    line = [word for name, value in flags.items() for word in _words(name, value)]
    taken = {*flags, *refused}
    check_said_once(args)
    for key, value in args.items():
        if key in own:
            continue
        place = ("engine", "args", key)
        name = key.replace("_", "-")
        if not _NAME.fullmatch(name):
            raise Dishonoured(place, "is no flag: write its name, without dashes before it")
        bare = name.removeprefix("no-")
        if name in changeable:
            check_argument(f"--{name}", value, known, engine=engine, place=place)
            continue
        # Parsers take the beginning of a name for the name.
        if any(one.startswith(bare) for one in taken):
            raise Dishonoured(place, "is set by specseal, or breaks what it measures: leave it out")
        if not isinstance(value, str | int | float | bool | dict):
            raise Dishonoured(place, "is no text, number, true, false or object")
        check_argument(f"--{name}", value, known, engine=engine, place=place)
        line += _words(name, value)
    return tuple(line)


def _words(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, bool):
        return (f"--{name}" if value else f"--no-{name}",)
    return f"--{name}", canonical(value).decode() if isinstance(value, dict) else str(value)
