"""What TensorRT-LLM says in its log, held against what was asked of it.

Nothing of it can be asked over HTTP. What it logs at its start, at the level `info`:

- `TensorRT LLM version: …`, from the package's `__init__`.
- `ATTENTION RUNTIME FEATURES:  AttentionRuntimeFeatures(chunked_prefill=…, cache_reuse=…, …)`.
- `max_seq_len=…, max_num_requests=…, max_num_tokens=…, max_batch_size=…`, each time that its
  executor is made: first a small one, to see what memory it needs, then the one that serves. So the
  last one counts. Its `max_seq_len` has what speculation and overlap need beside the tokens of a
  sequence, and is less where the memory for the cache is too small for a single one.
- 1.2.0: `LLM Args:`, a line break, and all arguments as pydantic prints them, a tokenizer over
  several lines among them. 1.2.0rc1 does not print them, so that its method stays unseen, but a
  `PyTorchConfig(…)`.
- A warning for each thing that it does otherwise than asked.

Source: NVIDIA/TensorRT-LLM (October 2025 to January 2026) _torch/pyexecutor/py_executor_creator.py
`create_py_executor`, _util.py `create_py_executor_instance`, model_engine.py `_init_max_seq_len`;
a whole log of 1.1.0rc3 (December 2025) that a user published. Read in November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from specseal.engines.base import LaunchRequest
from specseal.engines.tensorrt_llm_options import METHODS, is_overlap_off, tokens_an_iteration

_METHOD = re.compile(r"LLM Args:.*?\bspeculative_config=(\w+)", re.DOTALL)
_OVERLAP_OFF = re.compile(r"\bdisable_overlap_scheduler=(True|False)\b")
_RELAXED = re.compile(r"\buse_relaxed_acceptance_for_thinking=True\b")
_FEATURES = re.compile(
    r"AttentionRuntimeFeatures\(chunked_prefill=(True|False), cache_reuse=(True|False)"
)
_SIZES = re.compile(
    r"\bmax_seq_len=(\d+), max_num_requests=\d+, max_num_tokens=(\d+), max_batch_size=(\d+)"
)


def _asks_overlap(request: LaunchRequest) -> bool:
    return not is_overlap_off(request)


def _asks_temperature(request: LaunchRequest) -> bool:
    return (request.temperature or 0) > 0


def _asks_chunks(request: LaunchRequest) -> bool:
    return request.asked("chunked_prefill") is not False


def _asks_cache(request: LaunchRequest) -> bool:
    return bool(request.asked("prefix_cache"))


def _always(request: LaunchRequest) -> bool:
    return True


class _Warning(NamedTuple):
    """A warning with which it says that it does something else."""

    text: str
    """What is in it whatever the circumstances."""
    matters: Callable[[LaunchRequest], bool]
    """Whether a job asked for what it takes back."""
    said: str


_WARNINGS = (
    _Warning("Disable overlap scheduler", _asks_overlap, "it switched its overlap scheduler off"),
    _Warning("Disabling overlap scheduler", _asks_overlap, "it switched its overlap scheduler off"),
    _Warning(
        "Overlap scheduler is not supported for",
        _asks_overlap,
        "it switched its overlap scheduler off, for the drafter's sake",
    ),
    _Warning("Falling back to greedy decoding", _asks_temperature, "it decodes greedily"),
    _Warning(
        "Rejection sampling will fallback to greedy", _asks_temperature, "it verifies greedily"
    ),
    _Warning(
        "Chunked Prefill for MLA can only be enabled", _asks_chunks, "it does not chunk prompts"
    ),
    _Warning("Disabling chunked context", _asks_chunks, "it does not chunk prompts"),
    _Warning("Disabling block reuse", _asks_cache, "it has no prefix cache"),
    _Warning("KV cache reuse for MLA can only be enabled", _asks_cache, "it has no prefix cache"),
    _Warning(
        "is larger than what the model can support", _always, "it shortened the context length"
    ),
)
"""All of `create_py_executor` that change what is measured; the last is of `_init_max_seq_len`."""


def method(log: str) -> str | None:
    """Return the method whose options are among the arguments; None where none are printed."""
    found = _METHOD.search(log)
    names = {"None": "none"} | {name: of for of, asked in METHODS.items() for name in asked.log}
    return names.get(found[1]) if found else None


def log_against(request: LaunchRequest, log: str) -> Iterator[str]:
    """Yield in what it says that it does something else."""
    found = method(log)
    if found not in (None, request.method):
        yield f"it says that it drafts by {found}, asked for {request.method}"
    for warning in _WARNINGS:
        if warning.text in log and warning.matters(request):
            yield f"it says that {warning.said} ({warning.text!r}), which is not what was asked"
    if _RELAXED.search(log):
        yield "use_relaxed_acceptance_for_thinking is True: it accepts what the model would not say"
    for value in sorted({one[1] for one in _OVERLAP_OFF.finditer(log)}):
        if value != str(is_overlap_off(request)):
            yield f"disable_overlap_scheduler is {value}, asked for {is_overlap_off(request)}"
    yield from _features_against(request, log)
    yield from _sizes_against(request, log)


def _features_against(request: LaunchRequest, log: str) -> Iterator[str]:
    found = _FEATURES.search(log)
    if found is None:
        return
    for name, value, wanted in (
        ("chunked_prefill", found[1], _asks_chunks(request)),
        ("cache_reuse", found[2], _asks_cache(request)),
    ):
        if value != str(wanted):
            yield f"{name} is {value}, asked for {wanted}"


def _sizes_against(request: LaunchRequest, log: str) -> Iterator[str]:
    """Yield which sizes of the executor that serves are not those that were asked for."""
    made = _SIZES.findall(log)
    if not made:
        return
    length, tokens, batch = map(int, made[-1])
    if batch != request.max_sequences:
        yield f"max_batch_size is {batch}, asked for {request.max_sequences}"
    if length < request.context_length:
        yield f"max_seq_len is {length}, asked for {request.context_length}"
    # It takes no more than all sequences together can have.
    most = tokens_an_iteration(request)
    if not min(most, request.context_length * request.max_sequences) <= tokens <= most:
        yield f"max_num_tokens is {tokens}, asked for {most}"
