"""A whole spec: what it becomes, all its problems together, and what its digest depends on."""

import contextlib
import io
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from specseal.digests import Digest
from specseal.engines import CAPABILITIES
from specseal.errors import SpecError
from specseal.spec import (
    Dataset,
    Drafter,
    Engine,
    Load,
    Sampling,
    Source,
    load_spec,
    parse_spec,
    problems_in,
)
from specseal.spec.document import MAX_BYTES

# How fast the machine is must not decide a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODEL = "{source: pypi, package: tiny-model, version: 0.1.2, file: tiny_model/tiny.gguf}"
DATASET = "{source: builtin, name: speed-mini, split: qualitative}"


def parse(text):
    return parse_spec(text.encode(), path="x")


def test_quickstart_is_valid_and_fills_in_defaults(root):
    spec = load_spec(root / "specs/quickstart.yaml", capabilities=CAPABILITIES)
    assert spec.name == "quickstart"
    assert spec.engine == Engine(name="llamacpp", version="2026.10.11549", context_length=4096)
    assert spec.drafter == Drafter(method="ngram", draft_length=4)
    assert spec.workload.sampling == Sampling(temperature=0.0, max_tokens=64)
    assert spec.workload.load == Load(concurrency=(1, 4), requests=6)
    assert spec.hardware.count == 1


def test_quickstart_names_the_schema_that_lies_beside_it(root):
    first = (root / "specs/quickstart.yaml").read_text(encoding="utf-8").splitlines()[0]
    key, _, target = first.removeprefix("# ").partition(" $schema=")
    assert key == "yaml-language-server:"
    assert (root / "specs" / target).is_file()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{source: hf, repo: org/model, revision: v1.0}",
            Source(kind="hf", repo="org/model", revision="v1.0"),
        ),
        (
            "{source: path, path: models/m.gguf, template_args: {tools: [a, 1], thinking: false}}",
            Source(
                kind="path",
                path="models/m.gguf",
                template_args={"tools": ["a", 1], "thinking": False},
            ),
        ),
    ],
)
def test_model_from_each_source_becomes_its_value(good, text, expected):
    assert parse(good.replace(MODEL, text)).model == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{source: hf, repo: org/data, revision: main, config: qualitative, split: test}",
            Dataset(
                kind="hf", repo="org/data", revision="main", config="qualitative", split="test"
            ),
        ),
        ("{source: path, path: p.jsonl}", Dataset(kind="path", path="p.jsonl")),
        (
            "{source: speed-bench, config: throughput_1k}",
            Dataset(kind="speed-bench", config="throughput_1k"),
        ),
        (
            "{source: speed-bench, config: qualitative, sha256: " + "ab" * 32 + "}",
            Dataset(kind="speed-bench", config="qualitative", sha256=Digest("ab" * 32)),
        ),
    ],
)
def test_data_set_from_each_source_becomes_its_value(good, text, expected):
    assert parse(good.replace(DATASET, text)).workload.dataset == expected


def test_official_image_becomes_its_reference_and_a_built_one_none(good):
    with_image = good.replace("context_length: 4096", "image: {IMAGE}")
    assert parse(with_image.replace("IMAGE", "ref: a/b:c")).engine.image_ref == "a/b:c"
    assert parse(with_image.replace("IMAGE", "build: true")).engine.image_ref is None


def test_all_sampling_parameters_reach_the_value(good):
    sampling = (
        "{temperature: 1, top_p: 0.9, top_k: 5, seed: 7, stop: ['a', 'b'], ignore_eos: true,"
        " max_tokens: 9}"
    )
    text = good.replace("{temperature: 0, max_tokens: 64}", sampling)
    assert parse(text).workload.sampling == Sampling(
        temperature=1.0, top_p=0.9, top_k=5, seed=7, stop=("a", "b"), ignore_eos=True, max_tokens=9
    )


def test_inputs_and_objectives_reach_the_value(good):
    text = good.replace(
        "  seed: 0", "  inputs: [dataset, random]\n  slo: {ttft_s: 1, tpot_s: 0.05}"
    )
    workload = parse(text).workload
    assert workload.inputs == ("dataset", "random")
    assert workload.slo == {"ttft_s": 1.0, "tpot_s": 0.05}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", Load(mode="closed", concurrency=(1,))),
        ("{duration_s: 30}", Load(duration_s=30.0)),
        (
            "{mode: ramp, concurrency: [8], duration_s: 60}",
            Load(mode="ramp", concurrency=(8,), duration_s=60.0),
        ),
        (
            "{mode: open, rate: [1, 0.5]}",
            Load(mode="open", concurrency=(), rate=(1.0, 0.5), arrival="poisson"),
        ),
        (
            "{mode: open, rate: [2], arrival: constant}",
            Load(mode="open", concurrency=(), rate=(2.0,), arrival="constant"),
        ),
    ],
)
def test_load_of_each_mode_becomes_its_value(good, text, expected):
    several = good.replace("context_length: 4096", "context_length: 4096, max_sequences: 16")
    load = "{mode: closed, concurrency: [1, 4], requests: 11}"
    spec = parse(several.replace(load, text))
    assert spec.workload.load == expected
    assert spec.engine.max_sequences == 16


