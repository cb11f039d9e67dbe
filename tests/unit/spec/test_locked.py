from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locks import make_lock
from specseal.digests import sha256_value
from specseal.errors import LockError
from specseal.spec.locked import (
    CONVERSATIONS,
    RECIPE_SECTIONS,
    SCHEMA,
    Lock,
    Variant,
    joined,
    lock_path,
    official_image,
    parse_lock,
)

CLOSED = make_lock().points["load"]
OPEN = {**CLOSED, "mode": "open", "concurrency": [], "rate": [0.5, 2], "arrival": "poisson"}


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
        "is 'specseal/lock/2'; this version of specseal reads specseal/lock/1": text.replace(
            SCHEMA, "specseal/lock/2"
        ),
        "'extra' was unexpected": text.replace("{", '{"extra":1,', 1),
        "'model' is a required property": _without(lock, "model").decode(),
        "encoder.image": text.replace('"folder":"client",', "", 2),
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


def _draft_lengths(*lengths: int) -> Lock:
    return joined(
        [
            Variant(
                setting={"drafter.draft_length": length},
                lock=make_lock(points={"draft_length": length}),
            )
            for length in lengths
        ]
    )


def _temperatures(*temperatures: float) -> Lock:
    return joined(
        [
            Variant(
                setting={"workload.sampling.temperature": temperature},
                lock=make_lock(sampling={"temperature": temperature}),
            )
            for temperature in temperatures
        ]
    )


def test_variants_come_back_as_they_were_joined() -> None:
    variants = (
        Variant(setting={"engine.version": "1", "drafter": "{}"}, lock=make_lock()),
        Variant(
            setting={"engine.version": "2", "drafter": "{}"},
            lock=make_lock(engine={"version": "2"}),
        ),
        Variant(
            setting={"engine.version": "2", "drafter": "[]"},
            lock=make_lock(drafter={"args": {"kind": "x"}}),
        ),
    )
    lock = joined(variants)
    assert lock.variants_in_full() == variants
    assert joined(lock.variants_in_full()) == lock
    assert parse_lock(lock.to_bytes(), path="x") == lock


@pytest.mark.parametrize(
    "section",
    [*RECIPE_SECTIONS, "spec", "encoder", "hardware", "points"],
)
def test_variants_may_differ_in_every_section(lock: Lock, section: str) -> None:
    other = replace(lock, **{section: {"of": "another"}})
    both = [Variant(setting={"n": n}, lock=one) for n, one in enumerate((lock, other))]
    assert [variant.lock for variant in joined(both).variants_in_full()] == [lock, other]


def test_variants_hold_only_the_sections_in_which_they_differ() -> None:
    assert [list(row["sections"]) for row in _draft_lengths(2, 4).variants] == [[], ["points"]]


def test_digest_of_each_recipe_section_is_of_that_section_alone(lock: Lock) -> None:
    digests = lock.section_digests()
    assert digests == {name: sha256_value(getattr(lock, name)) for name in RECIPE_SECTIONS}
    other = make_lock(model={"chat_template_sha256": "9" * 64}, points={"seed": 9})
    unlike = {name for name, digest in other.section_digests().items() if digest != digests[name]}
    assert unlike == {"model"}


def test_sweep_changes_the_digests_of_those_sections_only_that_it_varies(lock: Lock) -> None:
    assert _draft_lengths(2, 4).section_digests() == lock.section_digests()
    swept = _temperatures(0.0, 0.5, 0.0)
    told = [one.lock.sampling for one in swept.variants_in_full()][:2]
    assert swept.section_digests() == lock.section_digests() | {"sampling": sha256_value(told)}


def test_which_conversations_are_sent_is_a_digest_of_its_own_in_whatever_order(
    lock: Lock,
) -> None:
    points = lock.points
    turned = replace(lock, points={**points, "conversations": points["conversations"][::-1]})
    fewer = replace(lock, points={**points, "conversations": points["conversations"][:-1]})
    assert turned.input_digests() == lock.input_digests()
    assert fewer.section_digests() == lock.section_digests()
    assert fewer.input_digests()[CONVERSATIONS] != lock.input_digests()[CONVERSATIONS]


def test_a_lock_without_a_sweep_is_its_own_only_variant(lock: Lock) -> None:
    assert lock.variants_in_full() == (Variant(setting={}, lock=lock),)
    assert joined(lock.variants_in_full()) == lock


def test_a_sweep_of_one_value_still_says_what_it_sets() -> None:
    (row,) = _draft_lengths(2).variants
    assert row == {"setting": {"drafter.draft_length": 2}, "sections": {}}


def test_the_recipe_of_a_sweep_over_points_is_that_of_the_spec_without_it(lock: Lock) -> None:
    assert _draft_lengths(1, 2, 4).recipe == lock.recipe


def test_the_recipe_of_a_sweep_leaves_out_what_it_varies() -> None:
    assert _temperatures(0, 0.5).recipe == _temperatures(0.25, 1).recipe
    assert _temperatures(0, 0.5).recipe != make_lock().recipe


def test_the_recipe_of_a_sweep_depends_on_what_it_does_not_vary() -> None:
    variants = _temperatures(0, 0.5).variants_in_full()
    others = [
        replace(one, lock=replace(one.lock, sampling={**one.lock.sampling, "max_tokens": 9}))
        for one in variants
    ]
    assert joined(others).recipe != joined(variants).recipe


