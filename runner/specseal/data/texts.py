"""The texts that throughput prompts are made from: sentences with gaps, and names to fill them.

They lie in `speed-mini/texts/`: one sentence a line, gaps as `{person}` or `{goods}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from specseal.data.draws import Draws

_FOLDER = files("specseal") / "data" / "speed-mini" / "texts"
Names = dict[str, list[str]]


@cache
def lines(name: str) -> tuple[str, ...]:
    """Return the lines of one of the texts."""
    return tuple((_FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())


@cache
def names() -> Names:
    """Return the lists of names, by what they name."""
    found: Names = json.loads((_FOLDER / "names.json").read_text(encoding="utf-8"))
    return found


def person(draws: Draws, given: str | None = None) -> str:
    """Return a full name; `given` is the list of first names, by default either."""
    known = names()
    return f"{draws.one(known[given or draws.one(('women', 'men'))])} {draws.one(known['family'])}"


def cast(draws: Draws) -> dict[str, str]:
    """Return the four people of a story: `a` and `c` are women, `b` and `d` men."""
    women, men = (draws.shuffled(names()[kind]) for kind in ("women", "men"))
    return {"a": women[0], "b": men[0], "c": women[1], "d": men[1]}


def fillings(draws: Draws) -> dict[str, str]:
    """Return something for each gap that a sentence may have."""
    known = names()
    ships, thing = draws.shuffled(known["ship"]), draws.one(known["object"])
    return {
        "person": person(draws),
        "other": person(draws),
        "town": draws.one(known["town"]),
        "street": draws.one(known["street"]),
        "ship": ships[0],
        "ship2": ships[1],
        "object": thing,
        "Object": f"A {thing}",
        "trade": draws.one(known["trade"]),
        "month": draws.one(known["month"]),
        "goods": draws.one(known["goods"]),
        "wind": draws.one(known["wind"]),
        "n": str(draws.between(13, 97)),
        "m": str(draws.between(3, 12)),
        "sum": f"{draws.between(2, 240)} crowns",
        "year": str(draws.between(1851, 1938)),
    }


def dealt(draws: Draws, name: str) -> Iterator[str]:
    """Yield sentences of a text without end; each is used once before any is used again."""
    while True:
        for line in draws.shuffled(lines(name)):
            yield line.format_map(fillings(draws))
