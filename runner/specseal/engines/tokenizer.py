"""The program of `images/tokenizer`, which encodes prompts while a spec is locked. No engine.

It has the three pages that llama.cpp's server has for a chat template and a tokenizer, so that the
load generator asks it in that dialect.
"""

from __future__ import annotations

from specseal.engines.base import Launch


def tokenizer_launch() -> Launch:
    """Return how it is started and asked."""
    return Launch(
        args=("--model", "{model}", "--host", "127.0.0.1", "--port", "{port}"),
        dialect="llamacpp",
        counts={"source": "none"},
        health_path="/health",
        readback={},
        shm_bytes=64 << 20,
        locks_memory=False,
        one_chunk_a_step=False,
        cut_at_limit=False,
    )
