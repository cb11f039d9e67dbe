"""The strict reader of every JSON document in a bundle: canonical bytes, and the right shape.

A document is accepted only where writing its value again gives the same bytes (RFC 8785), so two
readers can't see two values in one file, and no byte of it can change unnoticed.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Hashable, Iterable
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from jsonschema.exceptions import ValidationError, relevance

from specseal.bundle.findings import BundleBroken, Finding, broken
from specseal.digests import canonical
from specseal.errors import InputError
from specseal.json_schema import Schema

MAX_DEPTH = 32
_SAFE_INTEGER = 2**53 - 1
_SHOWN_PROBLEMS = 5
_VERSION = re.compile(r"(?P<name>specseal/[a-z]+)/(?P<major>[1-9][0-9]*)(\.[1-9][0-9]*)?")
_MESSAGE_CHARACTERS = 200
_READ_CHARACTERS = 2_000
_H = TypeVar("_H", bound=Hashable)


def parse_canonical(data: bytes, *, path: str, code: str, schema: str | None = None) -> Any:
    """Read canonical JSON, and check it against one of the schemas beside this module.

    Args:
        data: the document's bytes, without a final newline.
        path: named in the message.
        code: the finding's code.
        schema: name of a file in `schemas/`, without `.schema.json`.

    Raises:
        BundleBroken: a BOM, not UTF-8, not JSON, a key twice, NaN, too deep, a lone surrogate, not
            in canonical form, of another major version, or not of the schema's shape.
    """
    value = _parse(data, path=path, code=code)
    if schema is not None:
        value = _of_this_major(value, _schema(schema), path=path, code=code)
        check_schema(value, path=path, code=code, schema=schema)
    return value


def check_schema(value: Any, *, path: str, code: str, schema: str) -> None:
    """Check a value against one of the schemas beside this module.

    Raises:
        BundleBroken: it is not of the schema's shape.
    """
    errors = sorted(_schema(schema).errors(value), key=relevance)
    if errors:
        raise BundleBroken(
            [Finding(code, f"{path}: {_say(error)}") for error in errors[:_SHOWN_PROBLEMS]]
        )


def parse_file(data: bytes, *, path: str, code: str, schema: str | None = None) -> Any:
    """Read a file of canonical JSON and one final newline. Raises: BundleBroken."""
    if not data.endswith(b"\n"):
        raise broken(code, f"{path}: the final newline is missing")
    return parse_canonical(data[:-1], path=path, code=code, schema=schema)


def _of_this_major(value: Any, schema: Schema, *, path: str, code: str) -> Any:
    """Return a document of a newer minor version as this version knows it; others as they are.

    A minor version adds properties, which older readers leave aside.

    Raises:
        BundleBroken: of another major version.
    """
    known = schema.document["properties"].get("schema", {}).get("const")
    said = value.get("schema") if isinstance(value, dict) else None
    if known is None or said == known or not isinstance(said, str):
        return value
    match = _VERSION.fullmatch(said)
    if match is None or match["name"] != known.rpartition("/")[0]:
        return value
    if f"{match['name']}/{match['major']}" != known:
        raise broken(code, f"{path}: is {said}; this version of specseal reads {known}")
    return {**schema.known_part(value), "schema": known}


def _parse(data: bytes, *, path: str, code: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            twice = first_twice(key for key, _ in pairs)
            raise broken(code, f"{path}: key {_shortened(repr(twice))} appears twice")
        return value

    def refuse(text: str) -> Any:
        raise broken(code, f"{path}: {text} is not a JSON number")

    if data.startswith(b"\xef\xbb\xbf"):
        raise broken(code, f"{path}: starts with a byte order mark")
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_int=_number
        )
    except RecursionError as error:
        raise broken(code, f"{path}: nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise broken(code, f"{path}: not JSON: {error}") from error
    if _is_deeper(value, MAX_DEPTH):
        raise broken(code, f"{path}: nested deeper than {MAX_DEPTH} levels")
    try:
        again = canonical(value)
    except InputError as error:
        raise broken(code, f"{path}: {error.message}") from error
    if again != data:
        raise broken(
            code,
            f"{path}: not canonical JSON (white space, order of keys, or spelling of a value)",
        )
    return value


def _number(text: str) -> int | float:
    # RFC 8785 writes large floats without an exponent: what no integer may be is read as a float,
    # and one that is no float either then fails to give the same bytes again.
    value = int(text)
    return value if abs(value) <= _SAFE_INTEGER else float(text)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for parent in level
            if isinstance(parent, dict | list)
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


def first_twice(values: Iterable[_H]) -> _H | None:
    """Return the first value that was there before, in one pass; None where each comes once."""
    seen: set[_H] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= _MESSAGE_CHARACTERS else f"{text[:_MESSAGE_CHARACTERS]} …"


def _say(error: ValidationError) -> str:
    # The library quotes the whole value that is wrong, however large.
    message = textwrap.shorten(
        error.message[:_READ_CHARACTERS], _MESSAGE_CHARACTERS, placeholder=" …"
    )
    return f"{error.json_path.removeprefix('$.')}: {message}"


def schema_of(name: str) -> dict[str, Any]:
    """Return one of the schemas beside this module, by its file's name without the suffix."""
    schemas = resources.files(__package__).joinpath("schemas")
    schema: dict[str, Any] = json.loads(schemas.joinpath(f"{name}.schema.json").read_text("utf-8"))
    return schema


@cache
def _schema(name: str) -> Schema:
    return Schema(schema_of(name))
