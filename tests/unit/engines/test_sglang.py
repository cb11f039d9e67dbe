"""The SGLang adapter: golden launch lines, what it refuses, and what counts as proof.

`engines/names/sglang-VERSION.txt` are the flags of each wheel's own parser
(`ServerArgs.add_cli_args`), written out in October 2026.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from specseal.engines import CAPABILITIES, LaunchRequest, engine
from specseal.engines.known_names import known_names
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

ENGINE: dict[str, Any] = {
    "name": "sglang",
    "version": "0.5.7",
    "family": "cuda",
    "prefix_cache": False,
    "context_length": 4096,
    "max_sequences": None,
}
EAGLE3 = LaunchRequest(
    method="eagle3",
    draft_length=3,
    drafter_args={},
    has_drafter_model=True,
    max_sequences=32,
    engine=ENGINE,
    devices=8,
)


def of(request: LaunchRequest, **engine_: Any) -> LaunchRequest:
    """Return a request with other settings of its engine."""
    return replace(request, engine={**request.engine, **engine_})


NEWEST = of(EAGLE3, version="0.5.23")
BASELINE = replace(EAGLE3, method="none", draft_length=0, has_drafter_model=False)
MTP = replace(EAGLE3, method="mtp", has_drafter_model=False)
NGRAM = replace(EAGLE3, method="ngram", has_drafter_model=False)
TREE = replace(NEWEST, draft_length=5, drafter_args={"top_k": 4})
ON_AMD = {"family": "rocm"}
TRITON = {"args": {"attention_backend": "triton"}}


def line(
    context: int,
    *,
    incremental: bool = False,
    backend: str = "flashinfer",
    radix: str = "--disable-radix-cache ",
    experts: int = 1,
    memory: str = "0.8",
    chunk: int = 8192,
    overlap: bool | None = None,
) -> str:
    """Return what every launch line begins with.

    Where a version streams only what is new, it overlaps its scheduler, too.
    """
    overlaps = incremental if overlap is None else overlap
    return (
        "--model-path {model} --served-model-name specseal --host 127.0.0.1 --port {port} "
        f"--context-length {context} --max-running-requests 32 {radix}--random-seed 0 "
        "--enable-metrics --skip-server-warmup --stream-interval 1 --sampling-defaults openai "
        "--log-level-http warning "
        f"{'--incremental-streaming-output ' if incremental else ''}"
        f"--tp-size 8 --ep-size {experts} --mem-fraction-static {memory} "
        f"--attention-backend {backend} --chunked-prefill-size {chunk}"
        f"{'' if overlaps else ' --disable-overlap-schedule'}"
    )


RULES = " --speculative-accept-threshold-single 1.0 --speculative-accept-threshold-acc 1.0"


DRAFTER = "--speculative-draft-model-path {drafter} --speculative-draft-model-quantization unquant"


def chain(algorithm: str, length: int = 3, *, model: bool = True) -> str:
    drafter = f"{DRAFTER} " if model else ""
    return (
        f" --speculative-algorithm {algorithm} {drafter}--speculative-num-steps {length} "
        f"--speculative-eagle-topk 1 --speculative-num-draft-tokens {length + 1}{RULES}"
    )


BREADTH = " --speculative-ngram-min-bfs-breadth 1 --speculative-ngram-max-bfs-breadth 1"
NGRAM_LINE = " --speculative-algorithm NGRAM --speculative-num-draft-tokens 4" + BREADTH
GOLDEN: dict[str, tuple[LaunchRequest, str]] = {
    "baseline": (BASELINE, line(4104)),
    "eagle": (replace(EAGLE3, method="eagle"), line(4108) + chain("EAGLE")),
    "eagle3": (EAGLE3, line(4108) + chain("EAGLE3")),
    "mtp": (MTP, line(4108) + chain("NEXTN", model=False)),
    "draft model": (replace(EAGLE3, method="draft_model"), line(4108) + chain("STANDALONE")),
    "ngram": (
        NGRAM,
        line(4108) + NGRAM_LINE + " --speculative-ngram-min-match-window-size 1 "
        f"--speculative-ngram-max-match-window-size 12 --speculative-ngram-branch-length 18{RULES}",
    ),
    "ngram of sizes": (
        replace(NGRAM, drafter_args={"ngram_min": 5, "ngram_max": 5}),
        line(4108) + NGRAM_LINE + " --speculative-ngram-min-match-window-size 5 "
        f"--speculative-ngram-max-match-window-size 5 --speculative-ngram-branch-length 18{RULES}",
    ),
    "tree of 0.5.7": (
        replace(EAGLE3, drafter_args={"top_k": 2, "draft_tokens": 8}),
        line(4113) + f" --speculative-algorithm EAGLE3 {DRAFTER} "
        "--speculative-num-steps 3 --speculative-eagle-topk 2 --speculative-num-draft-tokens 9"
        + RULES,
    ),
    "paper": (
        of(EAGLE3, parallel={"tensor": 8, "expert": 8}, args={"cuda_graph_max_bs": 32}),
        line(4108, experts=8) + chain("EAGLE3") + " --cuda-graph-max-bs 32",
    ),
    "baseline of 0.5.23": (
        of(BASELINE, version="0.5.23"),
        line(4104, incremental=True),
    ),
    "eagle of 0.5.23": (
        replace(NEWEST, method="eagle"),
        line(4108, incremental=True) + chain("EAGLE"),
    ),
    "eagle3 of 0.5.23": (NEWEST, line(4108, incremental=True) + chain("EAGLE3")),
    "mtp of 0.5.23": (
        of(MTP, version="0.5.23"),
        line(4108, incremental=True) + chain("NEXTN", model=False),
    ),
    "draft model of 0.5.23": (
        replace(NEWEST, method="draft_model"),
        line(4108, incremental=True) + chain("STANDALONE"),
    ),
    "ngram of 0.5.23": (
        of(NGRAM, version="0.5.23"),
        line(4108, incremental=True)
        + NGRAM_LINE
        + " --speculative-ngram-max-trie-depth 18"
        + RULES,
    ),
    "dflash": (
        replace(NEWEST, method="dflash", draft_length=15),
        line(4120, incremental=True) + f" --speculative-algorithm DFLASH {DRAFTER} "
        "--speculative-num-draft-tokens 16" + RULES,
    ),
    "tree": (
        TREE,
        line(4125, incremental=True) + f" --speculative-algorithm EAGLE3 {DRAFTER} "
        "--speculative-num-steps 5 --speculative-eagle-topk 4 --speculative-num-draft-tokens 21"
        + RULES,
    ),
    "all that is asked": (
        of(
            NEWEST,
            prefix_cache=True,
            chunked_prefill=False,
            dtype="bfloat16",
            quantization="fp8",
            args={
                "attention_backend": "trtllm_mha",
                "mem_fraction_static": 0.7,
                "kv-cache-dtype": "fp8_e4m3",
                "disable_overlap_schedule": True,
                "cuda_graph_bs_decode": [1, 2],
                "json_model_override_args": {"a": 1},
            },
        ),
        line(
            4108,
            incremental=True,
            backend="trtllm_mha",
            radix="",
            memory="0.7",
            chunk=-1,
            overlap=False,
        )
        + " --dtype bfloat16 --quantization fp8"
        + chain("EAGLE3")
        + " --kv-cache-dtype fp8_e4m3 --cuda-graph-bs-decode 1 2 "
        '--json-model-override-args {"a": 1}',
    ),
}
GOLDEN |= {
    f"{name} on ROCm": (of(request, **ON_AMD), text.replace("flashinfer", "aiter"))
    for name, (request, text) in GOLDEN.items()
    if not request.drafter_args and request.method != "ngram" and name != "all that is asked"
}
GOLDEN["ngram of 0.5.23 on ROCm"] = (
    of(NGRAM, version="0.5.23", **ON_AMD, **TRITON),
    GOLDEN["ngram of 0.5.23"][1].replace("flashinfer", "triton"),
)


@pytest.mark.parametrize("name", GOLDEN)
def test_launch_line_is_the_golden_one(name: str) -> None:
    request, text = GOLDEN[name]
    assert " ".join(engine("sglang").launch(request).args) == text


def test_every_row_of_the_table_has_a_golden_line() -> None:
    launched = {(request.family, request.version, request.method) for request, _ in GOLDEN.values()}
    rows = {
        (row.family, version, row.method)
        for row in engine("sglang").capabilities()
        for version in row.versions
    }
    assert launched == rows


@pytest.mark.parametrize("name", GOLDEN)
def test_each_flag_is_one_that_the_versions_parser_knows(name: str) -> None:
    request, text = GOLDEN[name]
    known = known_names(f"sglang-{request.version}")
    assert {word for word in text.split() if word.startswith("--")} <= known.keys()
    assert "--bogus-flag" not in known


def test_table_says_which_arguments_which_version_takes() -> None:
    assert CAPABILITIES.args("sglang", "nvidia/h100-sxm5-80gb", "eagle3") == {
        "top_k",
        "draft_tokens",
    }
    taken = {
        row.versions: row.args
        for row in engine("sglang").capabilities()
        if (row.family, row.method) == ("cuda", "ngram")
    }
    assert taken == {("0.5.23",): (), ("0.5.7",): ("ngram_min", "ngram_max")}


def test_ngrams_are_not_offered_where_0_5_7_crashes() -> None:
    amd = "amd/mi300x-192gb"
    assert "ngram" not in CAPABILITIES.methods("sglang", amd, "0.5.7")
    assert "ngram" in CAPABILITIES.methods("sglang", amd, "0.5.23")


def test_official_images_are_those_of_the_family() -> None:
    images = {
        (family, version): engine("sglang").official_image(family, version)
        for family in ("cuda", "rocm", "cpu")
        for version in ("0.5.7", "0.5.23")
    }
    assert images == {
        ("cuda", "0.5.7"): "docker.io/lmsysorg/sglang:v0.5.7",
        ("cuda", "0.5.23"): "docker.io/lmsysorg/sglang:v0.5.23",
        ("rocm", "0.5.7"): "docker.io/lmsysorg/sglang:v0.5.7-rocm700-mi30x",
        ("rocm", "0.5.23"): "docker.io/lmsysorg/sglang:v0.5.23-rocm10-mi30x",
        ("cpu", "0.5.7"): None,
        ("cpu", "0.5.23"): None,
    }


def test_only_the_version_that_counts_verify_calls_is_asked_for_them() -> None:
    names = {"output_tokens", "prompt_tokens", "cached_tokens"}
    assert set(engine("sglang").launch(EAGLE3).counts["names"]) == names
    assert set(engine("sglang").launch(NEWEST).counts["names"]) == names | {"drafts"}


def test_launch_says_what_the_analysis_needs() -> None:
    launches = [engine("sglang").launch(one) for one in (BASELINE, NGRAM, NEWEST, TREE)]
    assert [one.every_step_drafts for one in launches] == [False, True, True, True]
    assert [one.drafted_a_step for one in launches] == [None, None, None, 20]
    assert [one.drafter_remembers for one in launches] == [False, True, False, False]
    assert all(one.cut_at_limit and not one.one_chunk_a_step for one in launches)
    assert {one.dialect for one in launches} == {"sglang-generate"}


def test_health_checks_generate_nothing_and_the_drafter_may_have_the_models_context() -> None:
    assert (
        engine("sglang").launch(BASELINE).environment
        == engine("sglang").launch(EAGLE3).environment
        == {
            "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0",
            "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "1",
        }
    )


def test_what_the_rocm_image_sets_that_changes_results_is_taken_back() -> None:
    environment = engine("sglang").launch(of(EAGLE3, **ON_AMD)).environment
    assert environment["ROCM_QUICK_REDUCE_QUANTIZATION"] == "NONE"
    assert environment["SGLANG_SET_CPU_AFFINITY"] == "0"


REFUSED: dict[str, tuple[LaunchRequest, str, str]] = {
    "unknown method": (replace(EAGLE3, method="medusa"), "drafter.method", "'medusa'"),
    "dflash of 0.5.7": (replace(EAGLE3, method="dflash"), "drafter.method", "no 'dflash'"),
    "ngram of 0.5.7 on ROCm": (of(NGRAM, **ON_AMD, **TRITON), "drafter.method", "on rocm"),
    "unknown version": (of(EAGLE3, version="0.5.10"), "engine.version", "not known"),
    "unknown family": (of(BASELINE, family="cpu"), "engine.version", "on cpu is not known"),
    "no drafter": (replace(EAGLE3, has_drafter_model=False), "drafter.model", "name it"),
    "a drafter too many": (
        replace(MTP, has_drafter_model=True),
        "drafter.model",
        "leave it out",
    ),
    "a chain of other length": (
        replace(EAGLE3, drafter_args={"draft_tokens": 5}),
        "drafter.args.draft_tokens",
        "a chain",
    ),
    "a tree that is too small": (
        replace(EAGLE3, drafter_args={"top_k": 2, "draft_tokens": 2}),
        "drafter.args.draft_tokens",
        "3 to 10",
    ),
    "a tree that is too big": (
        replace(EAGLE3, drafter_args={"top_k": 2, "draft_tokens": 11}),
        "drafter.args.draft_tokens",
        "3 to 10",
    ),
    "a tree where none is verified": (
        of(TREE, **ON_AMD),
        "drafter.method",
        "a tree wrongly, or not at all, with the attention backend aiter",
    ),
    "ngrams with a chain's mask": (
        of(NGRAM, args={"attention-backend": "fa3"}),
        "drafter.method",
        "attention backend fa3",
    ),
    "ngram longer than its store": (
        replace(NGRAM, draft_length=18),
        "drafter.draft_length",
        "17 at most",
    ),
    "sizes of ngrams of 0.5.23": (
        replace(of(NGRAM, version="0.5.23"), drafter_args={"ngram_min": 3}),
        "drafter.args.ngram_min",
        "leave it out",
    ),
    "ngram bigger than its store": (
        replace(NGRAM, drafter_args={"ngram_min": 18}),
        "drafter.args.ngram_min",
        "18 to 18",
    ),
    "shortest above longest": (
        replace(NGRAM, drafter_args={"ngram_min": 4, "ngram_max": 3}),
        "drafter.args.ngram_max",
        "4 to 3",
    ),
    "idle devices": (
        of(EAGLE3, parallel={"tensor": 4}),
        "engine.parallel.tensor",
        "leaves some idle",
    ),
    "experts that don't divide": (
        of(EAGLE3, parallel={"expert": 3}),
        "engine.parallel.expert",
        "does not divide 8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_do_is_refused_with_its_place(name: str) -> None:
    request, place, said = REFUSED[name]
    with pytest.raises(Dishonoured, match=said) as refused:
        engine("sglang").launch(request)
    assert ".".join(refused.value.place) == place


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
def test_drafter_is_not_quantized_because_the_model_is_but_the_models_own_layers_are(
    version: str,
) -> None:
    asked = of(EAGLE3, version=version, quantization="fp8")
    args = engine("sglang").launch(asked).args
    assert args[args.index("--speculative-draft-model-quantization") + 1] == "unquant"
    own = of(MTP, version=version, quantization="fp8")
    assert "--speculative-draft-model-quantization" not in engine("sglang").launch(own).args
    for request in (asked, own):
        assert engine("sglang").proof(request, status(info(request)), (snapshot(9),), "") == ()


def test_a_chain_may_be_verified_on_any_backend() -> None:
    found = status(info(EAGLE3, prefill_attention_backend="trtllm_mha"))
    assert engine("sglang").proof(EAGLE3, found, (snapshot(9),), "") == ()


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("context_length", 9, "from the rest of the spec"),
        ("max-running-requests", 9, "from the rest of the spec"),
        ("context", 9, "from the rest of the spec"),
        ("tp", 2, "from the rest of the spec"),
        ("tensor_parallel_size", 2, "engine.parallel.tensor"),
        ("dp_size", 2, "copies"),
        ("dp", 2, "copies"),
        ("dtype", "half", "engine.dtype"),
        ("quantization", "fp8", "engine.quantization"),
        ("speculative_num_steps", 5, "under drafter"),
        ("speculative-accept-threshold-acc", 0.5, "under drafter"),
        ("speculative_draft_model_quantization", "fp8", "the same for all"),
        ("prefill_attention_backend", "trtllm_mha", "drafts are verified on it, too"),
        ("decode-attention-backend", "fa3", "drafts are verified on it, too"),
        ("stream_output", True, "loses token ids"),
        ("config", "a.yaml", "names a file"),
        ("preferred_sampling_params", {}, "under workload"),
        ("disable_cuda_graph", False, "left out"),
        ("disable_cuda_graph", None, "left out"),
        ("bogus_flag", 1, "SGLang 0.5.7 has no --bogus-flag: the nearest that it has is --"),
        ("kv_cache_type", "fp8", "the nearest that it has is --kv-cache-dtype"),
        ("load_format", "dummy", "weights would be random"),
        ("json_model_override_args", {"num_hidden_layers": 2}, "another model"),
        ("json-model-override-args", '{"num_experts_per_tok": 1}', "another model"),
        ("json_model_override_args", '{"num_hidden\\u005flayers": 1}', "another model"),
        ("json_model_override_args", "num_hidden_layers=1", "is no JSON"),
        ("attention_backend", "banana", "takes one of triton, torch_native, flex_attention"),
        ("attention_backend", True, "takes one of triton"),
        ("mem_fraction_static", "lots", "takes a number"),
        ("kv_cache_dtype", "float99", "takes one of auto, fp8_e5m2"),
        ("enable_torch_compile", 5, "takes no value"),
        ("device", "cpu", r"hardware\.accelerator says it"),
        ("nnodes", 2, "one machine"),
        ("revision", "main", "pinned under model"),
        ("tokenizer_path", "/x", "pinned under model"),
        ("lora_paths", "/x", "does not pin"),
        ("pp_size", 2, "one machine"),
        ("api_key", "secret", "by the client alone"),
        ("enable_mixed_chunk", True, "speculation switches it off"),
        ("disable_overlap_schedule", True, "from the rest of the spec"),
        ("chunked_prefill_size", -1, "no whole number from 1 up"),
    ],
)
def test_an_argument_that_collides_is_refused(argument: str, value: Any, said: str) -> None:
    with pytest.raises(Dishonoured, match=said) as refused:
        engine("sglang").launch(of(BASELINE, args={argument: value}))
    assert refused.value.place == ("engine", "args", argument)


@pytest.mark.parametrize("name", GOLDEN)
def test_baseline_has_the_scheduler_and_the_sizes_of_its_speculation(name: str) -> None:
    request, _ = GOLDEN[name]
    baseline = replace(
        request, method="none", draft_length=0, drafter_args={}, has_drafter_model=False
    )
    of_method = ("--speculative", "--context-length", "{drafter}")
    lines = [engine("sglang").launch(one).args for one in (request, baseline)]
    flags = [{word for word in line if word.startswith("--")} for line in lines]
    assert {flag for flag in flags[0] - flags[1] if not flag.startswith(of_method)} == set()
    if request.version == "0.5.7":
        assert "--disable-overlap-schedule" in flags[1]


def test_the_newer_version_goes_without_overlap_where_a_spec_says_so_in_both_jobs() -> None:
    for request in (NEWEST, of(BASELINE, version="0.5.23")):
        asked = of(request, args={"disable_overlap_schedule": True})
        assert "--disable-overlap-schedule" in engine("sglang").launch(asked).args
    with pytest.raises(Dishonoured, match="write true, or leave it out"):
        engine("sglang").launch(of(NEWEST, args={"disable_overlap_schedule": "yes"}))


@pytest.mark.parametrize("version", ["0.5.7", "0.5.23"])
@pytest.mark.parametrize(
    ("key", "value"), [("dtype", "float99"), ("quantization", "banana"), ("quantization", True)]
)
def test_type_or_quantization_that_the_parser_would_refuse_is_refused(
    version: str, key: str, value: Any
) -> None:
    with pytest.raises(Dishonoured, match="takes one of a") as refused:
        engine("sglang").launch(of(BASELINE, version=version, **{key: value}))
    assert refused.value.place == ("engine", key)


def test_switch_that_can_be_off_is_said_so() -> None:
    asked = of(NEWEST, args={"enable_prefix_mm_cache": True, "enable_flexkv": True})
    args = engine("sglang").launch(asked).args
    assert args[-2:] == ("--enable-prefix-mm-cache", "--enable-flexkv")
    known = known_names("sglang-0.5.23")
    name = next(one for one in known if f"--no-{one.removeprefix('--')}" in known)
    key = name.removeprefix("--").replace("-", "_")
    args = engine("sglang").launch(of(NEWEST, args={key: False})).args
    assert args[-1] == f"--no-{name.removeprefix('--')}"


def test_the_same_argument_twice_is_refused() -> None:
    twice = of(BASELINE, args={"kv_cache_dtype": "fp8_e4m3", "kv-cache-dtype": "auto"})
    with pytest.raises(Dishonoured, match="there twice"):
        engine("sglang").launch(twice)


def test_size_of_chunks_collides_with_no_chunks() -> None:
    asked = of(BASELINE, chunked_prefill=False, args={"chunked_prefill_size": 4096})
    with pytest.raises(Dishonoured, match="chunked-prefill-size"):
        engine("sglang").launch(asked)
    args = engine("sglang").launch(of(asked, chunked_prefill=True)).args
    assert args[args.index("--chunked-prefill-size") + 1] == "4096"


@pytest.mark.parametrize(
    ("request_", "is_refused"),
    [
        (of(EAGLE3, **ON_AMD), True),
        (of(MTP, **ON_AMD), True),
        (of(NEWEST, **ON_AMD), True),
        (of(replace(NEWEST, method="draft_model"), **ON_AMD), True),
        (of(replace(TREE, method="eagle"), **ON_AMD, **TRITON), True),
        (of(replace(NEWEST, method="eagle"), **ON_AMD), False),
        (of(MTP, version="0.5.23", **ON_AMD), False),
        (of(BASELINE, **ON_AMD), False),
        (EAGLE3, False),
    ],
)
def test_a_temperature_that_verification_ignores_is_refused(
    request_: LaunchRequest, is_refused: bool
) -> None:
    for temperature in (None, 0.0):
        engine("sglang").launch(replace(request_, temperature=temperature))
    warm = replace(request_, temperature=0.7)
    if not is_refused:
        engine("sglang").launch(warm)
        return
    with pytest.raises(Dishonoured, match=r"on ROCm as if it were 0, whatever is asked: 0\.7"):
        engine("sglang").launch(warm)


def info(request: LaunchRequest, **changes: Any) -> dict[str, Any]:
    """Return `/server_info` of a server that does as asked, as far as the adapter looks."""
    args = engine("sglang").launch(request).args
    flags = {word for word in args if word.startswith("--")}

    def told(flag: str) -> Any:
        if flag not in flags:
            return None
        value = args[args.index(flag) + 1]
        if flag in RULES.split():
            return float(value)
        return int(value) if value.lstrip("-").isdigit() else value

    def quantization_of_the_drafter() -> Any:
        """SGLang's own rule: what is asked for the model, where nothing else is said."""
        said = told("--speculative-draft-model-quantization") or told("--quantization")
        return None if said == "unquant" else said

    alias = {"NEXTN": "EAGLE"}
    algorithm = told("--speculative-algorithm")
    keys = (
        "context-length", "max-running-requests", "random-seed", "stream-interval", "tp-size",
        "ep-size", "attention-backend", "chunked-prefill-size", "dtype", "quantization",
        "speculative-num-steps", "speculative-eagle-topk", "speculative-num-draft-tokens",
        "speculative-ngram-min-bfs-breadth", "speculative-ngram-max-bfs-breadth",
        "speculative-ngram-min-match-window-size", "speculative-ngram-max-match-window-size",
        "speculative-ngram-branch-length", "speculative-ngram-max-trie-depth",
        "speculative-accept-threshold-single", "speculative-accept-threshold-acc",
    )  # fmt: skip
    at_once = {
        "0.5.7": "pp_max_micro_batch_size",
        "0.5.23": "effective_max_running_requests_per_dp",
    }[request.version]
    return {
        "model_path": "/model",
        "speculative_draft_model_path": "/drafter" if request.has_drafter_model else None,
        "speculative_algorithm": alias.get(algorithm, algorithm),
        "disable_radix_cache": "--disable-radix-cache" in flags,
        "disable_overlap_schedule": "--disable-overlap-schedule" in flags,
        **{key.replace("-", "_"): told(f"--{key}") for key in keys},
        "speculative_draft_model_quantization": quantization_of_the_drafter(),
        "version": request.version,
        "internal_states": [{at_once: request.max_sequences}],
        **changes,
    }


