"""The JSON Schema of a spec, and what it says of a document, in words for people.

`schema.v1.json` beside this module is the one place that names the keys of a spec, their types and
their defaults. Editors get a copy, the reference is rendered from it (`specseal.spec.reference`).
Its objects are split by `source` with if/then, so that a message is about the branch that the user
meant, and never about all of them.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jsonschema import ValidationError
from jsonschema.protocols import Validator

from specseal.json_schema import StrictValidator, place_of_repeated
from specseal.spec.document import Document, Finding, Place

Schema = dict[str, Any]
MAX_FINDINGS = 500


def schema_text() -> str:
    """Return the JSON Schema as it is published."""
    return (files("specseal.spec") / "schema.v1.json").read_text(encoding="utf-8")


@cache
def spec_schema() -> Schema:
    """Return the JSON Schema of a spec."""
    schema: Schema = json.loads(schema_text())
    return schema


def resolved(node: Schema, root: Schema) -> Schema:
    """Return what a subschema's `$ref` names, or the subschema where it has none."""
    name = node.get("$ref", "").removeprefix("#/$defs/")
    return root["$defs"][name] if name else node


def branches(node: Schema, root: Schema) -> list[Schema]:
    """Return the objects that a subschema allows: itself, or one a `source`."""
    choices = resolved(node, root).get("allOf")
    if choices is None:
        return [resolved(node, root)]
    return [resolved(choice["then"], root) for choice in choices]


@cache
def spec_paths() -> frozenset[str]:
    """Return every path that a spec may have; `engine.args.*` stands for any key below."""
    root = spec_schema()

    def below(node: Schema, prefix: str) -> Iterator[str]:
        for branch in branches(node, root):
            for key, child in branch.get("properties", {}).items():
                yield f"{prefix}{key}"
                yield from below(child, f"{prefix}{key}.")
            if branch.get("type") == "object" and branch.get("additionalProperties") is not False:
                yield f"{prefix}*"

    return frozenset(below(root, ""))


def suggestion(word: Any, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" where `word` looks like one of `known`, else nothing."""
    close = _nearest(word, known)
    return f"; did you mean {close!r}?" if close else ""


def _nearest(word: Any, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return close[0] if close else None


def violations(document: Document, schema: Schema | None = None) -> tuple[Finding, ...]:
    """Return where a document breaks a schema, the spec's if none is given: one finding a place.

    There are at most `MAX_FINDINGS`: who mends so many sees the rest.
    """
    found: dict[Place, Finding] = {}
    validator = _validator() if schema is None else StrictValidator(schema)
    findings = (
        finding
        for error in validator.iter_errors(document.value)
        for finding in _findings(error, document)
    )
    for finding in islice(findings, MAX_FINDINGS):
        found.setdefault(finding.place, finding)
    misspelt = {finding.meant for finding in found.values()}
    return tuple(finding for place, finding in found.items() if place not in misspelt)


@cache
def _validator() -> Validator:
    validator: Validator = StrictValidator(spec_schema())
    return validator


def _findings(error: ValidationError, document: Document) -> Iterator[Finding]:
    """Put one error of the validator in words, at the place that the user has to change."""
    place: Place = tuple(error.absolute_path)
    keyword = str(error.validator)
    expected: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    if keyword == "additionalProperties":
        for key in value.keys() - schema["properties"].keys():
            yield _unknown_key(document, (*place, key), schema["properties"])
    elif keyword == "required":
        for key in expected:
            if key not in value:
                yield document.at_key((*place, key), "is missing")
    elif keyword == "uniqueItems":
        again = place_of_repeated(value) or 0
        yield document.at_value((*place, again), f"{shown(value[again])} is there twice")
    else:
        yield document.at_value(place, _MESSAGES[keyword](expected, value, schema))


def _unknown_key(document: Document, place: Place, known: Schema) -> Finding:
    absent = [key for key in known if (*place[:-1], key) not in document.keys]
    meant = _nearest(place[-1], absent)
    hint = f"; did you mean {meant!r}?" if meant else f"; known: {', '.join(known)}"
    finding = document.at_key(place, f"unknown key{hint}")
    return replace(finding, meant=(*place[:-1], meant)) if meant else finding


def shown(value: Any) -> str:
    """Return a value as YAML would show it, cut where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _wrong_type(expected: str, value: Any, schema: Schema) -> str:
    if value is None:
        return f"has no value; expected {_TYPES[expected]}"
    if expected == "string" and isinstance(value, bool | int | float):
        return f"{shown(value)} is not text: put it in quotes"
    return f"{shown(value)} is not {_TYPES[expected]}"


def _not_among(expected: list[str], value: Any, schema: Schema) -> str:
    return f"{shown(value)} is not one of {', '.join(expected)}{suggestion(value, expected)}"


def _not_exactly(expected: Any, value: Any, schema: Schema) -> str:
    return f"{shown(value)} is not {shown(expected)}"


def _malformed(expected: str, value: Any, schema: Schema) -> str:
    example = schema["examples"][0]
    return f"{shown(value)} does not match {expected} (for example: {example})"


def _not_so_many_keys(expected: int, value: Any, schema: Schema) -> str:
    how_many = "exactly" if "maxProperties" in schema else "at least"
    return f"give {how_many} one of {', '.join(schema['properties'])}"


_MESSAGES: dict[str, Callable[[Any, Any, Schema], str]] = {
    "type": _wrong_type,
    "enum": _not_among,
    "const": _not_exactly,
    "pattern": _malformed,
    "minimum": lambda least, value, _: f"{shown(value)} is less than {least}",
    "maximum": lambda most, value, _: f"{shown(value)} is greater than {most}",
    "exclusiveMinimum": lambda bound, value, _: f"{shown(value)} is not greater than {bound}",
    "minLength": lambda least, value, _: "is empty",
    "minItems": lambda least, value, _: "is empty: give at least one",
    "minProperties": _not_so_many_keys,
    "maxProperties": _not_so_many_keys,
}
