"""JSONTestSuite against the strict reader.

Its `y_` files every parser must take, its `n_` files none may, its `i_` files are open. Ours takes
canonical bytes alone, so a `y_` file must be taken once it is written canonically.
"""

import json
import tarfile
from pathlib import Path

import pytest

from specseal.bundle.findings import BundleBroken
from specseal.bundle.strict import parse_canonical
from specseal.digests import canonical
from specseal.errors import InputError


def read_suite() -> dict[str, bytes]:
    with tarfile.open(Path(__file__).parent / "data" / "JSONTestSuite.tar.xz") as archive:
        members = ((member, archive.extractfile(member)) for member in archive if member.isfile())
        return {Path(member.name).stem: file.read() for member, file in members if file}


SUITE = read_suite()
TWICE = {"y_object_duplicated_key", "y_object_duplicated_key_and_value"}
"""Grammatical, and refused all the same: two readers may see two values."""
READ = {"i_number_too_big_pos_int": [1e20]}
"""Of what is left open, all that is read, and as what: RFC 8785 spells large doubles so."""


def named(letter: str) -> list[str]:
    return sorted(name for name in SUITE if name.startswith(f"{letter}_"))


def is_read(name: str) -> bool:
    try:
        parse_canonical(SUITE[name], path=name, code="c")
    except BundleBroken:
        return False
    return True


def test_the_suite_is_whole() -> None:
    assert {letter: len(named(letter)) for letter in "yni"} == {"y": 95, "n": 188, "i": 35}


@pytest.mark.parametrize("name", sorted(set(named("y")) - TWICE))
def test_what_every_parser_must_read_is_read_in_canonical_form(name: str) -> None:
    value = json.loads(SUITE[name])
    assert parse_canonical(canonical(value), path=name, code="c") == value


@pytest.mark.parametrize("name", sorted(TWICE))
def test_key_that_comes_twice_is_refused(name: str) -> None:
    with pytest.raises(BundleBroken, match="appears twice"):
        parse_canonical(SUITE[name], path=name, code="c")


def test_of_the_spellings_that_are_valid_only_canonical_ones_are_read() -> None:
    assert {name for name in named("y") if is_read(name)} == {
        name
        for name in set(named("y")) - TWICE
        if canonical(json.loads(SUITE[name])) == SUITE[name]
    }


@pytest.mark.parametrize("name", named("n"))
def test_what_no_parser_may_read_is_refused(name: str) -> None:
    assert not is_read(name)


@pytest.mark.parametrize("name", named("i"))
def test_what_parsers_disagree_on_is_decided(name: str) -> None:
    assert is_read(name) == (name in READ)
    if name in READ:
        value = parse_canonical(SUITE[name], path=name, code="c")
        assert value == READ[name]
        assert [type(item) for item in value] == [float]


@pytest.mark.parametrize(
    "name",
    [
        "i_object_key_lone_2nd_surrogate",
        "i_string_invalid_lonely_surrogate",
        "i_number_huge_exp",
        "i_structure_500_nested_arrays",
    ],
)
def test_what_has_no_canonical_form_is_not_refused_for_its_spelling_alone(name: str) -> None:
    value = json.loads(SUITE[name])
    if "nested" in name:
        with pytest.raises(BundleBroken, match="nested deeper"):
            parse_canonical(canonical(value), path=name, code="c")
    else:
        with pytest.raises(InputError):
            canonical(value)
