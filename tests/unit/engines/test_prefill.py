"""The size of chunks of prefill is one number on all engines, unless a spec says another."""

from __future__ import annotations

from typing import Any

import pytest

from specseal.engines import LaunchRequest, engine
from specseal.errors import Dishonoured

FLAGS = {
    "vllm": ("0.32.0", "--max-num-batched-tokens"),
    "sglang": ("0.5.23", "--chunked-prefill-size"),
    "tensorrt-llm": ("1.2.0", "--max_num_tokens"),
    "llamacpp": ("b11549", "--batch-size"),
}
ON = [
    *((name, "cuda", 8192) for name in FLAGS),
    *((name, "rocm", 8192) for name in ("vllm", "sglang", "llamacpp")),
    *((name, "cpu", 2048) for name in ("vllm", "llamacpp")),
]


def size(name: str, family: str, method: str = "none", **args: Any) -> int:
    version, flag = FLAGS[name]
    request = LaunchRequest(
        method=method,
        draft_length=0 if method == "none" else 3,
        drafter_args={},
        has_drafter_model=method != "none",
        max_sequences=32,
        engine={"name": name, "version": version, "family": family, "context_length": 4096,
                "prefix_cache": False, "args": args},
    )  # fmt: skip
    line = engine(name).launch(request).args
    return int(line[line.index(flag) + 1])


@pytest.mark.parametrize(("name", "family", "tokens"), ON)
def test_chunks_have_one_size_on_every_engine_in_both_jobs(
    name: str, family: str, tokens: int
) -> None:
    assert size(name, family) == size(name, family, "draft_model") == tokens


@pytest.mark.parametrize("name", FLAGS)
def test_a_spec_may_say_another_size_by_the_engines_own_name(name: str) -> None:
    key = FLAGS[name][1].removeprefix("--").replace("-", "_")
    assert size(name, "cuda", **{key: 1024}) == size(name, "cuda", "draft_model", **{key: 1024})
    assert size(name, "cuda", **{key: 1024}) == 1024


@pytest.mark.parametrize("name", ["vllm", "tensorrt-llm", "llamacpp"])
def test_chunks_that_cannot_hold_all_drafts_are_refused_for_speculation(name: str) -> None:
    key = FLAGS[name][1].removeprefix("--").replace("-", "_")
    sizes = {key: 127} | ({"ubatch_size": 64} if name == "llamacpp" else {})
    assert size(name, "cuda", **sizes) == sizes[key]
    with pytest.raises(Dishonoured, match="127 tokens can't hold 32 sequences with drafts of 3"):
        size(name, "cuda", "draft_model", **sizes)