def status(said: dict[str, Any] | None) -> JobStatus:
    found = {} if said is None else {"server_info": said}
    return JobStatus(outcome="done", reason="", phases=(), engine=found)


def snapshot(drafts: int | None) -> Snapshot:
    return Snapshot(
        phase="c4", moment="after", time_ns=1, settled=True, drafts=drafts, draft_tokens=None,
        accepted_tokens=None, accepted_per_position=None, output_tokens=99, prompt_tokens=9,
        cached_tokens=None,
    )  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_an_engine_that_did_as_asked_is_proven(name: str) -> None:
    request, _ = GOLDEN[name]
    counted = () if request.method == "none" else (snapshot(9),)
    assert engine("sglang").proof(request, status(info(request)), counted, "") == ()


@pytest.mark.parametrize(
    ("request_", "changes", "said"),
    [
        (EAGLE3, {"speculative_algorithm": None}, "speculative_algorithm is None"),
        (BASELINE, {"speculative_algorithm": "EAGLE"}, "speculative_algorithm is 'EAGLE'"),
        (EAGLE3, {"speculative_num_steps": 5}, "speculative_num_steps is 5, asked for 3"),
        (EAGLE3, {"speculative_eagle_topk": 4}, "speculative_eagle_topk is 4, asked for 1"),
        (TREE, {"speculative_num_draft_tokens": 8}, "speculative_num_draft_tokens is 8"),
        (EAGLE3, {"speculative_draft_model_path": "/model"}, "without the drafter's files"),
        (MTP, {"speculative_draft_model_path": "/other"}, "other files than the model's"),
        (EAGLE3, {"max_running_requests": 48}, "max_running_requests is 48, asked for 32"),
        (EAGLE3, {"context_length": 4096}, "context_length is 4096, asked for 4108"),
        (EAGLE3, {"disable_radix_cache": False}, "disable_radix_cache is False"),
        (EAGLE3, {"attention_backend": "fa3"}, "attention_backend is 'fa3'"),
        (EAGLE3, {"chunked_prefill_size": 16384}, "chunked_prefill_size is 16384"),
        (EAGLE3, {"tp_size": 4}, "tp_size is 4"),
        (EAGLE3, {"disable_overlap_schedule": False}, "disable_overlap_schedule is False"),
        (BASELINE, {"disable_overlap_schedule": False}, "disable_overlap_schedule is False"),
        (NEWEST, {"disable_overlap_schedule": True}, "disable_overlap_schedule is True"),
        (
            EAGLE3,
            {"speculative_accept_threshold_single": 0.3},
            "speculative_accept_threshold_single is 0.3, asked for 1.0",
        ),
        (EAGLE3, {"speculative_accept_threshold_acc": 0.9}, "threshold_acc is 0.9"),
        (
            EAGLE3,
            {"internal_states": [{"pp_max_micro_batch_size": 20}]},
            "20 requests can run at once, asked for 32",
        ),
        (
            of(EAGLE3, quantization="fp8"),
            {"speculative_draft_model_quantization": "fp8"},
            "speculative_draft_model_quantization is 'fp8', asked for None",
        ),
        (
            of(MTP, quantization="fp8"),
            {"speculative_draft_model_quantization": None},
            "speculative_draft_model_quantization is None, asked for 'fp8'",
        ),
        (NGRAM, {"prefill_attention_backend": "trtllm_mha"}, "drafts are verified wrongly"),
        (TREE, {"decode_attention_backend": "trtllm_mha"}, "drafts are verified wrongly"),
        (EAGLE3, {"internal_states": []}, "how many requests can run"),
        (EAGLE3, {"internal_states": [{}]}, "None requests can run"),
    ],
)
def test_an_engine_that_did_something_else_is_found_out(
    request_: LaunchRequest, changes: dict[str, Any], said: str
) -> None:
    found = info(request_, **changes)
    against = engine("sglang").proof(request_, status(found), (), "")
    assert any(said in one for one in against), against


