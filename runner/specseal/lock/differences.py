"""What differs between two locks, for `specseal lock --check`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specseal.spec.locked import Lock


def changed_pins(old: Lock, new: Lock) -> tuple[str, ...]:
    """Return the dotted paths of all pins in which two locks differ, for `lock --check`."""
    return tuple(sorted(_differences(old.to_dict(), new.to_dict(), "")))


def _differences(old: Any, new: Any, path: str) -> Iterable[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            where = f"{path}.{key}" if path else str(key)
            yield from _differences(old.get(key), new.get(key), where)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{path}[{index}]")
    elif old != new:
        yield path
