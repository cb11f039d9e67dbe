"""JSON Schemas: quick to say that a value fits, thorough in saying why one does not.

Two libraries hold a value to one schema. The first only says yes or no, in a thousandth of the time
that the second takes; the second is asked for its reasons where the first said no.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError


class Schema:
    """A JSON Schema of the draft 2020-12, made from its text."""

    def __init__(self, text: str) -> None:
        self.document: dict[str, Any] = json.loads(text)
        self._quick = jsonschema_rs.Draft202012Validator(self.document)
        self._thorough = Draft202012Validator(self.document)

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
