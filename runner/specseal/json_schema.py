"""JSON Schemas: quick to say that a value fits, thorough in saying why one does not.

Two libraries hold a value to one schema. The first only says yes or no, in a thousandth of the time
that the second takes; the second is asked for its reasons where the first said no. Anybody may have
made a value so that there is no end to them: the first few are given, and of a large value one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

MAX_ERRORS = 50
MAX_EXPLAINED = 2**15
"""Values within a value, of which the second library may be asked: it takes seconds for more."""
_SAFE_INTEGER = 2**53 - 1


def _whole_pattern(
    validator: Validator, pattern: str, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    # Python's `$` also matches before a final newline, ECMA 262's does not. All patterns here are
    # anchored at both ends, so that matching the whole text is the same without that trap.
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(
    validator: Validator, wanted: bool, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    # The library's own compares each with each where they can't be sorted.
    if wanted and isinstance(instance, list) and place_of_repeated(instance) is not None:
        yield ValidationError(f"{instance!r} has non-unique elements")


def place_of_repeated(items: Sequence[Any]) -> int | None:
    """Return where in a list the first item is that is there before; None: nowhere."""
    seen = set()
    for place, item in enumerate(items):
        if (identity := _identity(item)) in seen:
            return place
        seen.add(identity)
    return None


def _identity(value: Any) -> Hashable:
    """Return what is equal of JSON values that are: 1 and 1.0 are one number, and true is none."""
    if isinstance(value, dict):
        return "object", frozenset((name, _identity(item)) for name, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_identity, value))
    return isinstance(value, bool), value


StrictValidator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _whole_pattern, "uniqueItems": _unique_items},
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
        """Return in what a value of JSON types does not fit, or some of it; [] where it does."""
        if self._quick.is_valid(value):
            return []
        if _has_more_than(MAX_EXPLAINED, value):
            return [self._first_error(value)]
        found = list(islice(self._thorough.iter_errors(value), MAX_ERRORS))
        # Should the two ever disagree, the answer is no.
        return found or [ValidationError("not of its schema")]

    def _first_error(self, value: Any) -> ValidationError:
        try:
            self._quick.validate(value)
        except jsonschema_rs.ValidationError as error:
            return ValidationError(error.message, path=error.instance_path)
        return ValidationError("not of its schema")

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


def _has_more_than(most: int, value: Any) -> bool:
    """Say whether there are more values than that within a value."""
    inside = [value]
    for _ in range(most):
        if not inside:
            return False
        one = inside.pop()
        if isinstance(one, dict | list):
            inside += one.values() if isinstance(one, dict) else one
    return bool(inside)


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
