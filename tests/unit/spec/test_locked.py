from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from locks import make_lock
from specseal.errors import LockError
from specseal.spec.locked import SCHEMA, Lock, lock_path, parse_lock


@pytest.fixture
def lock() -> Lock:
    return make_lock()


def test_a_lock_reads_back_as_it_was_written(lock: Lock) -> None:
    assert parse_lock(lock.to_bytes(), path="x") == lock


@pytest.mark.parametrize("section", ["spec", "hardware", "points"])
def test_the_recipe_does_not_depend_on(section: str, lock: Lock) -> None:
    changed = replace(lock, **{section: {"is": "something else"}})
    assert changed.recipe == lock.recipe
    assert changed.digest != lock.digest


@pytest.mark.parametrize(
    "section", ["engine", "client", "model", "drafter", "dataset", "prompts", "sampling"]
)
def test_the_recipe_depends_on(section: str, lock: Lock) -> None:
    assert replace(lock, **{section: {"is": "something else"}}).recipe != lock.recipe


def _without(lock: Lock, key: str) -> bytes:
    value = lock.to_dict()
    del value[key]
    return json.dumps(value).encode()


def test_bad_locks_are_refused_with_the_reason(lock: Lock) -> None:
    text = lock.to_bytes().decode()
    cases = {
        "not JSON": text[:-9],
        "is not of type 'object'": "[]",
        "appears twice": text.replace("{", '{"schema":"a","schema":"b",', 1),
        "NaN is not a number": text.replace('"seed":0', '"seed":NaN'),
        "schema: 'specseal/lock/1' was expected": text.replace(SCHEMA, "specseal/lock/2"),
        "'extra' was unexpected": text.replace("{", '{"extra":1,', 1),
        "'model' is a required property": _without(lock, "model").decode(),
        "engine.image": text.replace('"folder":"client",', "", 2),
        "model.files[0].sha256": text.replace("2" * 64, "2" * 63),
        "points.repeats": text.replace('"repeats":1', '"repeats":0'),
        "maximum recursion": "[" * 100_000,
    }
    for said, bad in cases.items():
        with pytest.raises(LockError) as caught:
            parse_lock(bad.encode(), path="quickstart.lock.json")
        assert said in caught.value.message
        assert "quickstart.lock.json" in caught.value.message


def test_a_lock_lies_beside_its_spec() -> None:
    assert lock_path(Path("specs/a.b.yaml")) == Path("specs/a.b.lock.json")
