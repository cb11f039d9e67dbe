"""Values out of a server's JSON, each held to the type that it must be of.

A server is not trusted to write what its documentation says: a text where a number should be would
otherwise come out far from where it was read. All raise TypeError, as a `Decode` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specseal.client.prompts import TokenIds


def an_object(value: Any) -> dict[str, Any]:
    """Return a JSON object. Raises: TypeError."""
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, not {value!r:.40}")
    return value


def an_object_or_none(value: Any) -> dict[str, Any] | None:
    """Return a JSON object, or None for null and for what is absent. Raises: TypeError."""
    return None if value is None else an_object(value)


def objects(value: Any) -> list[dict[str, Any]]:
    """Return a list of JSON objects. Raises: TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list, not {value!r:.40}")
    return [an_object(item) for item in value]


def count(told: Mapping[str, Any], key: str) -> int:
    """Return the whole number, not below 0, at a key. Raises: KeyError, TypeError."""
    value = told[key]
    if type(value) is not int or value < 0:
        raise TypeError(f"{key}: expected a count, not {value!r:.40}")
    return value


def count_or(told: Mapping[str, Any], key: str, default: int) -> int:
    """Return the count at a key, or what its absence means. Raises: TypeError."""
    return count(told, key) if key in told else default


def text(value: Any) -> str:
    """Return a text; null is the empty one. Raises: TypeError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, not {value!r:.40}")
    return value


def ids(value: Any) -> TokenIds:
    """Return token ids; null is none. Raises: TypeError."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise TypeError(f"expected token ids, not {value!r:.40}")
    return tuple(value)
