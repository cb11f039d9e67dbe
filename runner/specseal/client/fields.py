"""Strict JSON: values taken field by field, every error with the place it is at."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from specseal.client.errors import InputRefused

T = TypeVar("T")


def strict_json(data: bytes, where: str) -> Any:
    """Parse UTF-8 JSON; refuse duplicate keys, NaN and infinities.

    Raises:
        InputRefused: not such JSON.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            raise InputRefused(f"{where}: a key appears twice in one object")
        return value

    def refuse(text: str) -> Any:
        raise InputRefused(f"{where}: {text} is not JSON")

    try:
        return json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except ValueError as error:
        raise InputRefused(f"{where}: not JSON: {error}") from error


class Fields:
    """The fields of one JSON object; each is taken once, `end` refuses what is left.

    Every method raises InputRefused where a field is missing or of another type.
    """

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InputRefused(f"{where}: expected an object")
        self._left: dict[str, Any] = dict(value)
        self.where = where

    def has(self, name: str) -> bool:
        """Say whether the field is there and not null."""
        return self._left.get(name) is not None

    def take(self, name: str, kind: type[T]) -> T:
        """Take a field of exactly this type (a boolean is no integer)."""
        if name not in self._left:
            raise InputRefused(f"{self.where}: {name!r} is missing")
        return self._checked(self._left.pop(name), kind, f"{self.where}.{name}")

    def take_or(self, name: str, kind: type[T], default: T | None) -> Any:
        """Take a field that may be absent or null."""
        if self.has(name):
            return self.take(name, kind)
        self._left.pop(name, None)
        return default

    def take_number(self, name: str) -> float:
        """Take an integer or a float."""
        if isinstance(self._left.get(name), float):
            return self.take(name, float)
        return self.take(name, int)

    def take_number_or(self, name: str, default: float | None) -> float | None:
        """Take an integer or a float that may be absent or null."""
        if self.has(name):
            return self.take_number(name)
        self._left.pop(name, None)
        return default

    def take_one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Take a string out of a closed list."""
        value = self.take(name, str)
        if value not in choices:
            raise InputRefused(f"{self.where}.{name}: {value!r} is none of {', '.join(choices)}")
        return value

    def take_strings(self, name: str) -> dict[str, str]:
        """Take an object whose values are all strings."""
        inner = self.take_object(name)
        return {key: inner.take(key, str) for key in list(inner._left)}

    def take_strings_or(self, name: str) -> dict[str, str]:
        """Take such an object that may be absent or null."""
        if self.has(name):
            return self.take_strings(name)
        self._left.pop(name, None)
        return {}

    def take_list(self, name: str, kind: type[T]) -> tuple[T, ...]:
        """Take a list whose items are all of this type."""
        return self._items(self.take(name, list), kind, f"{self.where}.{name}")

    def take_list_or(self, name: str, kind: type[T]) -> tuple[T, ...]:
        """Take such a list that may be absent or null."""
        if self.has(name):
            return self.take_list(name, kind)
        self._left.pop(name, None)
        return ()

    def take_lists(self, name: str, kind: type[T]) -> tuple[tuple[T, ...], ...]:
        """Take a list of such lists."""
        where = f"{self.where}.{name}"
        rows = self.take_list(name, list)
        return tuple(self._items(row, kind, f"{where}[{index}]") for index, row in enumerate(rows))

    def take_object(self, name: str) -> Fields:
        """Take an object, as fields of its own."""
        return Fields(self.take(name, dict), f"{self.where}.{name}")

    def take_object_or(self, name: str) -> Fields | None:
        """Take an object that may be absent or null, as fields of its own."""
        if self.has(name):
            return self.take_object(name)
        self._left.pop(name, None)
        return None

    def take_all_objects(self) -> dict[str, Fields]:
        """Take every field, each of them an object, by name."""
        return {name: self.take_object(name) for name in list(self._left)}

    def take_objects(self, name: str) -> tuple[Fields, ...]:
        """Take a list of objects that is not empty."""
        where = f"{self.where}.{name}"
        rows = self.take(name, list)
        if not rows:
            raise InputRefused(f"{where}: is empty")
        return tuple(Fields(row, f"{where}[{index}]") for index, row in enumerate(rows))

    def end(self, *, also_known: Iterable[str] = ()) -> None:
        """Refuse the fields that nobody took, but for those in `also_known`."""
        if unknown := sorted(self._left.keys() - set(also_known)):
            raise InputRefused(f"{self.where}: unknown field {unknown[0]!r}")

    def _items(self, rows: list[Any], kind: type[T], where: str) -> tuple[T, ...]:
        return tuple(
            self._checked(item, kind, f"{where}[{index}]") for index, item in enumerate(rows)
        )

    def _checked(self, value: Any, kind: type[T], where: str) -> T:
        if type(value) is not kind:
            raise InputRefused(f"{where}: expected {kind.__name__}, not {type(value).__name__}")
        return value
