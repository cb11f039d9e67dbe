"""What the value of an engine's flag may be: its kind, as the lists in `names/` have it.

- `switch`: none, it is on the launch line or not. `bool`: true or false, in a file of options.
- `int`, `float`; `size`: a whole number or one with a unit, as in `16k`.
- `text`: also a mapping, which is handed over as JSON: parsers have some of these as texts.
- `json`: a value of JSON, or a text that holds one; `object`: a mapping, in a file of options.
- `one of A|B`: one of these. `many KIND`: one of that kind or a list of them.
- `any`: what the parser makes of it is not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from specseal.errors import Dishonoured

_SIZE = re.compile(r"[0-9]+(\.[0-9]+)?[kKmMgGtT]?")
_MANY, _ONE_OF = "many ", "one of "


def check_value(
    name: str, value: Any, kind: str, *, engine: str, place: tuple[str, ...], off: bool = False
) -> None:
    """Refuse a value that is not of a flag's kind.

    Args:
        name: the flag's, as the engine writes it.
        value: what the spec has.
        kind: what it may be.
        engine: name and version.
        place: where the spec has it.
        off: of a switch: whether there is a way to say that it is off.

    Raises:
        Dishonoured: it is of another kind.
    """
    if kind == "switch":
        if value is not True and not (off and value is False):
            mend = "write true or false" if off else "write true, or leave it out"
            raise Dishonoured(place, f"{engine}'s {name} takes no value: {mend}")
        return
    if not _is(value, kind):
        raise Dishonoured(place, f"is {value!r}: {engine}'s {name} takes {_said(kind)}")


def _is(value: Any, kind: str) -> bool:
    if kind.startswith(_MANY):
        one = kind.removeprefix(_MANY)
        return all(_is(each, one) for each in (value if isinstance(value, list) else [value]))
    if kind.startswith(_ONE_OF):
        return not isinstance(value, bool) and str(value) in _choices(kind)
    return _KINDS[kind][0](value)


def _said(kind: str) -> str:
    if kind.startswith(_MANY):
        return f"{_said(kind.removeprefix(_MANY))}, or a list of them"
    if kind.startswith(_ONE_OF):
        return f"one of {', '.join(_choices(kind))}"
    return _KINDS[kind][1]


def _choices(kind: str) -> list[str]:
    return kind.removeprefix(_ONE_OF).split("|")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | dict) or _is_float(value)


def _is_size(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, str) and bool(_SIZE.fullmatch(value)))


def _is_json(value: Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, dict | list)
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (_is_int, "a whole number"),
    "float": (_is_float, "a number"),
    "text": (_is_text, "a text"),
    "size": (_is_size, "a whole number"),
    "json": (_is_json, "JSON"),
    "object": (lambda value: isinstance(value, dict), "a mapping"),
    "any": (lambda value: True, "anything"),
}
"""By kind: what is of it, and what that is called."""
