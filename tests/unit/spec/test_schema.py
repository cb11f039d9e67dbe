"""What the JSON Schema says, that it agrees with the model, and that its messages can be read."""

import dataclasses
import json

import pytest
from jsonschema import Draft202012Validator

from specseal.spec import (
    Claim,
    ClaimSource,
    Dataset,
    Drafter,
    Engine,
    Hardware,
    Load,
    Sampling,
    Source,
    Tolerance,
    Workload,
)
from specseal.spec.schema import branches, spec_paths, spec_schema, suggestion

FREE_FORM = {
    "engine.args",
    "model.template_args",
    "drafter.model.template_args",
    "sweep",
    "assumptions",
    "claims.where",
}
EMPTY_WHERE_LEFT_OUT = {
    ("workload", "slo"),
    ("workload.load", "rate"),
    ("engine", "image"),
    ("engine", "parallel"),
    ("engine", "args"),
}
"""Keys whose value may not be empty, so that the schema has no default for them."""
MODELS = {
    "engine": (Engine, {}),
    "hardware": (Hardware, {}),
    "model": (Source, {"source": "kind"}),
    "drafter": (Drafter, {}),
    "workload": (Workload, {}),
    "workload.dataset": (Dataset, {"source": "kind"}),
    "workload.sampling": (Sampling, {}),
    "workload.load": (Load, {}),
    "claims": (Claim, {}),
    "claims.source": (ClaimSource, {}),
    "claims.tolerance": (Tolerance, {}),
}


def objects():
    """Yield (path, object) for every mapping in the schema, one a branch."""
    waiting = [("", spec_schema())]
    while waiting:
        path, node = waiting.pop()
        for branch in branches(node, spec_schema()):
            if branch.get("type") != "object":
                continue
            yield path, branch
            for key, child in branch.get("properties", {}).items():
                child = child if child.get("type") != "array" else child["items"]
                waiting.append((f"{path}.{key}".removeprefix("."), child))


def test_schema_is_a_json_schema():
    Draft202012Validator.check_schema(spec_schema())


def test_every_mapping_refuses_unknown_keys_but_those_that_are_free_form():
    open_ended = {path for path, node in objects() if node.get("additionalProperties") is not False}
    assert open_ended == FREE_FORM


def test_every_key_has_a_title_a_description_and_an_example_that_fits():
    for path, node in objects():
        for key, child in node.get("properties", {}).items():
            assert {"title", "description", "examples"} <= child.keys(), f"{path}.{key}"
            # `$defs` stays in reach of `$ref` where a part of the schema is used alone.
            part = {**child, "$defs": spec_schema()["$defs"]}
            for example in child["examples"]:
                Draft202012Validator(part).validate(example)


@pytest.mark.parametrize("path", MODELS)
def test_defaults_in_the_schema_are_those_of_the_model(path):
    model, renamed = MODELS[path]
    in_model = {}
    for field in dataclasses.fields(model):
        if field.default_factory is not dataclasses.MISSING:
            in_model[field.name] = field.default_factory()
        elif field.default not in (dataclasses.MISSING, None):
            in_model[field.name] = field.default
    in_schema = {}
    for where, node in objects():
        for key, child in node["properties"].items() if where == path else ():
            if "default" in child:
                in_schema[renamed.get(key, key)] = child["default"]
            elif (path, key) in EMPTY_WHERE_LEFT_OUT:
                assert not in_model.pop(key)
    assert in_schema == json.loads(json.dumps(in_model))


@pytest.mark.parametrize("path", MODELS)
def test_keys_in_the_schema_are_fields_of_the_model(path):
    model, renamed = MODELS[path]
    fields = {field.name for field in dataclasses.fields(model)}
    keys = {key for where, node in objects() if where == path for key in node["properties"]}
    assert {renamed.get(key, key) for key in keys} == fields


def test_paths_cover_branches_and_free_form_mappings():
    assert {"model.repo", "model.package", "drafter.model.path", "engine.args.*"} <= spec_paths()


def test_suggestion_is_silent_where_nothing_is_near():
    assert suggestion("draft_lenght", ["draft_length"]) == "; did you mean 'draft_length'?"
    assert suggestion("zzz", ["draft_length"]) == ""
    assert suggestion(5, ["draft_length"]) == ""


