"""A spec for a running server: what has to be said of it, and what can't be."""

import pytest

from specseal.engines import CAPABILITIES
from specseal.spec import Engine, Load, Source, parse_spec

ENDPOINT = """\
apiVersion: specseal/v1
name: running
title: A server that runs already
engine:   {name: endpoint, url: "http://127.0.0.1:8000", model: tiny, api: chat}
hardware: {accelerator: nvidia/h100-sxm5-80gb, count: 8}
model:    {source: none}
drafter:  {method: eagle3, draft_length: 4}
baseline: none
workload:
  dataset: {source: builtin, name: speed-mini, split: qualitative}
  sampling: {temperature: 0, max_tokens: 64}
  load: {mode: open, rate: [1]}
"""
URL = "http://127.0.0.1:8000"


@pytest.fixture
def refused(problems):
    """Return the problems of the spec above after replacing text in it, (old, new) at a time."""

    def found(*replacements):
        text = ENDPOINT
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} is not in the spec exactly once"
            text = text.replace(old, new)
        return problems(text)

    return found


def test_running_server_becomes_an_engine_without_a_version():
    spec = parse_spec(ENDPOINT.encode(), path="x", capabilities=CAPABILITIES)
    assert spec.engine == Engine(name="endpoint", version="", url=URL, model="tiny", api="chat")
    assert spec.model == Source(kind="none")
    assert spec.workload.load == Load(mode="open", concurrency=(), rate=(1.0,), arrival="poisson")


@pytest.mark.parametrize(
    "replacement",
    [
        ("api: chat", "api: chat, metrics: vllm"),
        ("nvidia/h100-sxm5-80gb, count: 8", "any"),
        ("eagle3, draft_length: 4", "none"),
        ("draft_length: 4", "draft_length: 4, model: {source: hf, repo: a/b, revision: main}"),
        (
            "eagle3, draft_length: 4",
            "ngram, draft_length: 4, args: {ngram_min: 2, ngram_max: 4, kind: lookup}",
        ),
        ("mode: open, rate: [1]", "concurrency: [1, 64]"),
        (URL, "https://example.org/models/tiny/"),
        (URL, "http://[::1]:8000"),
    ],
)
def test_what_is_stated_of_a_running_server_is_accepted(refused, replacement):
    assert refused(replacement) == []


@pytest.mark.parametrize(
    ("given", "key"),
    [(f' url: "{URL}",', "url"), (" model: tiny,", "model"), (", api: chat", "api")],
)
def test_running_server_is_not_known_without(refused, given, key):
    assert refused((given, "")) == [f"4:1: engine.{key}: is missing"]


@pytest.mark.parametrize(
    "given",
    ['version: "1"', "image: {build: true}", "context_length: 99", "max_sequences: 8",
     "prefix_cache: false"],
)  # fmt: skip
def test_what_can_not_be_set_on_a_running_server_is_refused(refused, given):
    (found,) = refused(("api: chat", f"api: chat, {given}"))
    key = given.partition(":")[0]
    assert found == f"4:82: engine.{key}: a running server is as it is: leave it out"


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (
            ("baseline: none", "baseline: autoregressive"),
            "8:11: baseline: a running server can't be started again without speculation:"
            " write none",
        ),
        (
            ("accelerator: nvidia/h100-sxm5-80gb, ", ""),
            "5:1: hardware.accelerator: is missing: say what the running server is on, or any",
        ),
        (
            ("{source: none}", "{source: path, path: m.gguf}"),
            "4:76: engine.api: chat sends text, and 'path' is for a tokenizer: write completions,"
            " or source none",
        ),
        (
            ("count: 8", 'driver: ">=570"'),
            "5:48: hardware.driver: the driver under a running server is not seen: leave it out",
        ),
        (
            ("api: chat", "api: completions"),
            "4:76: engine.api: completions are asked for in token ids, and source none has no"
            " tokenizer: write chat",
        ),
        (
            ("  load:", "  inputs: [dataset, random]\n  load:"),
            "12:21: workload.inputs[1]: random tokens are sent as ids, and source none has no"
            " tokenizer: leave it out",
        ),
        (
            ("draft_length: 4", "draft_length: 4, model: {source: none}"),
            "7:61: drafter.model.source: a drafter's model has files",
        ),
    ],
)
def test_what_can_not_be_of_a_running_server_is_refused(refused, replacement, expected):
    assert refused(replacement) == [expected]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://host", "'ftp://host' is no URL like http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "'127.0.0.1:8000' is no URL like http://127.0.0.1:8000"),
        ("http://", "'http://' is no URL like http://127.0.0.1:8000"),
        ("http://host:0", "'http://host:0' is no URL like http://127.0.0.1:8000"),
        ("http://a b", "'http://a b' is no URL like http://127.0.0.1:8000"),
        ("http://hé", "'http://hé' is no URL like http://127.0.0.1:8000"),
        ("http://host:99999", "'http://host:99999': Port out of range 0-65535"),
        ("http://[::1", "'http://[::1': Invalid IPv6 URL"),
        ("http://host/?key=1", "'http://host/?key=1': a base has no query and no fragment: leave"),
        ("http://host/#top", "'http://host/#top': a base has no query and no fragment: leave"),
    ],
)
def test_what_is_no_base_url_is_refused(refused, url, expected):
    (found,) = refused((URL, url))
    assert found.startswith(f"4:33: engine.url: {expected}")


def test_password_in_a_url_is_refused_and_not_repeated(refused):
    (found,) = refused((URL, "https://me:secret@host"))
    assert found == "4:33: engine.url: holds a user or a password: keep them out of the spec"


def test_what_belongs_to_a_running_server_is_refused_of_an_engine_that_is_started(broken):
    context = "context_length: 4096"
    found = broken((context, f"{context}, url: '{URL}', model: m, api: chat, metrics: vllm"))
    assert [line.partition(": ")[2] for line in found] == [
        f"engine.{key}: belongs to the engine endpoint: leave it out"
        for key in ("url", "model", "api", "metrics")
    ]


def test_engine_that_is_started_needs_a_model(broken):
    model = "{source: pypi, package: tiny-model, version: 0.1.2, file: tiny_model/tiny.gguf}"
    assert broken((model, "{source: none}")) == [
        "6:20: model.source: only the engine endpoint brings its own model: say where the files are"
    ]


@pytest.mark.parametrize(
    "sweep", ["drafter.draft_length: [2, 4]", "hardware.count: [1, 8]", "drafter: [{method: none}]"]
)
def test_what_a_running_server_is_can_not_be_swept(refused, sweep):
    (found,) = refused(("baseline: none", f"baseline: none\nsweep: {{{sweep}}}"))
    assert "a running server is as it is: nothing varies this" in found