def test_a_setting_that_is_not_told_is_not_proven() -> None:
    found = info(EAGLE3)
    del found["context_length"]
    (against,) = engine("sglang").proof(EAGLE3, status(found), (), "")
    assert against == "it does not say its context_length, asked for 4108"


def test_an_engine_that_says_nothing_is_not_proven() -> None:
    assert engine("sglang").proof(EAGLE3, status(None), (), "") == (
        "it did not say how it is set up",
    )


def test_a_baseline_that_drafted_is_found_out() -> None:
    request = of(BASELINE, version="0.5.23")
    found = status(info(request))
    assert engine("sglang").proof(request, found, (snapshot(None), snapshot(0)), "") == ()
    (against,) = engine("sglang").proof(request, found, (snapshot(7),), "")
    assert "it drafted 7 times" in against


@pytest.mark.parametrize(
    ("said", "method"),
    [
        ({"speculative_algorithm": None}, "none"),
        (info(replace(EAGLE3, method="eagle")), "eagle"),
        (info(EAGLE3), "eagle3"),
        (info(MTP), "mtp"),
        # DeepSeek: filled in by SGLang itself.
        (info(MTP, speculative_draft_model_path="/model"), "mtp"),
        (info(replace(EAGLE3, method="draft_model")), "draft_model"),
        (info(NGRAM), "ngram"),
        (info(replace(NEWEST, method="dflash")), "dflash"),
        ({"speculative_algorithm": "UNO"}, "uno"),
        ({"version": "0.5.7"}, None),
    ],
)
def test_it_says_which_method_is_on(said: dict[str, Any], method: str | None) -> None:
    assert engine("sglang").method_found({"server_info": said}, "") == method


def test_it_says_its_version() -> None:
    assert engine("sglang").version_found({"server_info": info(EAGLE3)}, "") == "0.5.7"
    assert engine("sglang").version_found({}, "") is None


@pytest.mark.parametrize(
    ("said", "length"),
    [
        ({"speculative_algorithm": None, "speculative_num_steps": 3}, None),
        ({"speculative_algorithm": "EAGLE3", "speculative_num_steps": 3}, 3),
        ({"speculative_algorithm": "NGRAM", "speculative_num_draft_tokens": 4}, 3),
        ({"speculative_algorithm": "DFLASH"}, None),
        ({"speculative_algorithm": "EAGLE"}, None),
        ({}, None),
    ],
)
def test_it_says_which_draft_length_it_is_set_to(said: dict[str, Any], length: int | None) -> None:
    request = next(iter(GOLDEN.values()))[0]
    found = engine("sglang").draft_length_found(request, {"server_info": said}, ())
    assert found == length
