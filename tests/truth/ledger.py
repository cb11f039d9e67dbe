"""What really happened: each request's times and counts, and the engine's counters."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from truth.schedule import Step

_NAMES = {
    "vllm": {
        "drafts": "vllm:spec_decode_num_drafts_total",
        "draft_tokens": "vllm:spec_decode_num_draft_tokens_total",
        "accepted_tokens": "vllm:spec_decode_num_accepted_tokens_total",
        "per_position": "vllm:spec_decode_num_accepted_tokens_per_pos_total",
        "prompt_tokens": "vllm:prompt_tokens_total",
        "cached_tokens": "vllm:prefix_cache_hits_total",
        "output_tokens": "vllm:generation_tokens_total",
        "running": "vllm:num_requests_running",
        "waiting": "vllm:num_requests_waiting",
    },
    "llamacpp": {
        "drafts": "llamacpp:spec_decode_num_drafts_total",
        "draft_tokens": "llamacpp:spec_decode_num_draft_tokens_total",
        "accepted_tokens": "llamacpp:spec_decode_num_accepted_tokens_total",
        "per_position": "llamacpp:spec_decode_num_accepted_tokens_per_pos_total",
        "prompt_tokens": "llamacpp:prompt_tokens_total",
        "output_tokens": "llamacpp:tokens_predicted_total",
        "running": "llamacpp:requests_processing",
        "waiting": "llamacpp:requests_deferred",
    },
    "none": {},
}
_GAUGES = ("running", "waiting")


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One request. Times are CLOCK_MONOTONIC nanoseconds."""

    prompt: Any
    """Token ids, text or messages, as they came."""
    api: str
    received_ns: int
    """When its last byte was read."""
    chunk_ns: array[int] = field(default_factory=lambda: array("q"))
    """Right before each chunk with tokens was handed to the socket."""
    due_ns: array[int] = field(default_factory=lambda: array("q"))
    """When the schedule wanted it."""
    chunk_tokens: array[int] = field(default_factory=lambda: array("q"))
    drafted: array[int] = field(default_factory=lambda: array("q"))
    """Of each verify step."""
    accepted: array[int] = field(default_factory=lambda: array("q"))
    """Of each verify step, before anything is cut."""
    end_ns: int | None = None
    """Right before the last bytes of the answer; None where it never ended as an answer does."""
    outcome: str = "running"
    """`stop` or `length`, the fault that ended it, or `abandoned` where the client went away."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a prompt as the digest that a client's record carries."""
        prompt = json.dumps(self.prompt, separators=(",", ":"), ensure_ascii=False)
        return {
            "input_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
            "api": self.api,
            "received_ns": self.received_ns,
            "end_ns": self.end_ns,
            "outcome": self.outcome,
            **{
                name: getattr(self, name).tolist()
                for name in ("chunk_ns", "due_ns", "chunk_tokens", "drafted", "accepted")
            },
        }


@dataclass(slots=True, kw_only=True)
class Ledger:
    """All requests since the last reset, and the counters, which no reset touches."""

    entries: list[Entry] = field(default_factory=list)
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((n for n in _NAMES["vllm"] if n != "per_position"), 0)
    )
    per_position: list[int] = field(default_factory=list)

    def count(self, steps: Iterable[Step]) -> None:
        """Add verify steps to the counters; one without a draft is none of theirs."""
        totals, positions = self.totals, self.per_position
        for step in steps:
            if not step.drafted:
                continue
            totals["drafts"] += 1
            totals["draft_tokens"] += step.drafted
            totals["accepted_tokens"] += step.accepted
            positions.extend([0] * (step.drafted - len(positions)))
            for position in range(step.accepted):
                positions[position] += 1

    def metrics_page(self, counters: str) -> str:
        """Return the counters as Prometheus text, in an engine's names."""
        lines = []
        for key, name in _NAMES[counters].items():
            kind = "gauge" if key in _GAUGES else "counter"
            lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
            if key == "per_position":
                lines += [
                    f'{name}{{position="{at}"}} {value}'
                    for at, value in enumerate(self.per_position)
                ]
            else:
                lines.append(f"{name} {self.totals[key]}")
        return "\n".join([*lines, ""])
