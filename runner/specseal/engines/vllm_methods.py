"""vLLM's drafting methods: which versions have each, and what --speculative-config says for it.

0.13.0 refuses draft_model and has no dflash, and its CPU worker does not speculate at all.

Source: vLLM 0.13.0 and 0.32.0, config/speculative.py, config/vllm.py, v1/worker/cpu_model_runner.py
(November 2026).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.errors import Dishonoured

NEW, PAPER = "0.32.0", "0.13.0"
DRAFTER = "{drafter}"
DEFAULT_NGRAM = 5
"""vLLM's own, where a spec leaves both sizes out."""

Settings = dict[str, Any]


def _nothing(request: LaunchRequest) -> Settings:
    return {}


def _ngram(request: LaunchRequest) -> Settings:
    args = request.drafter_args
    shortest = args.get("ngram_min", args.get("ngram_max", DEFAULT_NGRAM))
    longest = args.get("ngram_max", shortest)
    if shortest > longest:
        raise Dishonoured(
            ("drafter", "args", "ngram_max"), f"is less than ngram_min ({shortest}): raise it"
        )
    return {"prompt_lookup_min": shortest, "prompt_lookup_max": longest}


def _suffix(request: LaunchRequest) -> Settings:
    if "repository" not in (request.asked("image") or {}):
        raise Dishonoured(
            ("drafter", "method"),
            "vLLM's suffix needs arctic-inference 0.1.1, which its official images lack: name one "
            "that has it as engine.image.ref",
        )
    return {
        "suffix_decoding_max_cached_requests": 0,
        "suffix_decoding_max_spec_factor": 1.0,
        "suffix_decoding_max_tree_depth": 24,
        "suffix_decoding_min_token_prob": 0.1,
    }


def _of_its_own(request: LaunchRequest) -> Settings:
    if not request.has_drafter_model:
        raise Dishonoured(
            ("drafter", "method"), f"vLLM's {request.method} needs a drafter: name drafter.model"
        )
    return {"model": DRAFTER}


def _perhaps_of_its_own(request: LaunchRequest) -> Settings:
    return {"model": DRAFTER} if request.has_drafter_model else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How one drafting method is asked for."""

    settings: Callable[[LaunchRequest], Settings]
    """Its part of --speculative-config."""
    cuda: tuple[str, ...] = (NEW, PAPER)
    """Versions that have it there; ROCm has them, too, but for 0.13.0, which has no image."""
    cpu: bool = False
    """Whether it was run on the CPU with 0.32.0."""
    async_scheduling: tuple[str, ...] = ()
    """Versions in which it can go with asynchronous scheduling."""
    older_runner: bool = False
    """Whether 0.32.0 falls back to its older model runner for it."""
    args: tuple[str, ...] = ()
    note: str = ""


NO_METHOD = Method(settings=_nothing, cpu=True)
METHODS = {
    "ngram": Method(settings=_ngram, cpu=True, args=("ngram_min", "ngram_max")),
    "suffix": Method(
        settings=_suffix,
        older_runner=True,
        note="; needs arctic-inference 0.1.1, which official images lack: name one that has it",
    ),
    "draft_model": Method(
        settings=_of_its_own, cuda=(NEW,), cpu=True, async_scheduling=(NEW,)
    ),
    "eagle": Method(settings=_of_its_own, async_scheduling=(NEW, PAPER)),
    "eagle3": Method(settings=_of_its_own, async_scheduling=(NEW, PAPER)),
    "medusa": Method(settings=_of_its_own, older_runner=True),
    "mtp": Method(settings=_perhaps_of_its_own, async_scheduling=(NEW, PAPER)),
    "dflash": Method(settings=_of_its_own, cuda=(NEW,), async_scheduling=(NEW,)),
}  # fmt: skip
