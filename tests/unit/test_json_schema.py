from typing import Any

import pytest
from jsonschema.exceptions import ValidationError

from specseal.json_schema import Schema

SCHEMA = Schema({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})


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
        {
            "additionalProperties": False,
            "properties": {"rows": {"items": {"$ref": "#/$defs/row"}}, "open": {}},
            "$defs": {"row": {"additionalProperties": False, "properties": {"a": True}}},
        }
    )
    value = {"rows": [{"a": 1, "b": 2}], "open": {"x": {"y": 1}}, "more": 3}
    assert schema.known_part(value) == {"rows": [{"a": 1}], "open": {"x": {"y": 1}}}


@pytest.mark.parametrize("kind", ["integer", ["integer", "null"]])
def test_number_that_canonical_json_writes_as_a_float_is_no_integer(kind: Any) -> None:
    schema = Schema({"properties": {"a": {"type": kind}}})
    assert schema.errors({"a": 2**53 - 1}) == []
    assert schema.errors({"a": 1e21})
    assert Schema({"properties": {"a": {"type": ["integer", "number"]}}}).errors({"a": 1e21}) == []


def test_text_with_a_final_newline_is_not_what_a_pattern_means() -> None:
    schema = Schema({"properties": {"a": {"type": "string", "pattern": "^[0-9]+$"}}})
    assert schema.errors({"a": "12"}) == []
    assert schema.errors({"a": "12\n"})
