"""TensorRT-LLM's file of options: what a spec asks for, in the names of its `llm_args`.

What is said outright, because silence would mean something else:

- Speculation is one type by one name. `AUTO` picks n-grams by batch size, Medusa and Lookahead are
  not of the PyTorch backend: there is no way to ask for them here. The gates that switch
  speculation off while it runs (`max_concurrency`, `acceptance_window`, `draft_len_schedule`) are
  never set.
- n-grams: a longest match of 0 is the default in 1.2. The pool of n-grams is each request's own; by
  default all requests share one that is never cleared, so that results hang on their order.
  `kind: public_pool` asks for that, as the SPEED-Bench harness does.
- MTP takes its draft length by a name of its own, 1 where that is left out.
- The overlap scheduler is on, as in the harness. n-grams switch it off, and a job and its baseline
  must be alike in it. So a spec with n-grams says `engine.args: {disable_overlap_scheduler: true}`,
  which holds for both: nothing is switched off unseen, and the others keep what is usual.
- Eagle3 and MTP decode greedily whatever the temperature. 1.2.0 takes `allow_advanced_sampling`
  for that; 1.2.0rc1 has nothing, so a temperature is refused there. A draft model with the overlap
  scheduler is verified greedily likewise: with a temperature, the scheduler must be off.
- MTP's relaxed acceptance for thinking is off: it accepts what the model would not have said.
- Two attention backends switch the prefix cache off by themselves, one of them chunked prefill, and
  all but the usual one the overlap scheduler of a draft model: refused with what they switch off.

Source: NVIDIA/TensorRT-LLM 1.2 (October 2025 to January 2026) tensorrt_llm/llmapi/llm_args.py and
_torch/pyexecutor/py_executor_creator.py, pull request 7651; NVIDIA/Model-Optimizer
examples/specdec_bench for the harness. Read in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.engines.known_names import check_argument, known_names
from specseal.engines.prefill import CHUNK_TOKENS, check_step, chunk_tokens
from specseal.errors import Dishonoured

NEWEST, PAPERS = "1.2.0", "1.2.0rc1"
DEFAULT_NGRAM = 3
POOLS = {"private_pool": False, "public_pool": True}
TOKENS = "max_num_tokens"
"""Of an iteration, prompts' and decoded ones together: how long a chunk may be."""
KV_CACHE_SHARE = 0.75
"""Of the memory that is free once the model is loaded: the harness's value; the default is 0.9."""
NO_OVERLAP = "disable_overlap_scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How one method is asked for."""

    type: str
    """`decoding_type`."""
    log: tuple[str, ...]
    """Classes of its options, as the engine prints them."""
    length: str = "max_draft_len"
    options: Mapping[str, Any] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    has_model: bool = False
    is_greedy: bool = False
    """Whether it decodes greedily whatever the temperature: drafter and model are one engine."""
    without_overlap: str = ""
    """Why the overlap scheduler must be off."""
    samples_without_overlap: bool = False
    """Whether it must be off where there is a temperature: drafter and model are two engines."""


