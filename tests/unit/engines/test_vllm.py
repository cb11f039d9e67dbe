"""The vLLM adapter: golden launch lines, what it refuses, and what counts as proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from specseal.engines import CAPABILITIES, LaunchRequest, engine
from specseal.engines.known_names import known_names
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot
from vllmlines import ALL_ASKED, GOLDEN, NEW, PAPER, Row, asked

NGRAM = asked("ngram", "cpu", NEW)
BASELINE = asked("none", "cpu", NEW)
EAGLE3 = asked("eagle3", "cuda", NEW)


def line(request: LaunchRequest) -> str:
    return " ".join(engine("vllm").launch(request).args)


@pytest.mark.parametrize("row", GOLDEN, ids="-".join)
def test_launch_line_is_the_golden_one(row: Row) -> None:
    request, golden = GOLDEN[row]
    assert line(request) == golden


def test_every_row_of_the_table_has_a_golden_line() -> None:
    rows = {
        (row.family, version, row.method)
        for row in engine("vllm").capabilities()
        for version in row.versions
    }
    assert rows == GOLDEN.keys()


@pytest.mark.parametrize(
    ("accelerator", "version", "methods"),
    [
        ("cpu", NEW, {"none", "ngram", "draft_model"}),
        ("cpu", PAPER, set()),
        ("amd/mi300x-192gb", PAPER, set()),
        (
            "nvidia/b200-sxm-180gb",
            PAPER,
            {"none", "ngram", "suffix", "eagle", "eagle3", "medusa", "mtp"},
        ),
    ],
)
def test_methods_are_those_that_the_version_has(
    accelerator: str, version: str, methods: set[str]
) -> None:
    assert CAPABILITIES.methods("vllm", accelerator, version) == methods


@pytest.mark.parametrize(
    ("family", "version", "reference"),
    [
        ("cuda", NEW, "docker.io/vllm/vllm-openai:v0.32.0"),
        ("cuda", PAPER, "docker.io/vllm/vllm-openai:v0.13.0"),
        ("rocm", NEW, "docker.io/vllm/vllm-openai-rocm:v0.32.0"),
        ("rocm", PAPER, None),
        ("cpu", NEW, None),
        ("cuda", "0.31.0", None),
    ],
)
def test_official_image(family: str, version: str, reference: str | None) -> None:
    assert engine("vllm").official_image(family, version) == reference


def test_all_that_a_spec_may_ask_of_the_engine_is_on_the_line() -> None:
    request, golden = ALL_ASKED
    assert line(request) == golden
    assert engine("vllm").launch(request).shm_bytes == (1 << 30) + 3 * (1 << 29)


def test_all_devices_share_the_layers_where_a_spec_does_not_say() -> None:
    assert "--tensor-parallel-size 8 " in line(replace(EAGLE3, devices=8))


@pytest.mark.parametrize(
    ("sizes", "settings"),
    [
        ({"ngram_min": 2, "ngram_max": 4}, '"prompt_lookup_max":4,"prompt_lookup_min":2'),
        ({"ngram_min": 2}, '"prompt_lookup_max":2,"prompt_lookup_min":2'),
        ({"ngram_max": 4}, '"prompt_lookup_max":4,"prompt_lookup_min":4'),
    ],
)
def test_one_size_of_n_grams_stands_for_both(sizes: dict[str, int], settings: str) -> None:
    assert settings in line(replace(NGRAM, drafter_args=sizes))


def test_multi_token_prediction_takes_a_drafter_of_its_own_where_there_is_one() -> None:
    request = replace(asked("mtp", "cuda", NEW), has_drafter_model=True)
    assert '"method":"mtp","model":"{drafter}","num_speculative_tokens":3' in line(request)


def test_nothing_goes_out_and_the_cpus_are_those_that_the_runtime_chose() -> None:
    launch = engine("vllm").launch(NGRAM)
    assert launch.environment == {
        "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "TRANSFORMERS_OFFLINE": "1",
        "VLLM_SERVER_DEV_MODE": "1", "VLLM_HOST_IP": "127.0.0.1", "VLLM_PLUGINS": "",
        "VLLM_LOGGING_COLOR": "0", "VLLM_ENGINE_READY_TIMEOUT_S": "600", "USER": "specseal",
        "LOGNAME": "specseal", "VLLM_CPU_KVCACHE_SPACE": "4",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "{threads}",
    }  # fmt: skip
    assert (launch.dialect, launch.model, launch.counts["path"]) == (
        "openai-completions", "model", "/metrics",
    )  # fmt: skip
    assert (launch.one_chunk_a_step, launch.cut_at_limit) == (True, True)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (EAGLE3, 3),
        (NGRAM, 0),
        (replace(NGRAM, engine={**NGRAM.engine, "image": {"repository": "vllm/cpu"}}), 3),
    ],
)
def test_images_that_are_not_built_here_are_told_how_to_start(
    request_: LaunchRequest, words: int
) -> None:
    assert len(engine("vllm").launch(request_).entrypoint) == words


def test_both_jobs_run_on_the_model_runner_that_is_asked_for() -> None:
    for method in ("none", "suffix"):
        request = asked(method, "cuda", NEW, args={"model_runner": "v1"})
        assert engine("vllm").launch(request).environment["VLLM_USE_V2_MODEL_RUNNER"] == "0"


def with_args(request: LaunchRequest, **args: Any) -> LaunchRequest:
    return replace(request, engine={**request.engine, "args": args})


def with_parallel(request: LaunchRequest, **parallel: int) -> LaunchRequest:
    return replace(request, engine={**request.engine, "parallel": parallel})


@pytest.mark.parametrize(
    ("request_", "place", "said"),
    [
        (replace(NGRAM, method="medusa2"), "drafter.method", "no launch line"),
        (replace(EAGLE3, has_drafter_model=False), "drafter.method", "needs a drafter"),
        (
            replace(NGRAM, drafter_args={"ngram_min": 4, "ngram_max": 2}),
            "drafter.args.ngram_max",
            "less than ngram_min",
        ),
        (asked("suffix", "cuda", NEW), "drafter.method", "model_runner: v1"),
        (asked("medusa", "rocm", NEW), "drafter.method", "model_runner: v1"),
        (asked("suffix", "cuda", PAPER, image=None), "drafter.method", "as engine.image.ref"),
        (with_args(EAGLE3, model_runner="v3"), "engine.args.model_runner", "none of v1, v2"),
        (with_args(NGRAM, model_runner="v1"), "engine.args.model_runner", "only one"),
        (
            asked("none", "cuda", PAPER, args={"model_runner": "v2"}),
            "engine.args.model_runner",
            "only one",
        ),
        (with_args(NGRAM, async_scheduling=True), "engine.args.async_scheduling", "off on the CPU"),
        (
            asked("ngram", "cuda", NEW, args={"async_scheduling": True}),
            "engine.args.async_scheduling",
            "can't with ngram",
        ),
        (with_args(EAGLE3, async_scheduling="yes"), "engine.args.async_scheduling", "true or"),
        (with_args(EAGLE3, max_num_seqs=8), "engine.args.max_num_seqs", "is set by specseal"),
        (with_args(EAGLE3, max_num_s=8), "engine.args.max_num_s", "is set by specseal"),
        (with_args(EAGLE3, **{"no-enable-prefix-caching": True}), "", "is set by specseal"),
        (with_args(EAGLE3, quantization="fp8"), "engine.args.quantization", "is set by specseal"),
        (with_args(EAGLE3, spec_tokens=3), "engine.args.spec_tokens", "is set by specseal"),
        (with_args(EAGLE3, disable_log_stats=True), "", "breaks what it measures"),
        (with_args(EAGLE3, **{"--seed": 1}), "engine.args.--seed", "is no flag"),
        (with_args(EAGLE3, **{"speculative_config.method": "ngram"}), "", "is no flag"),
        (with_args(EAGLE3, middleware=["a"]), "engine.args.middleware", "no text, number"),
        (
            with_args(EAGLE3, bogus_flag=1),
            "engine.args.bogus_flag",
            "vLLM 0.32.0 has no --bogus-flag: the nearest that it has is --",
        ),
        (
            with_args(EAGLE3, kv_cache_type="fp8"),
            "engine.args.kv_cache_type",
            "nearest that it has is --kv-cache-dtype$",
        ),
        (with_args(EAGLE3, kv_cache_dtype=False), "engine.args.kv_cache_dtype", "takes one of"),
        (with_args(EAGLE3, kv_cache_dtype="banana"), "engine.args.kv_cache_dtype", "takes one of"),
        (with_args(EAGLE3, load_format=True), "engine.args.load_format", "takes a text"),
        (
            with_args(EAGLE3, disable_cascade_attn="yes"),
            "engine.args.disable_cascade_attn",
            "takes no value: write true or false",
        ),
        (
            with_args(EAGLE3, no_disable_cascade_attn=True),
            "engine.args.no_disable_cascade_attn",
            "write disable_cascade_attn: false",
        ),
        (
            with_args(EAGLE3, max_num_batched_tokens="16k"),
            "engine.args.max_num_batched_tokens",
            "no whole number",
        ),
        (
            with_args(EAGLE3, hf_overrides='{"num_hidden\\u005flayers": 1}'),
            "engine.args.hf_overrides",
            "num_hidden_layers would make it another model",
        ),
        (with_args(EAGLE3, hf_config_path="/x"), "engine.args.hf_config_path", "does not pin"),
        (with_args(EAGLE3, nnodes=2), "engine.args.nnodes", "one machine"),
        (
            with_args(EAGLE3, pipeline_parallel_size=2),
            "engine.args.pipeline_parallel_size",
            "one machine",
        ),
        (with_args(EAGLE3, hf_token="secret"), "engine.args.hf_token", "holds no secrets"),
        (with_args(EAGLE3, scheduler_cls="a.B"), "engine.args.scheduler_cls", "other code"),
        (
            replace(EAGLE3, engine={**EAGLE3.engine, "dtype": "float99"}),
            "engine.dtype",
            "takes one of auto, bfloat16",
        ),
        (
            asked("eagle3", "cuda", PAPER, args={"max-num-active-seqs": 3}),
            "engine.args.max-num-active-seqs",
            "vLLM 0.13.0 has no --max-num-active-seqs",
        ),
        (with_args(EAGLE3, load_format="dummy"), "engine.args.load_format", "weights would be"),
        (with_args(EAGLE3, **{"load-format": "Dummy"}), "engine.args.load-format", "leave it out"),
        (
            with_args(EAGLE3, hf_overrides={"text_config": {"num_hidden_layers": 2}}),
            "engine.args.hf_overrides",
            "num_hidden_layers would make it another model",
        ),
        (
            with_args(EAGLE3, hf_overrides='{"num_hidden_layers": 2}'),
            "engine.args.hf_overrides",
            "another model",
        ),
        (with_args(EAGLE3, override_generation_config={"top_k": 1}), "", "breaks what"),
        (
            with_args(EAGLE3, enforce_eager=True, **{"enforce-eager": True}),
            "engine.args.enforce-eager",
            "there twice",
        ),
        (
            with_args(EAGLE3, max_num_batched_tokens="8k"),
            "engine.args.max_num_batched_tokens",
            "no whole number",
        ),
        (
            with_args(EAGLE3, gpu_memory_utilization=90),
            "engine.args.gpu-memory-utilization",
            "90 is no share",
        ),
        (
            asked("eagle3", "cuda", NEW, chunked_prefill=False, args={"max_num_batched_tokens": 9}),
            "engine.args.max_num_batched_tokens",
            "is set by specseal",
        ),
        (
            with_args(EAGLE3, max_num_batched_tokens=15),
            "drafter.draft_length",
            "15 tokens can't hold 4 sequences with drafts of 3: "
            r"write engine.args: {max-num-batched-tokens: 16}, or lower either",
        ),
        (with_parallel(EAGLE3, tensor=2), "engine.parallel.tensor", "needs 2 devices"),
        (with_parallel(EAGLE3, data=2), "engine.parallel.data", "needs 2 devices"),
        (
            replace(with_parallel(EAGLE3, expert=2), devices=8),
            "engine.parallel.expert",
            "all devices or none: write 8",
        ),
    ],
)
def test_what_it_would_not_honour_is_refused(
    request_: LaunchRequest, place: str, said: str
) -> None:
    with pytest.raises(Dishonoured, match=said) as refused:
        engine("vllm").launch(request_)
    assert place in (".".join(refused.value.place), "")


def test_a_spec_may_say_another_size_of_chunks_for_both_jobs() -> None:
    for method in ("none", "eagle3"):
        request = asked(method, "cuda", NEW, args={"max_num_batched_tokens": 4096})
        assert " --max-num-batched-tokens 4096 " in line(request)


@pytest.mark.parametrize("row", GOLDEN, ids="-".join)
def test_each_flag_is_one_that_the_versions_parser_knows(row: Row) -> None:
    known = known_names(f"vllm-{row[1]}")
    assert {word for word in GOLDEN[row][1].split() if word.startswith("--")} <= known.keys()
    assert {"--max-num-seqs", "--no-async-scheduling"} <= known.keys()
    assert "--bogus-flag" not in known


def config(**speculation: Any) -> dict[str, Any]:
    """Return what `/server_info?config_format=json` has, of what is looked at."""
    return {
        "model_config": {"max_model_len": 2048, "quantization": None},
        "scheduler_config": {
            "max_num_seqs": 4,
            "max_num_batched_tokens": 2048,
            "async_scheduling": False,
            "enable_chunked_prefill": True,
        },
        "cache_config": {"enable_prefix_caching": False},
        "parallel_config": {"tensor_parallel_size": 1, "data_parallel_size": 1},
        "speculative_config": speculation or None,
    }


def ngram(**changes: Any) -> dict[str, Any]:
    sizes = {"prompt_lookup_min": 5, "prompt_lookup_max": 5}
    rules = {
        "draft_sample_method": "greedy",
        "enable_adaptive_verification": False,
        "rejection_sample_method": "standard",
    }
    asked = {"method": "ngram", "num_speculative_tokens": 3, **sizes, **rules}
    return config(**{**asked, **changes})


def status(found: dict[str, Any] | None, version: str = NEW) -> JobStatus:
    said = {"version": {"version": version}, "server": {"vllm_config": found}}
    return JobStatus(outcome="done", reason="", phases=(), engine=said)


def changed(section: str, **values: Any) -> dict[str, Any]:
    found = ngram()
    return {**found, section: {**found[section], **values}}


def snapshot(*positions: int, drafts: int | None = 9) -> Snapshot:
    return Snapshot(
        phase="c4", moment="after", time_ns=1, settled=True, drafts=drafts, draft_tokens=27,
        accepted_tokens=sum(positions), accepted_per_position=positions, output_tokens=99,
        prompt_tokens=9, cached_tokens=None,
    )  # fmt: skip


def test_an_engine_that_did_as_asked_is_proven() -> None:
    assert engine("vllm").proof(NGRAM, status(ngram()), (snapshot(5, 4, 0),), "") == ()


def test_a_faster_kernel_for_the_same_quantized_weights_is_proven() -> None:
    request = replace(NGRAM, engine={**NGRAM.engine, "quantization": "awq"})
    found = status(changed("model_config", quantization="awq_marlin"))
    assert engine("vllm").proof(request, found, (), "") == ()


def test_layers_of_the_model_that_draft_are_quantized_as_it_is_and_other_drafters_are_not() -> None:
    engine_ = {**NGRAM.engine, "family": "cuda", "quantization": "fp8"}
    own = replace(NGRAM, method="mtp", engine=engine_)
    for request, files in ((own, False), (replace(own, has_drafter_model=True), True)):
        (said,) = [
            one.startswith("speculative_config.quantization is 'fp8'")
            for one in engine("vllm").proof(request, status(_quantized()), (), "")
            if "speculative_config.quantization" in one
        ] or [False]
        assert said is files


def _quantized() -> dict[str, Any]:
    found = ngram(method="mtp", quantization="fp8")
    return {**found, "model_config": {"max_model_len": 2048, "quantization": "fp8"}}


def test_a_baseline_that_did_not_speculate_is_proven() -> None:
    counted = (snapshot(drafts=None),)
    assert engine("vllm").proof(BASELINE, status(config()), counted, "") == ()


@pytest.mark.parametrize(
    ("request_", "found", "snapshots", "said"),
    [
        (NGRAM, status(config()), (), "its method is none, asked for ngram"),
        (BASELINE, status(ngram()), (), "its method is ngram, asked for none"),
        (NGRAM, status(ngram(method="eagle3")), (), "its method is eagle3"),
        (NGRAM, status(ngram(num_speculative_tokens=2)), (), "num_speculative_tokens is 2"),
        (NGRAM, status(ngram(prompt_lookup_min=1)), (), "prompt_lookup_min is 1"),
        (
            NGRAM,
            status(ngram(rejection_sample_method="synthetic")),
            (),
            "rejection_sample_method is 'synthetic', asked for 'standard'",
        ),
        (
            NGRAM,
            status(changed("scheduler_config", max_num_batched_tokens=8192)),
            (),
            "max_num_batched_tokens is 8192, asked for 2048",
        ),
        (NGRAM, status(changed("model_config", max_model_len=99)), (), "max_model_len is 99"),
        (NGRAM, status(changed("scheduler_config", max_num_seqs=2)), (), "max_num_seqs is 2"),
        (
            NGRAM,
            status(changed("scheduler_config", async_scheduling=True)),
            (),
            "async_scheduling is True",
        ),
        (
            NGRAM,
            status(changed("scheduler_config", enable_chunked_prefill=False)),
            (),
            "enable_chunked_prefill is False",
        ),
        (
            NGRAM,
            status(changed("cache_config", enable_prefix_caching=True)),
            (),
            "enable_prefix_caching is True",
        ),
        (
            NGRAM,
            status(changed("parallel_config", tensor_parallel_size=2)),
            (),
            "tensor_parallel_size is 2",
        ),
        (
            replace(NGRAM, engine={**NGRAM.engine, "quantization": "fp8"}),
            status(ngram()),
            (),
            "quantization is None, asked for 'fp8'",
        ),
        (NGRAM, status(ngram(), "0.31.0"), (), "it is vLLM 0.31.0, not 0.32.0"),
        (NGRAM, status(None), (), "does not tell its configuration"),
        (NGRAM, status(ngram()), (snapshot(5, 4),), "a draft has 2 tokens, asked for 3"),
        (BASELINE, status(config()), (snapshot(1),), "it drafted 9 times"),
    ],
)
def test_an_engine_that_did_something_else_is_found_out(
    request_: LaunchRequest, found: JobStatus, snapshots: tuple[Snapshot, ...], said: str
) -> None:
    against = engine("vllm").proof(request_, found, snapshots, "")
    assert any(said in line for line in against), against


@pytest.mark.parametrize(
    ("said", "method"),
    [(config(), "none"), (ngram(), "ngram"), (config(method="deepseek_mtp"), "mtp"), (None, None)],
)
def test_the_method_is_the_one_that_the_server_names(
    said: dict[str, Any] | None, method: str | None
) -> None:
    found: Any = engine("vllm")
    assert found.method_found({"server": {"vllm_config": said}}, "") == method


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ({"version": {"version": "0.32.0"}}, "0.32.0"),
        ({"version": {"version": "0.32.0+cpu"}}, "0.32.0"),
        ({}, None),
    ],
)
def test_the_version_is_the_one_that_the_server_says(
    said: dict[str, Any], version: str | None
) -> None:
    assert engine("vllm").version_found(said, "") == version
