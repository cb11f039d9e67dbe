"""What engines call the counters on their page of metrics: rows for the client's count sources.

Only counters are here. SGLang's acceptance length and rate are gauges over its last steps, so they
say nothing of a phase; what it counts exactly is its verify calls, each of which has a draft. Its
gauges of requests in flight are refreshed only now and then while it is idle, so they are not
waited for: the counters are added up before a response ends.

What the analysis holds against what requests were told:

- Output tokens, of all three. vLLM adds up the tokens of each step after it has trimmed them at a
  stop or at max_tokens, for as long as it knows the request (`IterationStats.update_from_output`):
  what its usage says. SGLang adds a request's `completion_tokens` when it ends. llama.cpp adds
  `n_decoded`, which is the response's `tokens_predicted` (held in tests/contract).
- Prompt tokens, of all three where none came from a cache. vLLM and SGLang count prompts whole,
  llama.cpp counts what it had to compute.
- Accepted tokens are counted before trimming, by request as in the counters.

Prompt tokens from a cache: vLLM counts those of its own cache and of one behind a KV connector
apart. SGLang shows its counter from the first cached token on, so that where others of its counters
are shown, an absent one is 0. llama.cpp has no counter, and tells of every request.

Source: vLLM 0.32 v1/spec_decode/metrics.py and v1/metrics/loggers.py; SGLang 0.5.23
srt/observability/metrics_collector.py; llama.cpp tools/server/server-context.cpp (October 2026);
TensorRT-LLM 1.2 cpp/tensorrt_llm/executor/jsonSerialization.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Counters = dict[str, Any]

LLAMACPP: Counters = {
    "names": {
        "drafts": "llamacpp:spec_decode_num_drafts_total",
        "draft_tokens": "llamacpp:spec_decode_num_draft_tokens_total",
        "accepted_tokens": "llamacpp:spec_decode_num_accepted_tokens_total",
        "output_tokens": "llamacpp:tokens_predicted_total",
        "prompt_tokens": "llamacpp:prompt_tokens_total",
    },
    "per_position": {
        "name": "llamacpp:spec_decode_num_accepted_tokens_per_pos_total",
        "label": "position",
    },
    "in_flight": ["llamacpp:requests_processing", "llamacpp:requests_deferred"],
}
VLLM: Counters = {
    "names": {
        "drafts": "vllm:spec_decode_num_drafts_total",
        "draft_tokens": "vllm:spec_decode_num_draft_tokens_total",
        "accepted_tokens": "vllm:spec_decode_num_accepted_tokens_total",
        "output_tokens": "vllm:generation_tokens_total",
        "prompt_tokens": "vllm:prompt_tokens_total",
        "cached_tokens": [
            "vllm:prefix_cache_hits_total",
            "vllm:external_prefix_cache_hits_total",
        ],
    },
    "per_position": {
        "name": "vllm:spec_decode_num_accepted_tokens_per_pos_total",
        "label": "position",
    },
    "in_flight": ["vllm:num_requests_running", "vllm:num_requests_waiting"],
}
SGLANG: Counters = {
    "names": {
        "drafts": "sglang:spec_verify_calls_total",
        "output_tokens": "sglang:generation_tokens_total",
        "prompt_tokens": "sglang:prompt_tokens_total",
        "cached_tokens": "sglang:cached_tokens_total",
    },
    "per_position": None,
    "in_flight": [],
    "zero_until_seen": ["cached_tokens"],
}

COUNTERS: dict[str, Counters] = {"vllm": VLLM, "sglang": SGLANG, "llamacpp": LLAMACPP}
"""By the engine whose page it is."""
ALL_POSITIONS_FROM_THE_START = frozenset({"vllm"})
"""Whose page has a counter for each position of a draft before anything was drafted, so that their
number is the draft length. llama.cpp's appear, all at once, with the first draft."""
PAGE = "/metrics"
ONE_CHUNK_A_STEP = frozenset({"vllm"})
"""Engines that stream a chunk for each step that made tokens, unless they merge them under load or
with `--stream-interval`: which is what holding chunks against the counters finds out. llama.cpp
sends a token a chunk. Of SGLang it is not known whether what its processes hand on from one to the
next stays a step: not taken for one."""

_ITERATIONS: dict[str, str] = {
    "drafts": "specDecodingStats.numRequestsWithDraftTokens",
    "draft_tokens": "specDecodingStats.numDraftTokens",
    "accepted_tokens": "specDecodingStats.numAcceptedTokens",
}
"""What each iteration of TensorRT-LLM tells; its page is no page of counters."""


def counts_of(engine: str, *, without: tuple[str, ...] = ()) -> Counters:
    """Return the count source of an engine whose page of metrics is known.

    Args:
        engine: whose page it is.
        without: counters that this version of it does not have.
    """
    known = COUNTERS[engine]
    names = {name: counter for name, counter in known["names"].items() if name not in without}
    return {"source": "prometheus", "path": PAGE, **known, "names": names}


def page_read(counts: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    """Return the engine whose page of metrics was read; None where there was none.

    Args:
        counts: the job's count source (`Launch.counts`).
        said: what was read back (`JobStatus.engine`), and with it what was detected.
    """
    if counts["source"] == "detect":
        detected = said.get("counts", {}).get("source")
        return detected if detected in COUNTERS else None
    return next((name for name in COUNTERS if counts == counts_of(name)), None)


def counts_to_detect() -> Counters:
    """Return the count source of an engine that is not known beforehand."""
    return {"source": "detect", "path": PAGE, "candidates": COUNTERS}


def counts_of_iterations(*names: str) -> Counters:
    """Return the count source of TensorRT-LLM, with those of our counters that it counts right.

    With no names, its iterations are read all the same: a list that nobody reads grows.
    """
    return {
        "source": "iteration-list",
        "path": PAGE,
        "number": "iter",
        "names": {name: _ITERATIONS[name] for name in names},
    }
