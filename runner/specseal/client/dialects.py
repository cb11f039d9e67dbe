"""The closed table of API dialects: the name in `job.json` → how to speak with the engine."""

from __future__ import annotations

from specseal.client.errors import InputRefused
from specseal.client.llamacpp import LLAMACPP, LLAMACPP_CACHED
from specseal.client.openai import CHAT, COMPLETIONS
from specseal.client.sglang import GENERATE
from specseal.client.trtllm import TRTLLM
from specseal.client.wire import Dialect

DIALECTS: dict[str, Dialect] = {
    "llamacpp": LLAMACPP,
    "llamacpp-cached": LLAMACPP_CACHED,
    "openai-completions": COMPLETIONS,
    "openai-chat": CHAT,
    "trtllm-completions": TRTLLM,
    "sglang-generate": GENERATE,
}


def dialect_named(name: str) -> Dialect:
    """Return a row of the table. Raises: InputRefused."""
    if name not in DIALECTS:
        raise InputRefused(f"dialect {name!r} is none of {', '.join(DIALECTS)}")
    return DIALECTS[name]
