"""vLLM's flags of size: the tokens of a step, and the share of a device's memory."""

from __future__ import annotations

from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.engines.prefill import check_step, chunk_tokens
from specseal.errors import Dishonoured

MEMORY_SHARE = 0.9
"""Of a device's memory, for all that vLLM keeps there. By default 0.9 in 0.13.0, 0.92 in 0.32.0."""
WHOLE_PROMPT_TOKENS = 8192
"""Tokens of a step without chunked prefill, at least: it must hold the longest prompt."""
_CHUNK, _SHARE = "max-num-batched-tokens", "gpu-memory-utilization"


def changeable(request: LaunchRequest) -> tuple[str, ...]:
    """Return the flags whose value `engine.args` may say."""
    chunked = request.asked("chunked_prefill") is not False
    return (*memory(request), *((_CHUNK,) if chunked else ()))


def tokens_a_step(request: LaunchRequest) -> int:
    """Return the tokens of a step: without chunks, as many as any prompt. Raises: Dishonoured."""
    if request.asked("chunked_prefill") is False:
        most = max(request.context_length, request.max_sequences, WHOLE_PROMPT_TOKENS)
        check_step(request, most, "")
        return most
    tokens = chunk_tokens(request, _CHUNK)
    check_step(request, tokens, f"write engine.args: {{{{{_CHUNK}: {{}}}}}}, or ")
    return tokens


def memory(request: LaunchRequest) -> dict[str, Any]:
    """Return the flag of the share of a device's memory; the CPU's cache has a size of its own.

    Raises:
        Dishonoured: the spec says something that is no share.
    """
    if request.family == "cpu":
        return {}
    given = (request.asked("args") or {}).items()
    share = next((value for key, value in given if key.replace("_", "-") == _SHARE), MEMORY_SHARE)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise Dishonoured(("engine", "args", _SHARE), f"{share!r} is no share from 0 to 1")
    return {_SHARE: share}
