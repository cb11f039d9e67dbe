"""The dated lists of names, what is not on them, and values that make a model another one."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from specseal.engines import CAPABILITIES
from specseal.engines.flag_values import check_value
from specseal.engines.known_names import check_argument, check_real, check_said_once, known_names
from specseal.engines.refused_names import REFUSED
from specseal.errors import Dishonoured
from specseal.spec import problems_in

SPECS = Path(__file__).parents[3] / "specs" / "cuda"
PLACE = ("engine", "args", "it")
LISTS = sorted(
    one.name.removesuffix(".txt")
    for one in (files("specseal.engines") / "names").iterdir()
    if one.name.endswith(".txt")
)


@pytest.mark.parametrize("name", LISTS)
def test_list_says_what_it_is_of_where_it_is_from_and_when_it_was_read(name: str) -> None:
    text = (files("specseal.engines") / "names" / f"{name}.txt").read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("# ")]
    assert "2026" in " ".join(head)
    assert name.split("-")[-1].removesuffix(".txt") in text or "1.2.0" in head[0]
    names = [line.split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert names == sorted(set(names))
    assert len(known_names(name)) == len(names) > 20


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt-llm"])
def test_every_version_of_the_table_has_its_list(engine: str) -> None:
    versions = {v for row in CAPABILITIES.rows() if row.engine == engine for v in row.versions}
    suffix = "-options" if engine == "tensorrt-llm" else ""
    assert {f"{engine}-{version}{suffix}" for version in versions} <= set(LISTS)


def test_version_without_a_list_is_refused() -> None:
    with pytest.raises(Dishonoured, match="`specseal engines` shows") as no:
        known_names("vllm-0.31.0")
    assert no.value.place == ("engine", "version")


KNOWN = {
    "--max-num-seqs": "int",
    "--kv-cache-dtype": "one of auto|fp8",
    "--enforce-eager": "switch",
    "--no-enforce-eager": "switch",
    "--enable-torch-compile": "switch",
    "--graph-sizes": "many int",
    "--share": "float",
    "--hf-overrides": "any",
    "--tokens": "size",
    "--compilation-config": "json",
    "--backend": "text",
    "--hf-config-path": "text",
    "--no-enable-lora": "switch",
    "kv.use_uvm": "bool",
    "kv": "object",
}


def test_name_that_is_on_no_list_is_refused_with_the_nearest_one() -> None:
    check_argument("--max-num-seqs", 4, KNOWN, engine="E 1", place=PLACE)
    with pytest.raises(Dishonoured, match=r"E 1 has no --kv-dtype: .* is --kv-cache-dtype") as no:
        check_argument("--kv-dtype", "fp8", KNOWN, engine="E 1", place=PLACE)
    assert no.value.place == PLACE


@pytest.mark.parametrize("name", [one for one in LISTS if not one.endswith("-flags")])
def test_every_kind_of_a_list_is_one_that_values_are_held_to(name: str) -> None:
    if name.startswith("llamacpp"):  # what its arguments may be is a closed list of its adapter's
        assert set(known_names(name).values()) == {""}
        return
    for flag, kind in known_names(name).items():
        if kind not in ("any", "many any"):
            with pytest.raises(Dishonoured):
                check_value(flag, object(), kind, engine="E 1", place=PLACE)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("--max-num-seqs", "lots", "is 'lots': E 1's --max-num-seqs takes a whole number"),
        ("--max-num-seqs", 1.5, "a whole number"),
        ("--max-num-seqs", True, "a whole number"),
        ("--kv-cache-dtype", "banana", "takes one of auto, fp8"),
        ("--kv-cache-dtype", True, "takes one of auto, fp8"),
        ("--enforce-eager", "yes", "takes no value: write true or false"),
        ("--enable-torch-compile", 5, "takes no value: write true, or leave it out"),
        ("--enable-torch-compile", False, "write true, or leave it out"),
        ("--no-enforce-eager", True, "write enforce_eager: false"),
        ("--graph-sizes", [1, "2"], "a whole number, or a list of them"),
        ("--share", "lots", "a number"),
        ("--tokens", "many", "a whole number"),
        ("--compilation-config", "{level: 3}", "takes JSON"),
        ("--backend", True, "takes a text"),
        ("kv.use_uvm", "true", "takes true or false"),
        ("kv", "{}", "takes a mapping"),
        ("--hf-config-path", "/x", "names a file, which the lock does not pin"),
        ("--no-enable-lora", True, "names a file, which the lock does not pin"),
        ("--device", "cpu", r"hardware\.accelerator says it"),
        ("--nnodes", 2, "one machine"),
        ("--hf-overrides", "{}}", "is no JSON"),
        ("--hf-overrides", "[]", "is no mapping"),
    ],
)
def test_value_of_another_kind_or_a_name_that_is_refused_is_named(
    name: str, value: Any, said: str
) -> None:
    with pytest.raises(Dishonoured, match=said) as no:
        check_argument(name, value, KNOWN, engine="E 1", place=PLACE)
    assert no.value.place == PLACE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--max-num-seqs", 4),
        ("--kv-cache-dtype", "fp8"),
        ("--enforce-eager", True),
        ("--enforce-eager", False),
        ("--enable-torch-compile", True),
        ("--graph-sizes", [1, 2]),
        ("--graph-sizes", 1),
        ("--share", 1),
        ("--share", 0.5),
        ("--tokens", "16k"),
        ("--tokens", 16384),
        ("--compilation-config", {"level": 3}),
        ("--compilation-config", '{"level": 3}'),
        ("--backend", "FLASHINFER"),
        ("--hf-overrides", {"rope_scaling": {"factor": 4.0}}),
        ("kv.use_uvm", False),
        ("kv", {}),
    ],
)
def test_value_of_its_kind_passes(name: str, value: Any) -> None:
    check_argument(name, value, KNOWN, engine="E 1", place=PLACE)


def test_each_refused_name_is_one_that_an_engine_knows() -> None:
    known = {
        name.removeprefix("--").replace("_", "-") for one in LISTS for name in known_names(one)
    }
    assert REFUSED.keys() <= known


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load_format", "dummy"),
        ("load-format", "DUMMY"),
        ("hf-overrides", {"text_config": {"num_hidden_layers": 1}}),
        ("json_model_override_args", '{"vocab_size": 9}'),
        ("model_kwargs", {"num_experts_per_tok": 1}),
        ("hf-overrides", '{"num_hidden\\u005flayers": 1}'),
        ("--hf-overrides", '{"a": [{"num_layers": 1}]}'),
        ("hf-overrides", {"architectures": ["Another"]}),
    ],
)
def test_value_that_makes_a_model_another_one_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Dishonoured):
        check_real(name, value, place=PLACE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("load_format", "safetensors"),
        ("load_format", None),
        ("hf-overrides", {"rope_scaling": {"factor": 4.0}}),
        ("kv-cache-dtype", "dummy"),
    ],
)
def test_value_that_leaves_a_model_what_it_is_passes(name: str, value: Any) -> None:
    check_real(name, value, place=PLACE)


def test_one_name_written_in_two_ways_is_refused() -> None:
    check_said_once(["a_b", "a_c"])
    with pytest.raises(Dishonoured, match="there twice"):
        check_said_once(["a_b", "a-b"])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("vllm-llama-3-3-70b-eagle3", "vLLM 0.13.0 has no --bogus-flag"),
        ("sglang-qwen3-235b-eagle3", "SGLang 0.5.7 has no --bogus-flag"),
        ("tensorrt-llm-deepseek-r1-mtp", "TensorRT-LLM 1.2.0 has no bogus_flag"),
        ("llamacpp-llama-3-3-70b-draft-model", "is not handed on to llama.cpp"),
    ],
)
@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("bogus_flag: 1", None),
        ("load_format: dummy", "random"),
        ("revision: main", "pinned under model"),
        ("trust_remote_code: 5", "takes"),
    ],
)
def test_spec_with_such_an_argument_is_not_valid(
    tmp_path: Path, name: str, nearest: str, argument: str, said: str | None
) -> None:
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8")
    for mark in ("engine:\n", "engine:   {"):
        entry = f"  args: {{{argument}}}\n" if mark.endswith("\n") else f"args: {{{argument}}}, "
        text = text.replace(mark, mark + entry)
    (tmp_path / "it.yaml").write_text(text, encoding="utf-8")
    (problem,) = problems_in(tmp_path / "it.yaml", capabilities=CAPABILITIES)
    assert (said if said and "llama.cpp" not in nearest else nearest) in str(problem)
    assert re.search(r"it\.yaml:[0-9]+:[0-9]+: engine\.args", str(problem))
