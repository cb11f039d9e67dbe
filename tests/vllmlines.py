"""vLLM's launch lines written out in full, by row of the table: family, version, method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specseal.engines import LaunchRequest

NEW, PAPER = "0.32.0", "0.13.0"
WITH_DRAFTER = ("draft_model", "eagle", "eagle3", "medusa", "dflash")


def asked(method: str, family: str, version: str, **engine: Any) -> LaunchRequest:
    """Return a request for drafts of 3 tokens, 4 sequences and 2,048 tokens of context."""
    section = {
        "name": "vllm",
        "version": version,
        "family": family,
        "context_length": 2048,
        "prefix_cache": False,
        # Official images lack what it needs.
        **({"image": {"repository": "registry.test/vllm"}} if method == "suffix" else {}),
        **engine,
    }
    return LaunchRequest(
        method=method,
        draft_length=0 if method == "none" else 3,
        drafter_args={},
        has_drafter_model=method in WITH_DRAFTER,
        max_sequences=4,
        engine=section,
    )


COMMON = (
    "--model {model} --served-model-name model --host 127.0.0.1 --port {port} "
    "--max-model-len 2048 --max-num-seqs 4 --dtype auto --seed 0 --tensor-parallel-size 1 "
    "--no-enable-prefix-caching --enable-chunked-prefill --generation-config vllm "
    "--stream-interval 1 --no-async-scheduling --enable-prompt-tokens-details "
    "--disable-uvicorn-access-log"
)
SIZES = {
    "cpu": " --max-num-batched-tokens 2048 --enforce-eager",
    "cuda": " --max-num-batched-tokens 8192 --gpu-memory-utilization 0.9",
    "rocm": " --max-num-batched-tokens 8192 --gpu-memory-utilization 0.9",
}
LOSSLESS = '"draft_sample_method":"greedy","enable_adaptive_verification":false,'
STANDARD = ',"rejection_sample_method":"standard"'
"""What 0.32.0 is told of acceptance; 0.13.0 has none of it."""
SPECULATION = {
    "none": "",
    "ngram": '{"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":5,'
    '"prompt_lookup_min":5}',
    "suffix": '{"method":"suffix","num_speculative_tokens":3,'
    '"suffix_decoding_max_cached_requests":0,"suffix_decoding_max_spec_factor":1,'
    '"suffix_decoding_max_tree_depth":24,"suffix_decoding_min_token_prob":0.1}',
    "draft_model": '{"method":"draft_model","model":"{drafter}","num_speculative_tokens":3}',
    "eagle": '{"method":"eagle","model":"{drafter}","num_speculative_tokens":3}',
    "eagle3": '{"method":"eagle3","model":"{drafter}","num_speculative_tokens":3}',
    "medusa": '{"method":"medusa","model":"{drafter}","num_speculative_tokens":3}',
    "mtp": '{"method":"mtp","num_speculative_tokens":3}',
    "dflash": '{"method":"dflash","model":"{drafter}","num_speculative_tokens":3}',
}
ON_CPU = ("none", "ngram", "draft_model")
OF_PAPER = ("none", "ngram", "suffix", "eagle", "eagle3", "medusa", "mtp")
OLDER_RUNNER = ("suffix", "medusa")

Row = tuple[str, str, str]


def _line(row: Row) -> str:
    family, version, method = row
    line = COMMON + SIZES[family]
    if method == "none":
        return line
    if version == PAPER:
        return f"{line} --speculative-config {SPECULATION[method]}"
    return (
        f"{line} --speculative-config {lossless(SPECULATION[method])} "
        "--per-request-spec-decode-metrics summary"
    )


def lossless(speculation: str) -> str:
    """Return a --speculative-config with what it says of acceptance, keys in order."""
    before, sign, after = speculation.removesuffix("}").partition(',"suffix_decoding')
    return "{" + LOSSLESS + before.removeprefix("{") + STANDARD + sign + after + "}"


def _request(row: Row) -> LaunchRequest:
    family, version, method = row
    request = asked(method, family, version)
    if version == NEW and method in OLDER_RUNNER:
        request = replace(request, engine={**request.engine, "args": {"model_runner": "v1"}})
    return request


ROWS: tuple[Row, ...] = (
    *(("cpu", NEW, method) for method in ON_CPU),
    *(("cuda", NEW, method) for method in SPECULATION),
    *(("cuda", PAPER, method) for method in OF_PAPER),
    *(("rocm", NEW, method) for method in SPECULATION),
)
GOLDEN = {row: (_request(row), _line(row)) for row in ROWS}

ALL_ASKED = (
    replace(
        asked(
            "eagle3",
            "cuda",
            NEW,
            parallel={"tensor": 4, "data": 2, "expert": 8},
            dtype="bfloat16",
            quantization="fp8",
            prefix_cache=True,
            chunked_prefill=False,
            args={
                "async_scheduling": True,
                "kv_cache_dtype": "fp8",
                "enforce_eager": True,
                "enable-flashinfer-autotune": False,
                "gpu_memory_utilization": 0.85,
                "compilation_config": {"mode": 3},
            },
        ),
        devices=8,
    ),
    "--model {model} --served-model-name model --host 127.0.0.1 --port {port} "
    "--max-model-len 2048 --max-num-seqs 4 --dtype bfloat16 --quantization fp8 --seed 0 "
    "--tensor-parallel-size 4 --data-parallel-size 2 --enable-expert-parallel "
    "--enable-prefix-caching --no-enable-chunked-prefill --generation-config vllm "
    "--stream-interval 1 --async-scheduling --enable-prompt-tokens-details "
    "--disable-uvicorn-access-log --max-num-batched-tokens 8192 --gpu-memory-utilization 0.85 "
    '--speculative-config {"draft_sample_method":"greedy","enable_adaptive_verification":false,'
    '"method":"eagle3","model":"{drafter}","num_speculative_tokens":3,'
    '"rejection_sample_method":"standard"} --per-request-spec-decode-metrics summary '
    "--kv-cache-dtype fp8 --enforce-eager --no-enable-flashinfer-autotune "
    '--compilation-config {"mode":3}',
)
"""All that a spec may ask of the engine, and its line."""
