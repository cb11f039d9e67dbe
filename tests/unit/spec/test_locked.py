from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.errors import LockError
from specseal.spec.locked import SCHEMA, Lock, lock_path, parse_lock

SECTIONS = (
    "spec", "engine", "client", "model", "drafter", "dataset", "prompts", "sampling",
    "hardware", "points",
)  # fmt: skip


@pytest.fixture
def lock() -> Lock:
    sections: dict[str, Any] = {name: {"of": name} for name in SECTIONS}
    return Lock(**sections)


def test_a_lock_reads_back_as_it_was_written(lock: Lock) -> None:
    assert parse_lock(lock.to_bytes(), path="x") == lock


@pytest.mark.parametrize("section", ["spec", "hardware", "points"])
def test_the_recipe_does_not_depend_on(section: str, lock: Lock) -> None:
    changed = replace(lock, **{section: {"of": "something else"}})
    assert changed.recipe == lock.recipe
    assert changed.digest != lock.digest


@pytest.mark.parametrize(
    "section", ["engine", "client", "model", "drafter", "dataset", "prompts", "sampling"]
)
def test_the_recipe_depends_on(section: str, lock: Lock) -> None:
    assert replace(lock, **{section: {"of": "something else"}}).recipe != lock.recipe


def _without(lock: Lock, key: str) -> bytes:
    value = lock.to_dict()
    del value[key]
    return json.dumps(value).encode()


def test_bad_locks_are_refused_with_the_reason(lock: Lock) -> None:
    text = lock.to_bytes().decode()
    cases = {
        "not JSON": text[:-9],
        "expected an object": "[]",
        "appears twice": text.replace("{", '{"schema":"a","schema":"b",', 1),
        "NaN is not a number": text.replace('{"of":"spec"}', "NaN"),
        "is not 'specseal/lock/1'": text.replace(SCHEMA, "specseal/lock/2"),
        "unexpected keyword argument 'extra'": text.replace("{", '{"extra":1,', 1),
        "missing 1 required keyword-only argument: 'model'": _without(lock, "model").decode(),
    }
    for said, bad in cases.items():
        with pytest.raises(LockError) as caught:
            parse_lock(bad.encode(), path="quickstart.lock.json")
        assert said in caught.value.message
        assert "quickstart.lock.json" in caught.value.message


def test_a_lock_lies_beside_its_spec() -> None:
    assert lock_path(Path("specs/a.b.yaml")) == Path("specs/a.b.lock.json")
