"""What a running vLLM says of its configuration, held against what was asked of it.

`/server_info?config_format=json` has the whole configuration after vLLM has settled it.

Source: vLLM 0.13.0 and 0.32.0, entrypoints/serve/dev/server_info/api_router.py of the latter,
config/{vllm,scheduler,cache,speculative}.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.records import Snapshot


def configuration(engine: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the server's configuration, or None where it does not tell it."""
    config = (engine.get("server") or {}).get("vllm_config")
    return config if isinstance(config, dict) else None


def method(config: Mapping[str, Any]) -> str:
    """Return the method that a configuration names."""
    named = (config.get("speculative_config") or {}).get("method") or "none"
    return "mtp" if named.endswith("_mtp") else str(named)


def configuration_against(
    request: LaunchRequest, flags: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[str]:
    """Yield in what a configuration is another than the launch line's.

    Args:
        request: what was asked.
        flags: of the launch line, by name.
        config: what the server is set to.
    """
    if (found := method(config)) != request.method:
        yield f"its method is {found}, asked for {request.method}"
    for path, wanted in _expected(flags).items():
        value = _at(config, path)
        if value != wanted:
            yield f"{path} is {value!r}, asked for {wanted!r}"
    scheme, wanted = _at(config, "model_config.quantization"), request.asked("quantization")
    # vLLM may take a faster kernel for the same weights: awq is then awq_marlin.
    if wanted is not None and not str(scheme).startswith(wanted):
        yield f"model_config.quantization is {scheme!r}, asked for {wanted!r}"
    # A drafter's files say how they are quantized; only layers of the model's own are as it is.
    drafter = _at(config, "speculative_config.quantization")
    if drafter is not None and (request.method != "mtp" or request.has_drafter_model):
        yield f"speculative_config.quantization is {drafter!r}, asked for as its files are"


def counted_against(request: LaunchRequest, snapshots: tuple[Snapshot, ...]) -> tuple[str, ...]:
    """Return in what the counters differ from what was asked.

    There is a counter for each position of a draft from the start, and none of a draft where it
    does not speculate.
    """
    against = []
    for one in snapshots:
        if request.method == "none":
            if one.drafts:
                against.append(f"it drafted {one.drafts} times, asked for no speculation")
            continue
        positions = len(one.accepted_per_position or ())
        if positions != request.draft_length:
            against.append(f"a draft has {positions} tokens, asked for {request.draft_length}")
    return tuple(dict.fromkeys(against))


def _at(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


_FLAG_OF = {
    "model_config.max_model_len": "max-model-len",
    "scheduler_config.max_num_seqs": "max-num-seqs",
    "scheduler_config.max_num_batched_tokens": "max-num-batched-tokens",
    "scheduler_config.async_scheduling": "async-scheduling",
    "scheduler_config.enable_chunked_prefill": "enable-chunked-prefill",
    "cache_config.enable_prefix_caching": "enable-prefix-caching",
    "cache_config.gpu_memory_utilization": "gpu-memory-utilization",
    "parallel_config.tensor_parallel_size": "tensor-parallel-size",
    "parallel_config.data_parallel_size": "data-parallel-size",
}
"""Path in the configuration → the flag that sets it."""


def _expected(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server's configuration must say, by path."""
    asked = {path: flags[flag] for path, flag in _FLAG_OF.items() if flags.get(flag) is not None}
    return (
        {"parallel_config.data_parallel_size": 1}
        | asked
        | {
            f"speculative_config.{key}": value
            for key, value in flags.get("speculative-config", {}).items()
            if key not in ("method", "model")
        }
    )
