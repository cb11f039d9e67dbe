"""JSON Schemas: quick to say that a value fits, thorough in saying why one does not.

Two libraries hold a value to one schema. The first only says yes or no, in a thousandth of the time
that the second takes; the second is asked for its reasons where the first said no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

_SAFE_INTEGER = 2**53 - 1


def _whole_pattern(
    validator: Validator, pattern: str, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    # Python's `$` also matches before a final newline, ECMA 262's does not. All patterns here are
    # anchored at both ends, so that matching the whole text is the same without that trap.
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


StrictValidator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _whole_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer",  # the schema's own notion takes 4.0, which a field of type int would not
        lambda _, value: isinstance(value, int) and not isinstance(value, bool),
    ),
)


class Schema:
    """A JSON Schema of the draft 2020-12, for values that were read from canonical JSON."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._quick = jsonschema_rs.Draft202012Validator(_bounded(document))
        self._thorough: Validator = StrictValidator(document)

    def errors(self, value: Any) -> list[ValidationError]:
        """Return in what a value of JSON types does not fit; nothing where it does."""
        if self._quick.is_valid(value):
            return []
        # Should the two ever disagree, the answer is no.
        return list(self._thorough.iter_errors(value)) or [ValidationError("not of its schema")]

    def known_part(self, value: Any) -> Any:
        """Return a value without the properties that this schema does not know."""
        return self._known_part(value, self.document)

    def _known_part(self, value: Any, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return value
        if "$ref" in schema:
            return self._known_part(value, self._referred(schema["$ref"]))
        if isinstance(value, list):
            return [self._known_part(item, schema.get("items")) for item in value]
        if isinstance(value, dict):
            properties, others = schema.get("properties", {}), schema.get("additionalProperties")
            return {
                name: self._known_part(item, properties.get(name, others))
                for name, item in value.items()
                if name in properties or others is not False
            }
        return value

    def _referred(self, reference: str) -> Any:
        """Return what a reference within the document names."""
        found: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found


def _bounded(schema: Any) -> Any:
    """Return a schema by which no integer is a float, which from canonical JSON is over 2**53."""
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {key: _bounded(item) for key, item in schema.items()}
    types = schema.get("type", ())
    if "integer" in ((types,) if isinstance(types, str) else types) and "number" not in types:
        bounded["maximum"] = min(bounded.get("maximum", _SAFE_INTEGER), _SAFE_INTEGER)
        bounded["minimum"] = max(bounded.get("minimum", -_SAFE_INTEGER), -_SAFE_INTEGER)
    return bounded
