"""What the engine does with a request, read strictly from JSON, and which request it is done to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

FAULTS = ("status", "event", "cut", "silence", "garbage")
DRAFTING = ("whole", "shortened")
COUNTERS = ("vllm", "llamacpp", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered."""

    ttft_s: float = 0.05
    step_s: float = 0.01
    draft_length: int = 0
    """0: no speculation, every step is one token."""
    drafting: str = "whole"
    """`whole`: a draft is never shortened, so the last step may verify past the limit, as vLLM's
    does. `shortened`: it has no more tokens than the limit leaves, as llama.cpp's."""
    draft_share: float = 1.0
    """Share of the steps that have a draft at all; n-gram drafters often find none."""
    merged: int = 1
    """Steps that go out as one chunk, as an engine does while its reader lags."""
    stop_after: int | None = None
    """The stop token is the one of this number, if max_tokens allows as many."""
    seed: int = 0
    cached_tokens: int = 0
    extra_input_tokens: int = 0
    """Input tokens counted beyond what was sent, as with a BOS of the server's own."""
    twins: int = 0
    """How many others ask the same at the same time, of whom only the counters tell."""
    tells_requests: bool = True
    """Whether counts a request are in the answer."""
    plain: bool = False
    """An OpenAI server without vLLM's additions: no ids, no usage before the end."""
    counters_lag_s: float = 0.0
    """How long after an answer its steps are added to the counters."""
    fault: str | None = None
    """One of FAULTS."""
    fault_after: int = 0
    """Chunks before the fault; `status` has none."""

    def __post_init__(self) -> None:
        if self.fault not in (None, *FAULTS):
            raise ValueError(f"fault {self.fault!r} is none of {', '.join(FAULTS)}")
        if self.drafting not in DRAFTING:
            raise ValueError(f"drafting {self.drafting!r} is none of {', '.join(DRAFTING)}")
        if self.merged < 1 or self.draft_length < 0:
            raise ValueError("merged is at least 1, draft_length at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviours:
    """The engine's usual behaviour, and that for prompts with a certain first token or word."""

    usual: Behaviour = Behaviour()
    by_first: dict[str, Behaviour] = field(default_factory=dict)
    """First token id in decimal digits, or first word of the text → behaviour."""
    counters: str = "vllm"
    """Whose names /metrics uses: one of COUNTERS."""
    model: str = "truth"

    def of(self, first: str) -> Behaviour:
        """Return the behaviour for a prompt that starts so."""
        return self.by_first.get(first, self.usual)

    def to_dict(self) -> dict[str, Any]:
        """Return what `read_behaviours` reads."""
        return asdict(self)


def read_behaviours(data: Mapping[str, Any]) -> Behaviours:
    """Build from JSON; rows of `by_first` say only in what they differ from `usual`.

    Raises:
        ValueError: an unknown field or value.
    """
    if unknown := data.keys() - {one.name for one in fields(Behaviours)}:
        raise ValueError(f"unknown field {min(unknown)!r}")
    usual = _read(Behaviour(), data.get("usual", {}))
    counters = data.get("counters", "vllm")
    if counters not in COUNTERS:
        raise ValueError(f"counters {counters!r} is none of {', '.join(COUNTERS)}")
    return Behaviours(
        usual=usual,
        by_first={key: _read(usual, row) for key, row in data.get("by_first", {}).items()},
        counters=counters,
        model=data.get("model", "truth"),
    )


def _read(base: Behaviour, row: Mapping[str, Any]) -> Behaviour:
    if unknown := row.keys() - {one.name for one in fields(Behaviour)}:
        raise ValueError(f"unknown field {min(unknown)!r}")
    return replace(base, **row)
