import json
from typing import Any

import pytest
from jsonschema.exceptions import ValidationError

from specseal.json_schema import Schema

SCHEMA = Schema(
    json.dumps({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})
)


def test_value_that_fits_has_no_errors() -> None:
    assert SCHEMA.errors({"a": 1}) == []


def test_value_that_does_not_fit_is_told_why() -> None:
    assert [error.message for error in SCHEMA.errors({"a": "1"})] == [
        "'1' is not of type 'integer'"
    ]
    assert [error.message for error in SCHEMA.errors({})] == ["'a' is a required property"]


def test_value_about_which_the_two_libraries_disagree_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class SaysNo:
        def is_valid(self, value: Any) -> bool:
            return False

    monkeypatch.setattr(SCHEMA, "_quick", SaysNo())
    (error,) = SCHEMA.errors({"a": 1})
    assert isinstance(error, ValidationError)


def test_known_part_leaves_out_what_the_schema_does_not_know_and_keeps_what_it_leaves_open() -> (
    None
):
    schema = Schema(
        json.dumps(
            {
                "additionalProperties": False,
                "properties": {"rows": {"items": {"$ref": "#/$defs/row"}}, "open": {}},
                "$defs": {"row": {"additionalProperties": False, "properties": {"a": True}}},
            }
        )
    )
    value = {"rows": [{"a": 1, "b": 2}], "open": {"x": {"y": 1}}, "more": 3}
    assert schema.known_part(value) == {"rows": [{"a": 1}], "open": {"x": {"y": 1}}}