@pytest.fixture
def running() -> Lock:
    """A lock for a running server, of which no file is known."""
    lock = make_lock(
        spec={"url": "http://127.0.0.1:8000"},
        model={"files": [], "load": "", "chat_template_sha256": None, "stop_ids": []},
        points={"baseline": "none"},
    )
    engine = {
        "name": "endpoint",
        "version": "",
        "family": "any",
        "context_length": None,
        "prefix_cache": False,
        "max_sequences": None,
        "image": None,
        "api": "chat",
        "model": "tiny",
        "metrics": None,
    }
    unknown = [{**row, "input_tokens": None} for row in lock.prompts["conversations"]]
    return replace(
        lock, engine=engine, encoder=None, prompts={**lock.prompts, "conversations": unknown}
    )


def test_a_lock_for_a_running_server_reads_back_as_it_was_written(running: Lock) -> None:
    assert parse_lock(running.to_bytes(), path="x") == running


def test_nobody_we_know_says_whether_a_running_server_has_a_prefix_cache(
    running: Lock, lock: Lock
) -> None:
    assert running.prefix_cache is None
    for is_on in (True, False):
        assert replace(lock, engine={**lock.engine, "prefix_cache": is_on}).prefix_cache is is_on


def test_recipe_of_variants_leaves_out_what_one_alone_has(lock: Lock) -> None:
    def recipe(args: dict[str, Any], image: dict[str, Any]) -> str:
        engine, drafter = lock.engine, lock.drafter
        first = replace(lock, engine={**engine, "image": image}, drafter={**drafter, "args": args})
        second = replace(lock, engine={**engine, "image": None}, drafter={**drafter, "args": {}})
        return joined(
            [Variant(setting={"n": number}, lock=one) for number, one in enumerate((first, second))]
        ).recipe

    first = recipe({"num": 1}, {"folder": "llamacpp/cpu"})
    assert first == recipe({"other": 2}, {"folder": "llamacpp/cuda"})
    assert first != lock.recipe


def test_official_image_is_the_image_or_what_it_is_built_on() -> None:
    official = {"repository": "docker.io/vllm/vllm-openai", "manifest_sha256": "0" * 64}
    assert official_image(official) is official
    assert official_image({"folder": "vllm/cuda", "base": official}) is official
    assert official_image({"folder": "vllm/cpu", "base": {"name": "debian"}}) is None
    assert official_image({"folder": "vllm/cpu"}) is None
    assert official_image(None) is None


@pytest.mark.parametrize(
    "load",
    [
        CLOSED,
        {**CLOSED, "duration_s": 60, "requests": 4},
        {**CLOSED, "mode": "burst"},
        {**CLOSED, "mode": "ramp", "duration_s": 1.5},
        OPEN,
        {**OPEN, "arrival": "constant", "duration_s": 60},
    ],
)
def test_every_mode_of_load_can_be_locked(load: dict[str, Any]) -> None:
    lock = make_lock(points={"load": load})
    assert parse_lock(lock.to_bytes(), path="x") == lock


def _refused(lock: Lock) -> str:
    with pytest.raises(LockError) as caught:
        parse_lock(lock.to_bytes(), path="x")
    return caught.value.message


@pytest.mark.parametrize(
    ("load", "where"),
    [
        ({**CLOSED, "concurrency": []}, "points.load.concurrency"),
        ({**CLOSED, "rate": [1]}, "points.load.rate"),
        ({**CLOSED, "arrival": "poisson"}, "points.load.arrival"),
        ({**CLOSED, "mode": "ramp"}, "points.load.duration_s"),
        ({**CLOSED, "mode": "wave"}, "points.load.mode"),
        ({**OPEN, "rate": []}, "points.load.rate"),
        ({**OPEN, "rate": [0]}, "points.load.rate[0]"),
        ({**OPEN, "concurrency": [1]}, "points.load.concurrency"),
        ({**OPEN, "arrival": None}, "points.load.arrival"),
        ({**OPEN, "duration_s": -1}, "points.load.duration_s"),
    ],
)
def test_a_load_that_contradicts_its_mode_is_refused(load: dict[str, Any], where: str) -> None:
    assert where in _refused(make_lock(points={"load": load}))


def test_an_engine_that_is_started_has_an_image_and_a_model(lock: Lock) -> None:
    assert "model.files" in _refused(make_lock(model={"files": []}))
    assert "model.chat_template_sha256" in _refused(make_lock(model={"chat_template_sha256": None}))
    assert "engine.image" in _refused(make_lock(engine={"image": None}))
    assert "engine.context_length" in _refused(make_lock(engine={"context_length": None}))
    assert "spec.url" in _refused(make_lock(spec={"url": "http://127.0.0.1:8000"}))
    assert "'api' was unexpected" in _refused(make_lock(engine={"api": "chat"}))


def test_a_running_server_has_a_url_and_no_files(running: Lock, lock: Lock) -> None:
    assert "spec.url" in _refused(replace(running, spec=lock.spec))
    assert "model.files" in _refused(replace(running, model=lock.model))
    assert "engine" in _refused(replace(running, engine={**lock.engine, "name": "endpoint"}))


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"setting": {}, "sections": {}}, "variants[0].setting"),
        ({"setting": {"a": [1]}, "sections": {}}, "variants[0].setting.a"),
        ({"setting": {"a": None}, "sections": {}}, "variants[0].setting.a"),
        ({"setting": {"a": 1}, "sections": {"schema": SCHEMA}}, "variants[0].sections"),
        ({"setting": {"a": 1}, "sections": {"variants": []}}, "variants[0].sections"),
        ({"setting": {"a": 1}, "sections": {"sampling": {}}}, "variants[0].sections.sampling"),
        ({"setting": {"a": 1}, "sections": {}, "more": 1}, "variants[0]"),
        ({"setting": {"a": 1}}, "variants[0]"),
    ],
)
def test_variant_that_is_none_is_refused(lock: Lock, variant: dict[str, Any], said: str) -> None:
    assert said in _refused(replace(lock, variants=[variant]))