METHODS = {
    "eagle3": Method(
        type="Eagle",
        log=("EagleDecodingConfig", "Eagle3DecodingConfig"),
        options={"eagle3_one_model": True},
        has_model=True,
        is_greedy=True,
    ),
    "mtp": Method(
        type="MTP",
        log=("MTPDecodingConfig",),
        length="num_nextn_predict_layers",
        options={"use_relaxed_acceptance_for_thinking": False},
        is_greedy=True,
    ),
    "ngram": Method(
        type="NGram",
        log=("NGramDecodingConfig",),
        options={"is_keep_all": True, "is_use_oldest": True},
        args=("kind", "ngram_max"),
        without_overlap="TensorRT-LLM switches its overlap scheduler off with n-grams, and would "
        "leave it on in the baseline",
    ),
    "draft_model": Method(
        type="DraftTarget",
        log=("DraftTargetDecodingConfig",),
        has_model=True,
        samples_without_overlap=True,
    ),
}
_REFUSED_METHODS = {
    "medusa": "its PyTorch backend has no Medusa",
    "eagle": "it loads checkpoints of EAGLE-3 only: write eagle3",
    "suffix": "it has no suffix decoding",
    "dflash": "it has no DFlash",
}
_OURS = {
    "speculative_config": "that is what the spec's drafter says",
    "enable_attention_dp": "only one rank's iterations would be counted",
    **dict.fromkeys(("backend", "model", "tokenizer", "max_beam_width"), "it is set already"),
    "max_batch_size": "write engine.max_sequences",
    "max_seq_len": "write engine.context_length",
    "max_input_len": "write engine.context_length",
    "tensor_parallel_size": "write engine.parallel.tensor",
    "moe_expert_parallel_size": "write engine.parallel.expert",
    "pipeline_parallel_size": "all devices share each layer (engine.parallel.tensor)",
    "context_parallel_size": "all devices share each layer (engine.parallel.tensor)",
    "build_config": "it wins over the sizes of the launch line, and is of the TensorRT backend",
    "decoding_config": "that is what the spec's drafter says",
    "env_overrides": "a spec sets no variables of the environment",
    "mm_encoder_only": "it would generate nothing",
}
"""Options that the file may not have, because it would win over what the spec says elsewhere."""
_BACKEND, _USUAL, _WHOLE = "attn_backend", "TRTLLM", "FLASHINFER_STAR_ATTENTION"
_CACHELESS = ("FLASHINFER", _WHOLE)
_CHANGEABLE = frozenset({(NO_OVERLAP,), ("kv_cache_config", "free_gpu_memory_fraction")})
"""Options of ours that `engine.args` may set."""


def options_of(request: LaunchRequest) -> dict[str, Any]:
    """Return all options of a job. Raises: Dishonoured where one can't be had as asked."""
    return {**_options(request), **_speculation(request)}


def _options(request: LaunchRequest) -> dict[str, Any]:
    """Return the options that speculation and its baseline share. Raises: Dishonoured."""
    options: dict[str, Any] = {
        "cuda_graph_config": {"enable_padding": True, "max_batch_size": request.max_sequences},
        NO_OVERLAP: False,
        "enable_chunked_prefill": request.asked("chunked_prefill") is not False,
        # Where it tells nothing of drafts, nobody would read the list, and it would grow.
        "enable_iter_perf_stats": request.version != PAPERS,
        "kv_cache_config": {
            "enable_block_reuse": bool(request.asked("prefix_cache")),
            "free_gpu_memory_fraction": KV_CACHE_SHARE,
        },
        "stream_interval": 1,
    }
    for key, value in (request.asked("args") or {}).items():
        if key == TOKENS:
            continue
        ours = options.get(key)
        if isinstance(ours, dict) and isinstance(value, dict):
            for inner in value:
                _refuse_if_set(options=ours, path=(key, inner))
            options[key] = ours | value
        else:
            _refuse_if_set(options=options, path=(key,))
            options[key] = value
        _check(request, key, value)
    _check_backend(request, options)
    return options


def _check(request: LaunchRequest, key: str, value: Any) -> None:
    """Refuse an option that the version does not know, or that makes its model another one."""
    known = known_names(f"tensorrt-llm-{request.version}-options")
    place = ("engine", "args", key)
    engine = f"TensorRT-LLM {request.version}"
    check_argument(key, value, known, engine=engine, place=place)
    # Of some options, what they may have is not known.
    if isinstance(value, dict) and any(name.startswith(f"{key}.") for name in known):
        for inner, each in value.items():
            check_argument(f"{key}.{inner}", each, known, engine=engine, place=(*place, inner))


def _check_backend(request: LaunchRequest, options: Mapping[str, Any]) -> None:
    """Refuse an attention backend that would switch off what is asked for. Raises: Dishonoured."""
    backend = str(options.get(_BACKEND, _USUAL)).upper()
    drafts_alone = request.method == "draft_model" and not is_overlap_off(request)
    for name, asked in (
        ("its overlap scheduler", drafts_alone and backend != _USUAL),
        ("the prefix cache", request.asked("prefix_cache") and backend in _CACHELESS),
        ("chunked prefill", options["enable_chunked_prefill"] and backend == _WHOLE),
    ):
        if asked:
            raise Dishonoured(
                ("engine", "args", _BACKEND), f"TensorRT-LLM switches {name} off with {backend}"
            )


