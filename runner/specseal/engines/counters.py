"""What engines call the counters on their page of metrics: rows for the client's count sources.

Only counters are here. SGLang's acceptance length and rate are gauges over its last steps, so they
say nothing of a phase; what it counts exactly is its verify calls, each of which has a draft. Its
gauges of requests in flight are refreshed only now and then while it is idle, so they are not
waited for: the counters are added up before a response ends.

Source: vLLM 0.32 v1/spec_decode/metrics.py and v1/metrics/loggers.py; SGLang 0.5.23
srt/observability/metrics_collector.py; llama.cpp tools/server/server-context.cpp (October 2026).
"""

from __future__ import annotations

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
    },
    "per_position": None,
    "in_flight": [],
}

COUNTERS: dict[str, Counters] = {"vllm": VLLM, "sglang": SGLANG, "llamacpp": LLAMACPP}
"""By the engine whose page it is."""
PAGE = "/metrics"


def counts_of(engine: str, *, without: tuple[str, ...] = ()) -> Counters:
    """Return the count source of an engine whose page of metrics is known.

    Args:
        engine: whose page it is.
        without: counters that this version of it does not have.
    """
    known = COUNTERS[engine]
    names = {name: counter for name, counter in known["names"].items() if name not in without}
    return {"source": "prometheus", "path": PAGE, **known, "names": names}


def counts_to_detect() -> Counters:
    """Return the count source of an engine that is not known beforehand."""
    return {"source": "detect", "path": PAGE, "candidates": COUNTERS}
