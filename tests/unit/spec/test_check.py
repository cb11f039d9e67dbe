"""What is refused because an engine can't do it."""

import pytest

from specseal.errors import SpecError
from specseal.spec import parse_spec

METHOD = "{method: ngram, draft_length: 4}"


class Table:
    """Capabilities of one imagined engine."""

    def methods(self, engine, accelerator, version=None):
        return frozenset({"none"}) if version != "2026.9.1" else frozenset({"none", "ngram"})

    def versions(self, engine, accelerator):
        return ("2026.10.11550", "2026.9.1")

    def honours(self, engine):
        return frozenset({"dtype", "parallel.tensor"})

    def args(self, engine, accelerator, method):
        return frozenset({"ngram_min"})

    def nearest(self, engine, accelerator, method, version=None):
        return "use one of none"

    def refusal(self, spec):
        return ("drafter", "draft_length"), "this engine drafts 3 tokens or 5"


def refused(good, *replacements):
    for old, new in replacements:
        good = good.replace(old, new)
    with pytest.raises(SpecError) as caught:
        parse_spec(good.encode(), path="x", capabilities=Table())
    return [f"{problem.where}: {problem.message}" for problem in caught.value.problems]


def test_method_and_version_that_the_engine_can_not_honour_name_what_it_can(good):
    assert refused(good) == [
        "engine.version: '2026.10.11549' is not known for llamacpp on cpu;"
        " did you mean '2026.10.11550'?",
        "drafter.method: llamacpp on cpu does not honour 'ngram'; use one of none",
    ]


def test_method_is_asked_of_the_very_version(good):
    assert refused(good, ("2026.10.11549", "2026.10.11550")) == [
        "drafter.method: llamacpp 2026.10.11550 on cpu does not honour 'ngram'; use one of none"
    ]


def test_version_like_none_that_is_known_names_the_newest(good):
    found = refused(good, ("2026.10.11549", "nightly"))
    assert found[0].endswith("; the newest known is '2026.10.11550'")


def test_official_image_must_be_of_a_known_version_too(good):
    found = refused(good, ('"2026.10.11549"', "b9999, image: {ref: ghcr.io/x/y:server}"))
    assert [message.partition(":")[0] for message in found] == ["engine.version", "drafter.method"]


KNOWN = ("2026.10.11549", "2026.9.1")
ON_TWO = ("{accelerator: cpu}", "{accelerator: nvidia/h100-sxm5-80gb, count: 2}")


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("parallel: {tensor: 2, expert: 2}", "parallel.expert"),
        ("parallel: {tensor: 1, data: 2}", "parallel.data"),
        ("quantization: fp8", "quantization"),
        ("chunked_prefill: true", "chunked_prefill"),
        ("args: {x: 1}", "args"),
    ],
)
def test_setting_that_the_engine_has_not_is_refused(good, setting, path):
    assert refused(good, KNOWN, ON_TWO, ("context_length: 4096", setting)) == [
        f"engine.{path}: llamacpp has no such setting here: leave it out"
    ]


def test_argument_that_the_method_has_not_is_refused(good):
    assert refused(good, KNOWN, (METHOD, METHOD[:-1] + ", args: {top_k: 8}}")) == [
        "drafter.args.top_k: llamacpp has no such argument with ngram: it takes ngram_min"
    ]


def test_what_an_engine_refuses_of_keys_that_are_fine_by_themselves_is_shown_at_its_place(good):
    settings = "context_length: 4096, dtype: bfloat16, parallel: {tensor: 2}"
    assert refused(good, KNOWN, ON_TWO, ("context_length: 4096", settings)) == [
        "drafter.draft_length: this engine drafts 3 tokens or 5"
    ]


def test_capabilities_are_not_asked_about_what_the_schema_refuses(good):
    found = refused(
        good,
        ("method: ngram", "method: [x]"),
        ('version: "2026', 'version: {a: "2026'),
        ('11549"', '11549"}'),
    )
    assert [message.partition(":")[0] for message in found] == ["engine.version", "drafter.method"]
