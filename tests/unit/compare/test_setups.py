"""What differs between two setups, and what it makes of two results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from locks import CONVERSATIONS, make_lock
from specseal.compare import Kind, SetupDifferences, names_of, setup_differences
from specseal.compare.environments import ENVIRONMENT as ENVIRONMENT_ROWS
from specseal.compare.locks import LOCK
from specseal.spec.locked import Lock, Variant, joined
from unit.compare.small import ENVIRONMENT, make_side, with_jobs

GGUF = {"path": "model.gguf", "bytes": 7, "sha256": "2" * 64}
OTHER_FILE = {"path": "model.gguf", "bytes": 7, "sha256": "5" * 64}
PROGRAM = make_lock().client["image"]


def of(first: Lock, second: Lock) -> SetupDifferences:
    return setup_differences(make_side("A", lock=first), make_side("B", lock=second))


def differing(**changes: Any) -> SetupDifferences:
    """What differs once keys of sections are changed in the second."""
    return of(make_lock(), make_lock(**changes))


def fields(found: SetupDifferences) -> dict[str, str]:
    return {field.path: field.sentence for field in found.fields}


def converted(**changes: Any) -> dict[str, Any]:
    """A model section: safetensors made of the GGUF file."""
    step = {"step": "gguf-to-safetensors", "program": PROGRAM, "from": [GGUF]}
    made = {"path": "model.safetensors", "bytes": 14, "sha256": "c" * 64}
    return {"files": [made], "load": ".", "steps": [step], **changes}


def swept(*lengths: int) -> Lock:
    """A lock that sweeps draft lengths."""
    variants = []
    for length in lengths:
        lock = make_lock(points={"draft_length": length})
        variants.append(Variant(setting={"drafter.draft_length": length}, lock=lock))
    return joined(variants)


def test_nothing_differs_between_a_setup_and_itself() -> None:
    found = differing()
    assert (found.kind, found.fields) == (Kind.SAME_RECIPE, ())
    assert [one.partition(": equal (")[0] for one in found.equal] == [
        "prompts (token ids)", "model files before any step", "drafting", "sampling", "load",
        "load generator",
    ]  # fmt: skip


def test_names_of_specs_and_sources_do_not_count() -> None:
    assert differing(spec={"name": "other", "sha256": "f" * 64}).fields == ()


IMAGE = {**make_lock().engine["image"]}
OFFICIAL = {"repository": "vllm/vllm-openai", "index_sha256": None, "manifest_sha256": "d" * 64}

CHANGES: dict[str, tuple[dict[str, Any], Kind, str]] = {
    "another model file": (
        {"model": {"files": [OTHER_FILE]}},
        Kind.NOT_COMPARABLE,
        "model files that only one has: model.gguf (555555555555) instead of "
        "model.gguf (222222222222)",
    ),
    "fewer layers": (
        {"model": {"steps": [{"step": "first-layers", "layers": 8, "from": [GGUF]}]}},
        Kind.NOT_COMPARABLE,
        "layers kept: first-layers 8 instead of none",
    ),
    "another end of answers": (
        {"model": {"stop_ids": [2, 3]}},
        Kind.NOT_COMPARABLE,
        "tokens that end an answer: 2, 3 instead of 2",
    ),
    "longer answers": (
        {"sampling": {"max_tokens": 16}},
        Kind.NOT_COMPARABLE,
        "sampling max_tokens: 16 instead of 8",
    ),
    "another temperature": (
        {"sampling": {"temperature": 1}},
        Kind.NOT_COMPARABLE,
        "sampling temperature: 1 instead of 0",
    ),
    "another file format": (
        {"model": converted()},
        Kind.OTHER_RECIPE,
        "file format: gguf-to-safetensors instead of as it came",
    ),
    "another chat template": (
        {"model": {"chat_template_sha256": "8" * 64}},
        Kind.OTHER_RECIPE,
        "chat template: " + "8" * 64 + " instead of " + "7" * 64,
    ),
    "another template argument": (
        {"model": {"template_args": {"thinking": False}}},
        Kind.OTHER_RECIPE,
        "template argument thinking: no instead of none",
    ),
    "another engine version": (
        {"engine": {"version": "2026.11.1"}},
        Kind.OTHER_ENGINE,
        "engine version: 2026.11.1 instead of 2026.10.11549",
    ),
    "another flag": (
        {"engine": {"context_length": 8192}},
        Kind.OTHER_ENGINE,
        "engine's context_length: 8192 instead of 4096",
    ),
    "another argument": (
        {"engine": {"args": {"flash_attention": True}}},
        Kind.OTHER_ENGINE,
        "engine argument flash_attention: yes instead of none",
    ),
    "an official image": (
        {"engine": {"image": OFFICIAL}},
        Kind.OTHER_ENGINE,
        "engine's image: official image: vllm/vllm-openai instead of none",
    ),
    "another wheel": (
        {"engine": {"image": {**IMAGE, "wheels": [{**IMAGE["wheels"][0], "version": "1.1"}]}}},
        Kind.OTHER_ENGINE,
        "engine's image: 1 of 1 wheels differ: wheel",
    ),
    "another drafting method": (
        {"drafter": {"method": "suffix"}},
        Kind.OTHER_DRAFTER,
        "drafting method: suffix instead of ngram",
    ),
    "another drafter argument": (
        {"drafter": {"args": {"ngram_max": 4}}},
        Kind.OTHER_DRAFTER,
        "drafter argument ngram_max: 4 instead of none",
    ),
    "another drafter file": (
        {"drafter": {"files": [OTHER_FILE]}},
        Kind.OTHER_DRAFTER,
        "drafter files that only one has: model.gguf (555555555555) instead of none",
    ),
    "no drafting": (
        {"drafter": {"method": "none"}},
        Kind.OTHER_DRAFTER,
        "drafting method: none instead of ngram",
    ),
    "another load generator": (
        {"client": {"source": {"client/load.py": "f" * 64, "client/new.py": "1" * 64}}},
        Kind.OTHER_RECIPE,
        "load generator: 2 of 2 source files differ: client/load.py, client/new.py",
    ),
    "another accelerator": (
        {"hardware": {"accelerator": "nvidia/h100-sxm5-80gb"}},
        Kind.OTHER_HARDWARE,
        "accelerator: nvidia/h100-sxm5-80gb instead of cpu",
    ),
    "another draft length": (
        {"points": {"draft_length": 5}},
        Kind.OTHER_POINTS,
        "draft length: 5 instead of 2",
    ),
    "more repeats": ({"points": {"repeats": 3}}, Kind.OTHER_POINTS, "repeats: 3 instead of 1"),
    "another load": (
        {"points": {"load": {**make_lock().points["load"], "concurrency": [1, 8]}}},
        Kind.OTHER_POINTS,
        "load's concurrency: 1, 8 instead of 1, 2",
    ),
    "fewer conversations": (
        {"points": {"conversations": ["coding-0", "math-0"]}},
        Kind.OTHER_POINTS,
        "conversations sent: 2 instead of 6, 2 of them in both",
    ),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_each_change_is_said_and_makes_its_kind(changed: str) -> None:
    changes, kind, sentence = CHANGES[changed]
    found = differing(**changes)
    assert found.kind == kind
    assert sentence in [field.sentence for field in found.deciding]


def test_the_most_that_differs_is_what_two_results_are() -> None:
    found = differing(
        points={"draft_length": 5},
        drafter={"method": "suffix"},
        engine={"version": "2026.11.1"},
        sampling={"max_tokens": 16},
    )
    assert found.kind == Kind.NOT_COMPARABLE
    assert [field.path for field in found.deciding] == ["sampling.max_tokens"]
    assert {"points.draft_length", "drafter.method", "engine.version"} <= fields(found).keys()


def test_the_same_model_in_another_format_for_another_engine_is_comparable() -> None:
    found = of(make_lock(), make_lock(model=converted(), engine={"name": "vllm"}))
    assert found.kind == Kind.OTHER_ENGINE
    assert any(one.startswith("model files before any step: equal") for one in found.equal)


def test_a_converter_that_makes_other_files_makes_another_model() -> None:
    made = {"path": "model.safetensors", "bytes": 14, "sha256": "e" * 64}
    found = of(make_lock(model=converted()), make_lock(model=converted(files=[made])))
    assert found.kind == Kind.NOT_COMPARABLE
    assert "cccccccccccc" in fields(found)["model.files"]


def test_what_another_engine_is_made_of_is_not_told() -> None:
    other = {**IMAGE, "tree_sha256": "f" * 64}
    found = of(make_lock(), make_lock(engine={"name": "vllm", "image": other}))
    assert [path for path in fields(found) if "image" in path] == []


def with_prompts(**digests: str) -> dict[str, Any]:
    rows = [{**row, "sha256": digests.get(row["id"], row["sha256"])} for row in CONVERSATIONS]
    return {"prompts": {"sha256": "f" * 64, "conversations": rows}}


def test_other_tokens_of_the_same_text_are_named_and_make_another_recipe() -> None:
    found = differing(**with_prompts(**{"math-1": "0" * 64}))
    assert found.kind == Kind.OTHER_RECIPE
    assert fields(found)["prompts.conversations"] == (
        "prompts (token ids): 1 of 6 conversations have other tokens: math-1"
    )
    assert not any(one.startswith("prompts (token ids)") for one in found.equal)


def test_other_texts_under_the_same_ids_can_not_be_compared() -> None:
    rows = [{"id": row["id"], "sha256": "0" * 64} for row in CONVERSATIONS]
    found = differing(dataset={"rows": rows}, **with_prompts(**{"math-1": "0" * 64}))
    assert found.kind == Kind.NOT_COMPARABLE
    sentences = [field.sentence for field in found.deciding]
    assert sentences == [
        "conversations: 6 of 6 have the same id and another text: coding-0, coding-1, coding-2 "
        "and 3 more"
    ]


def test_conversations_of_another_data_set_can_not_be_compared() -> None:
    rows = [{**row, "id": f"new-{row['id']}"} for row in CONVERSATIONS]
    found = differing(
        prompts={"sha256": "f" * 64, "conversations": rows},
        dataset={"rows": [{"id": row["id"], "sha256": "8" * 64} for row in rows]},
        points={"conversations": [row["id"] for row in rows]},
    )
    assert found.kind == Kind.NOT_COMPARABLE
    (deciding,) = found.deciding
    assert "not one conversation is in both" in deciding.sentence
    assert "pairing" in deciding.spoils


def test_prompts_that_nobody_sent_make_no_other_work() -> None:
    sent = {"points": {"conversations": ["coding-0", "math-0"]}}
    changed = with_prompts(**{"math-1": "0" * 64})
    found = of(make_lock(**sent), make_lock(**sent, **changed))
    assert found.kind == Kind.OTHER_RECIPE
    assert fields(found)["prompts.sha256"] == "prompts that were not sent: only among those unused"


def test_seed_of_sampling_counts_only_where_something_is_drawn() -> None:
    assert "sampling.seed" not in fields(differing(sampling={"seed": 1}))
    warm = {"temperature": 1}
    found = of(make_lock(sampling=warm), make_lock(sampling={**warm, "seed": 1}))
    assert found.kind == Kind.NOT_COMPARABLE


def test_another_recipe_of_which_no_row_tells_is_still_another() -> None:
    found = differing(model={"vocabulary": {"size": 9, "special_ids": []}})
    assert (found.kind, found.fields) == (Kind.OTHER_RECIPE, ())


# Sweeps


def test_variants_of_two_sweeps_are_held_together_by_what_they_set() -> None:
    assert of(swept(2, 4), swept(4, 2)).fields == ()


def test_a_variant_that_only_one_sweep_has_makes_other_points() -> None:
    found = of(swept(2, 4), swept(4, 8))
    assert found.kind == Kind.OTHER_POINTS
    assert [field.sentence for field in found.fields] == [
        "sweep: 2 variants instead of 2 variants, 1 in both"
    ]


def test_a_result_without_a_sweep_is_held_against_the_nearest_variant() -> None:
    found = of(swept(2, 4), make_lock(points={"draft_length": 4}))
    assert found.kind == Kind.OTHER_POINTS
    assert fields(found) == {"sweep": "sweep: none instead of 2 variants, 0 in both"}


def test_a_flag_that_differs_in_one_variant_is_told_once() -> None:
    first = swept(2, 4)
    second = replace(first, engine={**first.engine, "version": "2026.11.1"})
    told = [field for field in of(first, second).fields if field.path == "engine.version"]
    assert len(told) == 1


# Environments


FOUND: dict[str, tuple[dict[str, Any], Kind, str]] = {
    "another processor": (
        {"machine": {"cpu": "another"}},
        Kind.OTHER_HARDWARE,
        "processor: another instead of a processor",
    ),
    "more CPUs": (
        {"machine": {"cpus": [0, 1, 2, 3]}},
        Kind.OTHER_HARDWARE,
        "processor CPUs: 4 instead of 2",
    ),
    "another kernel": (
        {"machine": {"kernel": "6.2"}},
        Kind.SAME_RECIPE,
        "kernel: 6.2 instead of 6.1",
    ),
    "another runtime": (
        {"runtime": "native"},
        Kind.SAME_RECIPE,
        "runtime: native instead of docker",
    ),
    "other contents of an image": (
        {"images": {**ENVIRONMENT["images"], "engine": {"rootfs_sha256": "f" * 64}}},
        Kind.SAME_RECIPE,
        "root file system of the engine's image: ffffffffffff instead of 111111111111",
    ),
    "another package": (
        {"packages": {"engine": {"wheel-1.1": "3" * 64}, "client": {}}},
        Kind.SAME_RECIPE,
        "engine's packages: 2 of 2 packages differ: wheel-1.0, wheel-1.1",
    ),
    "another specseal": (
        {"specseal_version": "0.2.0"},
        Kind.SAME_RECIPE,
        "specseal: 0.2.0 instead of 0.1.0",
    ),
}


@pytest.mark.parametrize("changed", FOUND)
def test_what_was_found_is_said(changed: str) -> None:
    changes, kind, sentence = FOUND[changed]
    found = setup_differences(make_side("A"), make_side("B", **changes))
    assert found.kind == kind
    assert [field.sentence for field in found.fields] == [sentence]


def test_image_of_the_same_contents_may_have_another_id() -> None:
    images = {**ENVIRONMENT["images"], "engine": {"id": "sha256:9", "rootfs_sha256": "1" * 64}}
    assert setup_differences(make_side("A"), make_side("B", images=images)).fields == ()


def test_processor_beside_an_accelerator_makes_no_other_hardware() -> None:
    lock = make_lock(engine={"family": "cuda"}, hardware={"accelerator": "nvidia/l4-24gb"})
    sides = [make_side("A", lock=lock), make_side("B", lock=lock, machine={"cpu": "another"})]
    found = setup_differences(*sides)
    assert found.kind == Kind.SAME_RECIPE
    assert [field.path for field in found.fields] == ["environment.machine.cpu"]


def test_accelerators_that_jobs_held_are_told() -> None:
    first = with_jobs(make_side("A"), accelerators_found=("nvidia/l4-24gb",) * 2)
    second = with_jobs(make_side("B"), accelerators_found=("nvidia/a10-24gb",))
    found = setup_differences(first, second)
    assert found.kind == Kind.OTHER_HARDWARE
    assert fields(found)["environment.accelerators"] == (
        "accelerators: 1 × nvidia/a10-24gb instead of 2 × nvidia/l4-24gb"
    )


def test_hardware_that_nobody_could_look_at_is_not_told_to_differ() -> None:
    first = with_jobs(make_side("A"), accelerators_found=("nvidia/l4-24gb",))
    second = with_jobs(make_side("B"), accelerators_found=None)
    assert setup_differences(first, second).fields == ()


def test_driver_and_version_that_were_found_are_told() -> None:
    devices = [{"accelerators": [{"driver": driver}]} for driver in ("570.1", "580.2")]
    first = with_jobs(make_side("A", machine=devices[0]), engine_version_found="1")
    second = with_jobs(make_side("B", machine=devices[1]), engine_version_found="2")
    assert list(fields(setup_differences(first, second)).values()) == [
        "accelerator driver: 580.2 instead of 570.1",
        "version that the engine tells: 2 instead of 1",
    ]


def test_what_an_earlier_version_did_not_write_down_is_not_told_to_differ() -> None:
    old = make_side("A", images={}, packages={})
    old = replace(old, environment={**old.environment, "machine": {"cpu": "a processor"}})
    assert setup_differences(old, make_side("B")).fields == ()


# Words


def test_groups_are_lines_and_the_first_line_says_why() -> None:
    found = differing(engine={"version": "2", "context_length": 9}, points={"seed": 7})
    assert found.sentences() == (
        "other engine: engine.version, engine.context_length",
        "engine: engine version: 2 instead of 2026.10.11549; engine's context_length: 9 "
        "instead of 4096",
        "points: seed: 7 instead of 0",
    )


def test_terminal_commands_in_a_lock_are_not_obeyed() -> None:
    found = differing(engine={"args": {"\x1b[2J": "\x1b[31m"}})
    assert "\x1b" not in "".join(found.sentences())


def test_differences_are_plain_json() -> None:
    document = differing(engine={"version": "2"}).to_dict()
    assert document["kind"] == "other engine"
    assert document["deciding"] == ["engine.version"]
    assert document["fields"][0] == {
        "group": "engine",
        "path": "engine.version",
        "first": "2026.10.11549",
        "second": "2",
        "sentence": "engine version: 2 instead of 2026.10.11549",
        "spoils": ["acceptance", "outputs", "speed"],
        "makes": "other engine",
    }


def test_every_section_of_a_lock_that_says_what_ran_has_a_row() -> None:
    told = {row.group for row in LOCK}
    assert told == {
        "model", "prompts", "sampling", "engine", "drafter", "load generator",
        "where things came from", "hardware asked for", "points",
    }  # fmt: skip
    assert {row.group for row in ENVIRONMENT_ROWS} == {"hardware found", "system", "programs found"}


# Names


def named(*locks: Lock, held: Sequence[tuple[str, ...] | None] = ()) -> list[str]:
    """The names of results of these locks; the first two have different digests."""
    sides = [make_side(str(number), lock=lock) for number, lock in enumerate(locks)]
    found = held or [()] * len(sides)
    return names_of(
        [
            with_jobs(side, accelerators_found=devices)
            for side, devices in zip(sides, found, strict=True)
        ]
    )


def test_results_are_called_by_what_tells_them_apart() -> None:
    first, second = make_lock(), make_lock(engine={"name": "vllm", "version": "0.32.0"})
    assert named(first, second) == ["llamacpp 2026.10.11549", "vllm 0.32.0"]
    assert named(first, make_lock(spec={"name": "other"})) == ["tiny", "other"]
    one, other = make_side("1", lock=first), make_side("2", lock=first)
    assert names_of([one, other]) == [one.manifest[:12], other.manifest[:12]]
    assert names_of([one, one]) == [f"1: {one.manifest[:12]}", f"2: {one.manifest[:12]}"]


def test_results_of_one_engine_and_spec_are_called_by_their_hardware() -> None:
    lock = make_lock(hardware={"accelerator": "nvidia/h100-sxm5-80gb", "count": 2})
    h100, h200 = ("nvidia/h100-sxm5-80gb",) * 2, ("nvidia/h200-sxm-141gb",) * 2
    assert named(lock, lock, held=[h100, h200]) == [
        "2 × nvidia/h100-sxm5-80gb", "2 × nvidia/h200-sxm-141gb",
    ]  # fmt: skip
    more = make_lock(hardware={"accelerator": "nvidia/h100-sxm5-80gb", "count": 8})
    assert named(lock, more, held=[None, None]) == [
        "2 × nvidia/h100-sxm5-80gb", "8 × nvidia/h100-sxm5-80gb",
    ]  # fmt: skip


def test_results_are_called_by_engine_and_hardware_where_neither_alone_tells_them_apart() -> None:
    lock, vllm = make_lock(), make_lock(engine={"name": "vllm", "version": "0.32.0"})
    assert named(lock, vllm, vllm, held=[("a",), ("a",), ("b",)]) == [
        "llamacpp 2026.10.11549 on 1 × a", "vllm 0.32.0 on 1 × a", "vllm 0.32.0 on 1 × b",
    ]  # fmt: skip


def test_a_running_server_without_a_version_has_its_engines_name() -> None:
    assert named(make_lock(engine={"name": "endpoint", "version": ""}), make_lock())[0] == (
        "endpoint"
    )