ENGINE = '{name: llamacpp, version: "2026.10.11549", context_length: 4096}'
DATASET = "{source: builtin, name: speed-mini, split: qualitative}"
METHOD = "{method: ngram, draft_length: 4}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "concurrency: [1, 4]",
            "concurrency: [1, 0]",
            "workload.load.concurrency[1]: 0 is less than 1",
        ),
        ("concurrency: [1, 4]", "concurrency: []", "workload.load.concurrency: is empty: give at"),
        ("concurrency: [1, 4]", "concurrency: 4", "workload.load.concurrency: 4 is not a list"),
        (
            "concurrency: [1, 4]",
            "concurrency: [1, 4, 1]",
            "workload.load.concurrency[2]: 1 is there twice",
        ),
        (
            "draft_length: 4",
            "draft_lenght: 4",
            "drafter.draft_lenght: unknown key; did you mean 'dr",
        ),
        (
            "accelerator: cpu",
            "zzz: 1",
            "hardware.zzz: unknown key; known: accelerator, count, driver",
        ),
        ("draft_length: 4", "draft_length: 4.0", "drafter.draft_length: 4.0 is not a whole number"),
        (
            "draft_length: 4",
            "draft_length: true",
            "drafter.draft_length: true is not a whole number",
        ),
        ("draft_length: 4", "draft_length: -1", "drafter.draft_length: -1 is less than 0"),
        ("repeats: 2", "repeats:", "workload.repeats: has no value; expected a whole number"),
        ("version: 0.1.2", "version: 1.10", "model.version: 1.1 is not text: put it in quotes"),
        ("package: tiny-model", "package: --index", "model.package: '--index' does not match"),
        (
            "package: tiny-model",
            "packages: tiny-model",
            "model.packages: unknown key; did you mean",
        ),
        (
            "source: pypi",
            "source: pypy",
            "model.source: 'pypy' is not one of pypi, hf, path, none;",
        ),
        ("name: llamacpp", "name: llama", "engine.name: 'llama' is not one of llamacpp, vllm,"),
        ("specseal/v1", "specseal/v2", "apiVersion: 'specseal/v2' is not 'specseal/v1'"),
        (DATASET, "{source: speed-bench}", "workload.dataset.config: is missing"),
        (
            DATASET,
            "{source: speed-bench, config: throughput_4k}",
            "workload.dataset.config: 'throughput_4k' is not one of qualitative, throughput_1k,",
        ),
        (
            DATASET,
            "{source: speed-bench, config: qualitative, sha256: ABC}",
            "workload.dataset.sha256: 'ABC' does not match",
        ),
        ("name: good", "name: Good", "name: 'Good' does not match ^[a-z0-9]"),
        ("name: good", 'name: "good\\n"', "name: 'good\\n' does not match"),
        ("name: good", "name: " + "x" * 65, "name: 'xxxxx"),
        (
            "temperature: 0",
            "temperature: hot",
            "workload.sampling.temperature: 'hot' is not a numbe",
        ),
        ("temperature: 0", "top_p: 0", "workload.sampling.top_p: 0 is not greater than 0"),
        ("temperature: 0", "top_p: 1.5", "workload.sampling.top_p: 1.5 is greater than 1"),
        (
            "temperature: 0",
            "seed: 4294967295",
            "workload.sampling.seed: 4294967295 is greater than",
        ),
        ("temperature: 0", 'stop: [""]', "workload.sampling.stop[0]: is empty"),
        (
            "temperature: 0",
            "ignore_eos: 'yes'",
            "workload.sampling.ignore_eos: 'yes' is not true o",
        ),
        (ENGINE, ENGINE[:-1] + ", image: {}}", "engine.image: give exactly one of ref, build"),
        (ENGINE, ENGINE[:-1] + ", image: {ref: a, build: true}}", "engine.image: give exactly one"),
        (ENGINE, ENGINE[:-1] + ", image: {build: false}}", "engine.image.build: false is not true"),
        ("seed: 0", "slo: {}", "workload.slo: give at least one of ttft_s, tpot_s"),
        ("seed: 0", "slo: {ttft_s: 0}", "workload.slo.ttft_s: 0 is not greater than 0"),
        ("seed: 0", "slo: {ttft: 1}", "workload.slo.ttft: unknown key; did you mean 'ttft_s'?"),
        ("seed: 0", "inputs: [random, noise]", "workload.inputs[1]: 'noise' is not one of"),
        ("mode: closed", "mode: opened", "workload.load.mode: 'opened' is not one of closed, open"),
        ("mode: closed", "duration_s: 0", "workload.load.duration_s: 0 is not greater than 0"),
        (ENGINE, ENGINE[:-1] + ", max_sequences: 0}", "engine.max_sequences: 0 is less than 1"),
        ('version: "2026.10.11549", ', "", "engine.version: is missing"),
        (METHOD, "ngram", "drafter: 'ngram' is not a mapping"),
        (METHOD, "[]", "drafter: [] is not a mapping"),
    ],
)
def test_broken_rule_is_told_at_its_place_in_words(broken, old, new, expected):
    (found,) = broken((old, new))
    assert found.partition(": ")[2].startswith(expected)


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("name: good\n", "name"),
        ("hardware: {accelerator: cpu}\n", "hardware"),
        ("method: ngram, ", "drafter.method"),
        ("source: pypi, ", "model.source"),
        (", file: tiny_model/tiny.gguf", "model.file"),
        ("  load: {mode: closed, concurrency: [1, 4], requests: 11}\n", "workload.load"),
    ],
)
def test_missing_key_is_told_at_the_mapping_that_lacks_it(broken, key, where):
    (found,) = broken((key, ""))
    assert found.endswith(f": {where}: is missing")
    parent = where.rpartition(".")[0]
    line = {"": 1, "drafter": 7, "model": 6, "workload": 9}[parent]
    assert found.startswith(f"{line}:1: ")


@pytest.mark.parametrize("text", ["just text\n", "- a list\n", "12\n", "null\n"])
def test_file_that_is_no_mapping_is_one_problem(problems, text):
    (found,) = problems(text)
    assert found.startswith("1:1: ")
    assert found.endswith(("is not a mapping", "expected a mapping"))