def test_all_problems_of_a_file_are_told_at_once_by_position(broken):
    found = broken(
        ("accelerator: cpu", "accelerator: cpu, acelerator: cpu"),
        ("draft_length: 4", "draft_length: 0"),
        ("concurrency: [1, 4]", "concurrency: [1, 0]"),
        ("seed: 0", "seed: 0\n  seed: &x 1"),
        ("sweep: {}", "sweep: *x"),
        ("claims: []", "claims: [{metric: x}]"),
    )
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in found] == [
        "5:30 hardware.acelerator",
        "7:41 drafter.draft_length",
        "12:41 workload.load.concurrency[1]",
        "15:3 workload.seed",
        "16:8 sweep",
        "17:10 claims[0].source",
        "17:10 claims[0].value",
    ]


def test_problem_reads_as_editors_parse_it(tmp_path, good):
    path = tmp_path / "x.yaml"
    path.write_text(good.replace("[1, 4]", "[1, 0]"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert str(caught.value) == f"{path}:12:41: workload.load.concurrency[1]: 0 is less than 1"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_file_that_can_not_be_read_is_a_problem_of_that_file(tmp_path, name):
    (problem,) = problems_in(tmp_path / name)
    assert problem.path == str(tmp_path / name)
    assert problem.message.startswith("can't be read: ")


def test_large_file_is_refused_without_reading_on(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES * 1000)  # sparse: takes no room
    (problem,) = problems_in(path)
    assert "larger than" in problem.message


def test_good_file_has_no_problems(tmp_path, good):
    path = tmp_path / "x.yaml"
    path.write_text(good, encoding="utf-8")
    assert problems_in(path, capabilities=CAPABILITIES) == ()


def shuffled(value, chooser):
    """Return the value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chooser.shuffle(keys)
        return {key: shuffled(value[key], chooser) for key in keys}
    return value


def as_yaml(value):
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(value, text)
    return text.getvalue()


@PATIENT
@given(chooser=st.randoms(use_true_random=False))
def test_digest_does_not_depend_on_the_order_of_keys_or_on_layout(good, chooser: random.Random):
    value = YAML(typ="safe", pure=True).load(good)
    assert parse(as_yaml(shuffled(value, chooser))).digest == parse(good).digest


@PATIENT
@given(comments=st.lists(st.text(alphabet="ab:-'{é ", max_size=9), min_size=16, max_size=16))
def test_digest_does_not_depend_on_comments(good, comments):
    lines = zip(good.splitlines(), comments, strict=True)
    assert parse("\n".join(f"{line} # {note}" for line, note in lines)).digest == parse(good).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sweep: {}\nclaims: []\n", ""),
        ("mode: closed, ", ""),
        ("temperature: 0,", "temperature: 0.0, top_p: 1, stop: [],"),
        ("  seed: 0", "  seed: 0\n  inputs: [dataset]"),
        ("context_length: 4096", "context_length: 4096, prefix_cache: false"),
    ],
)
def test_digest_does_not_depend_on_defaults_that_are_spelled_out(good, old, new):
    assert parse(good.replace(old, new)).digest == parse(good).digest


@pytest.mark.parametrize(
    ("old", "new"), [("[1, 4]", "[1, 2]"), ("seed: 0", "seed: 1"), ("0.1.2", "0.1.3")]
)
def test_digest_depends_on_what_is_said(good, old, new):
    assert parse(good.replace(old, new)).digest != parse(good).digest


def test_digest_depends_on_which_copy_of_speed_bench_is_named(good):
    any_copy = "{source: speed-bench, config: qualitative}"
    one_copy = any_copy.replace("}", ", sha256: " + "ab" * 32 + "}")
    digests = {parse(good.replace(DATASET, text)).digest for text in (any_copy, one_copy)}
    assert len(digests) == 2


def test_digests_of_specs_are_still_those_in_their_committed_locks(root):
    locks = sorted((root / "specs").rglob("*.lock.json"))
    assert locks
    for path in locks:
        spec = load_spec(path.with_name(path.name.replace(".lock.json", ".yaml")))
        assert spec.digest == json.loads(path.read_bytes())["spec"]["sha256"], path.name


SCALARS = (
    "specseal/v1", "good", "llamacpp", '"2026.10.11549"', "4096", "cpu", "pypi", "0.1.2", "ngram",
    "draft_length: 4", "autoregressive", "builtin", "64", "closed", "[1, 4]", "11", "{}",
)  # fmt: skip


@PATIENT
@given(
    scalar=st.sampled_from(SCALARS),
    rubbish=st.text(max_size=12)
    | st.sampled_from(["", "~", "[]", "{}", "-1", "1e999", ".nan", "*a", "[[]]", "{a: {b: []}}"])
    | st.integers().map(str)
    | st.floats().map(str),
)
def test_rubbish_in_place_of_any_value_is_accepted_or_a_spec_error(good, scalar, rubbish):
    # No other error may come through: an error in reading would end in a traceback.
    with contextlib.suppress(SpecError):
        parse_spec(
            good.replace(scalar, rubbish, 1).encode("utf-8", "replace"),
            path="x",
            capabilities=CAPABILITIES,
        )
