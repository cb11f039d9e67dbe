"""What is refused because specseal, or an engine, can't do it."""

import pytest

from specseal.errors import SpecError
from specseal.spec import parse_spec
from specseal.spec.check import BUILT_FOR_ENDPOINT, NOT_BUILT
from specseal.spec.schema import spec_paths

METHOD = "{method: ngram, draft_length: 4}"
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


NOT_YET = {
    "engine.name": (
        ("name: llamacpp", "name: vllm"),
        "'vllm' is",
        "write 'llamacpp' or 'endpoint'",
    ),
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
    "claims.*": (("claims: []", "claims: [{metric: x}]"), "is", "leave it out"),
}


@pytest.mark.parametrize("path", NOT_BUILT)
def test_what_is_not_built_is_refused_by_name(broken, path):
    replacement, subject, instead = NOT_YET[path]
    (found,) = broken(replacement)
    place = path.replace("claims.*", "claims[0]")
    assert found.partition(": ")[2] == f"{place}: {subject} not supported yet: {instead}"


@pytest.mark.parametrize("path", [path for path in NOT_BUILT if not path.endswith("*")])
def test_every_row_of_what_is_not_built_is_a_path_of_the_schema(path):
    assert path in spec_paths()


def test_rows_that_a_running_server_is_free_of_are_rows():
    assert set(BUILT_FOR_ENDPOINT) < NOT_BUILT.keys()


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
