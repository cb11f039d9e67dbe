"""How many tokens of prompts one step takes with chunked prefill: the same on every engine.

A step computes prompts by this much beside what it decodes, so it decides how long those that
decode wait for a newcomer, and how soon a newcomer has its first token. Left to themselves, vLLM
takes 2048, 8192 or 16384 by the device's memory, SGLang 2048 to 16384 likewise, TensorRT-LLM 8192
and llama.cpp 2048: two engines would differ by a setting that no spec names.

- Accelerators: 8192, what vLLM and SGLang choose for those of 80 GB, TensorRT-LLM's default, and
  what the SPEED-Bench harness has.
- CPU: 2048, which vLLM and llama.cpp both have there: 8192 tokens would stop all that decode for
  most of a minute on a few cores.

`engine.args` may name another size, by the engine's own name for it: for job and baseline alike.

Source: vLLM 0.32.0 engine/arg_utils.py `get_batch_defaults`; SGLang 0.5.7 srt/server_args.py
`_handle_gpu_memory_settings`; TensorRT-LLM 1.2 llmapi/llm_args.py; llama.cpp common/common.h.
"""

from __future__ import annotations

from specseal.engines.base import LaunchRequest
from specseal.errors import Dishonoured

CHUNK_TOKENS = {"cpu": 2048, "cuda": 8192, "rocm": 8192}
"""By accelerator family."""


def chunk_tokens(request: LaunchRequest, flag: str) -> int:
    """Return the tokens of a step, as `engine.args` has them, or what they are everywhere.

    Args:
        request: what is asked.
        flag: what the engine calls them, with dashes.

    Raises:
        Dishonoured: what the spec says is no number of tokens.
    """
    for key, value in (request.asked("args") or {}).items():
        if key.replace("_", "-") == flag:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise Dishonoured(
                    ("engine", "args", key), f"{value!r} is no whole number from 1 up"
                )
            return value
    return CHUNK_TOKENS[request.family]


def check_step(request: LaunchRequest, tokens: int, mend: str) -> None:
    """Refuse a step that can't hold what all sequences verify at once.

    It is not raised by itself: the baseline is to have the same.

    Args:
        request: what is asked.
        tokens: of a step.
        mend: how a spec has a larger one, `{}` being its size.

    Raises:
        Dishonoured: it can't.
    """
    needed = request.max_sequences * (request.draft_length + 1)
    if tokens < needed:
        raise Dishonoured(
            ("drafter", "draft_length"),
            f"a step of {tokens} tokens can't hold {request.max_sequences} sequences with drafts "
            f"of {request.draft_length}: {mend.format(needed)}lower either",
        )