def _refuse_if_set(*, options: Mapping[str, Any], path: tuple[str, ...]) -> None:
    place = ("engine", "args", *path)
    if path[0] in _OURS:
        raise Dishonoured(place, f"leave it out: {_OURS[path[0]]}")
    if path[-1] in options and path not in _CHANGEABLE:
        raise Dishonoured(place, "leave it out: it is set already")


def _speculation(request: LaunchRequest) -> dict[str, Any]:
    """Return the option of speculation; none without. Raises: Dishonoured."""
    if request.method == "none":
        return {}
    asked = METHODS.get(request.method)
    if asked is None:
        reason = _REFUSED_METHODS.get(request.method, "no launch line for it")
        raise Dishonoured(("drafter", "method"), f"TensorRT-LLM: {request.method!r}: {reason}")
    if asked.has_model != request.has_drafter_model:
        instead = "name the drafter's" if asked.has_model else "it drafts without one, leave it out"
        raise Dishonoured(("drafter", "model"), f"TensorRT-LLM, {request.method}: {instead}")
    if asked.without_overlap and not is_overlap_off(request):
        raise Dishonoured(
            ("drafter", "method"),
            f"{asked.without_overlap}: write engine.args: {{{NO_OVERLAP}: true}}, for both",
        )
    if asked.samples_without_overlap and request.temperature and not is_overlap_off(request):
        raise Dishonoured(
            ("workload", "sampling", "temperature"),
            f"TensorRT-LLM verifies {request.method} greedily with its overlap scheduler: write "
            f"engine.args: {{{NO_OVERLAP}: true}}, for both, or 0",
        )
    return {
        "speculative_config": {
            "decoding_type": asked.type,
            asked.length: request.draft_length,
            **asked.options,
            **({"speculative_model_dir": "{drafter}"} if asked.has_model else {}),
            **(_ngram(request) if request.method == "ngram" else {}),
            **(_sampling(request) if asked.is_greedy else {}),
        }
    }


def _ngram(request: LaunchRequest) -> dict[str, Any]:
    pool = request.drafter_args.get("kind", "private_pool")
    if pool not in POOLS:
        raise Dishonoured(
            ("drafter", "args", "kind"), f"TensorRT-LLM: {pool!r} is none of {', '.join(POOLS)}"
        )
    longest = request.drafter_args.get("ngram_max", DEFAULT_NGRAM)
    return {"is_public_pool": POOLS[pool], "max_matching_ngram_size": longest}


def _sampling(request: LaunchRequest) -> dict[str, Any]:
    if not request.temperature:
        return {}
    if request.version == PAPERS:
        raise Dishonoured(
            ("workload", "sampling", "temperature"),
            f"TensorRT-LLM {PAPERS} decodes greedily with {request.method}, whatever is asked: "
            f"write 0, or engine.version: {NEWEST}",
        )
    return {"allow_advanced_sampling": True}


def is_overlap_off(request: LaunchRequest) -> bool:
    """Say whether the spec has the overlap scheduler switched off."""
    return (request.asked("args") or {}).get(NO_OVERLAP) is True


def tokens_an_iteration(request: LaunchRequest) -> int:
    """Return how many tokens one iteration takes: a whole prompt, where it is not cut in chunks.

    Raises:
        Dishonoured: it can't hold what all sequences verify, or is said where there are no chunks.
    """
    if request.asked("chunked_prefill") is not False:
        tokens = chunk_tokens(request, TOKENS.replace("_", "-"))
        check_step(request, tokens, f"write engine.args: {{{{{TOKENS}: {{}}}}}}, or ")
        return tokens
    if TOKENS in (request.asked("args") or {}):
        raise Dishonoured(
            ("engine", "args", TOKENS), "leave it out: without chunks it is the context"
        )
    tokens = max(CHUNK_TOKENS[request.family], request.context_length)
    check_step(request, tokens, "")
    return tokens
