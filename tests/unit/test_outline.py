"""What a spec will do, told before anything is downloaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from specseal.cli.main import group
from specseal.engines import CAPABILITIES
from specseal.outline import lines, outline
from specseal.plan import make_plan
from specseal.spec import Spec, load_spec, parse_spec
from specseal.spec.locked import read_lock

ROOT = Path(__file__).parents[2]
READY = sorted((ROOT / "specs").rglob("*.yaml"))
LOCKED = [path for path in READY if path.with_suffix(".lock.json").is_file()]


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.stem)
def test_jobs_are_those_that_the_lock_gives(path: Path) -> None:
    spec = load_spec(path, capabilities=CAPABILITIES)
    planned = make_plan(read_lock(path.with_suffix(".lock.json"))).jobs
    outlined = outline(spec)
    assert outlined.order == tuple(job.name for job in planned)
    phases = {job.name: tuple(phase.name for phase in job.phases) for job in planned}
    assert all(phases[one.jobs[0]] == one.phases for one in outlined.launches)


@pytest.mark.parametrize("path", READY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_ready_spec_is_outlined_with_its_launch_lines_and_its_dockerfile(path: Path) -> None:
    outlined = outline(load_spec(path, capabilities=CAPABILITIES))
    assert outlined.launches
    assert all(one.launch.args and one.image and one.dockerfile for one in outlined.launches)


@pytest.mark.parametrize(
    "path",
    [path for path in READY if path.parent.name in ("cuda", "rocm")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_image_to_be_built_is_named_with_the_official_one_that_it_is_built_on(path: Path) -> None:
    spec = load_spec(path, capabilities=CAPABILITIES)
    build = replace(spec, engine=replace(spec.engine, image={"build": True}), variants=())
    (official, *_), (built, *_) = (
        outline(replace(spec, variants=())).launches,
        outline(build).launches,
    )
    assert (official.base, built.base) == ("", official.image)
    assert built.image == f"images/{spec.engine.name}/{path.parent.name}/Dockerfile"
    assert f"  image: {built.image} on {official.image}" in [*lines(outline(build))]


def test_everything_that_is_supported_has_a_dockerfile() -> None:
    rows = [row for row in CAPABILITIES.rows() if row.versions]
    folders = {f"{row.engine}/{row.family}" for row in rows}
    assert folders
    assert not [name for name in folders if not (ROOT / "images" / name / "Dockerfile").is_file()]


def test_running_server_has_neither_image_nor_launch_line() -> None:
    text = (ROOT / "specs" / "quickstart.yaml").read_text(encoding="utf-8")
    text = text.replace(
        'engine:   {name: llamacpp, version: "2026.10.11549", context_length: 4096}',
        'engine: {name: endpoint, url: "http://127.0.0.1:1", model: m, api: completions}',
    ).replace("baseline: autoregressive", "baseline: none")
    (one,) = outline(parse_spec(text.encode(), path="x", capabilities=CAPABILITIES)).launches
    assert (one.image, one.dockerfile, one.launch.args) == ("", "", ())
    assert one.launch.url == "http://127.0.0.1:1"


def test_command_prints_it_and_as_json() -> None:
    path = str(ROOT / "specs" / "quickstart.yaml")
    spec = load_spec(Path(path), capabilities=CAPABILITIES)
    assert CliRunner().invoke(group, ["plan", path]).output.splitlines() == [*lines(outline(spec))]
    document = json.loads(CliRunner().invoke(group, ["plan", path, "--json"]).output)
    assert document["order"] == ["r1-none", "r1-ngram", "r2-ngram", "r2-none"]


LONGEST_QUALITATIVE_TOKENS = 2000
"""Of speed-mini's prompts, by no tokenizer more than 1,500."""
MOST_TURNS = 5
"""Of SPEED-Bench's conversations, qualitative."""
TOKENIZERS_DIFFER = 1.25
"""Lengths of its throughput prompts are counted by another tokenizer than the model's."""


@pytest.mark.parametrize("path", READY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_conversations_of_every_ready_spec_fit_its_context(path: Path) -> None:
    spec = load_spec(path, capabilities=CAPABILITIES)
    if spec.workload.dataset.kind == "speed-bench":
        for one in [variant.spec for variant in spec.variants] or [spec]:
            assert (one.engine.context_length or 4096) >= _needed_by_speed_bench(one)
        return
    dataset, sampling = spec.workload.dataset, spec.workload.sampling
    assert dataset.name == "speed-mini", "others need a preparation that specs can't ask for yet"
    if dataset.split == "qualitative":
        rows = (ROOT / "runner/specseal/data/speed-mini/qualitative.jsonl").read_text("utf-8")
        turns = max(len(json.loads(row)["turns"]) for row in rows.splitlines())
        needed = LONGEST_QUALITATIVE_TOKENS + turns * sampling.max_tokens
        assert (spec.engine.context_length or 4096) >= needed or path.parent.name in (
            "cpu",
            "specs",
        )


def _needed_by_speed_bench(spec: Spec) -> float:
    most, config = spec.workload.sampling.max_tokens, spec.workload.dataset.config or ""
    if config == "qualitative":
        return LONGEST_QUALITATIVE_TOKENS + MOST_TURNS * most
    thousands = int(config.removeprefix("throughput_").removesuffix("k"))
    return thousands * 1000 * TOKENIZERS_DIFFER + most


def test_specs_of_two_engines_on_one_model_send_the_same_token_ids() -> None:
    small = [path for path in LOCKED if path.parent.name in ("cpu", "specs")]
    locks = [read_lock(path.with_suffix(".lock.json")) for path in small]
    assert {lock.engine["name"] for lock in locks} == {"llamacpp", "vllm"}
    assert len({lock.prompts["sha256"] for lock in locks}) == 1
