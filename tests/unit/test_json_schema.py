from typing import Any

import pytest
from jsonschema.exceptions import ValidationError

from specseal import json_schema
from specseal.json_schema import Schema, place_of_repeated

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


NUMBERS = Schema({"type": "array", "items": {"type": "integer"}})


def test_value_with_errors_without_end_is_told_a_few() -> None:
    errors = NUMBERS.errors(["x"] * 1_000)
    assert [error.json_path for error in errors[:2]] == ["$[0]", "$[1]"]
    assert len(errors) == json_schema.MAX_ERRORS


def test_thorough_library_is_not_asked_about_a_large_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NotToBeAsked:
        def iter_errors(self, value: Any) -> Any:
            raise AssertionError

    monkeypatch.setattr(NUMBERS, "_thorough", NotToBeAsked())
    rest: list[Any] = [1] * (json_schema.MAX_EXPLAINED - 2)
    (error,) = NUMBERS.errors([*rest, "x", "x"])
    assert (error.json_path, error.message) == (
        f"$[{len(rest)}]",
        '"x" is not of type "integer"',
    )
    with pytest.raises(AssertionError):
        NUMBERS.errors([*rest, "x"])


@pytest.mark.parametrize(
    ("items", "place"),
    [
        ([], None),
        ([1, "1", True, None, 0, False, "", [1], {"a": 1}], None),
        ([3, 1, 2, 1.0], 3),
        ([{"a": 1, "b": [2]}, {"b": [2], "a": 1}], 1),
        ([[1], [True]], None),
        ([[1, [2]], [1, [2]]], 1),
        (["x", 1, "x", 1], 2),
    ],
)
def test_item_that_is_there_twice_is_found_as_json_knows_equality(
    items: list[Any], place: int | None
) -> None:
    assert place_of_repeated(items) == place
    assert bool(Schema({"uniqueItems": True}).errors(items)) == (place is not None)


class Counted(int):
    """A number that counts how often one is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return int.__eq__(self, other)

    def __lt__(self, other: int) -> bool:
        Counted.compared += 1
        return int.__lt__(self, other)

    __hash__ = int.__hash__


def test_items_that_can_not_be_sorted_are_looked_at_once() -> None:
    items = [*map(Counted, range(2_000)), "x"]
    validator = json_schema.StrictValidator({"uniqueItems": True})
    assert list(validator.iter_errors(items)) == []
    assert Counted.compared < 2 * len(items)
