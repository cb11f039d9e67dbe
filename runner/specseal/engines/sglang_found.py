"""What a running SGLang says of itself, held against what was asked of it.

`/server_info` has every argument after SGLang has settled it, and under `internal_states` what came
of it on each copy of the model: fewer requests may run at once than asked where memory is short.

Source: the wheels sglang 0.5.7 and 0.5.23: srt/entrypoints/http_server.py,
srt/managers/scheduler.py, srt/managers/scheduler_components/internal_state.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.records import Snapshot

SERVER_INFO = "server_info"
"""Name of the page in `JobStatus.engine`."""
_METHODS = {
    "EAGLE3": "eagle3",
    "STANDALONE": "draft_model",
    "NGRAM": "ngram",
    "DFLASH": "dflash",
    "FROZEN_KV_MTP": "mtp",
}
_VERIFIED_AT_ONCE = ("NGRAM", "DFLASH")
"""Algorithms that have no steps."""
_RUNNING_AT_ONCE = ("effective_max_running_requests_per_dp", "pp_max_micro_batch_size")
"""How 0.5.23 and 0.5.7 call the requests that can run at once."""


def version(engine: Mapping[str, Any]) -> str | None:
    """Return the version that a server says it is, or None where it does not say."""
    said = _info(engine).get("version")
    return said if isinstance(said, str) else None


def method(engine: Mapping[str, Any]) -> str | None:
    """Return the method that a server says is on, or None where it does not say.

    Layers of the model's own that draft (`mtp`) go by the name of EAGLE there; what tells them
    apart is that they come with no files but the model's.
    """
    info = _info(engine)
    if "speculative_algorithm" not in info:
        return None
    algorithm = info["speculative_algorithm"]
    if algorithm is None:
        return "none"
    if algorithm == "EAGLE":
        return "eagle" if _has_files_of_its_own(info) else "mtp"
    return _METHODS.get(algorithm, str(algorithm).lower())


def draft_length(engine: Mapping[str, Any]) -> int | None:
    """Return the draft length that a server says it is set to, or None where it does not say.

    Methods that draft step by step have as many steps; the others say how many tokens are verified,
    the root among them.
    """
    info = _info(engine)
    if info.get("speculative_algorithm") is None:
        return None
    steps, verified = (info.get(f"speculative_num_{what}") for what in ("steps", "draft_tokens"))
    if info["speculative_algorithm"] in _VERIFIED_AT_ONCE:
        return verified - 1 if isinstance(verified, int) else None
    return steps if isinstance(steps, int) else None


def against(
    request: LaunchRequest,
    wanted: Mapping[str, Any],
    engine: Mapping[str, Any],
    snapshots: tuple[Snapshot, ...],
) -> tuple[str, ...]:
    """Return what speaks against a server having done as asked.

    Args:
        request: what was asked.
        wanted: what the server must say of each of its settings.
        engine: what was read back.
        snapshots: of its counters.
    """
    info = _info(engine)
    if not info:
        return ("it did not say how it is set up",)
    return (
        *_settings_against(wanted, info),
        *_files_against(request, info),
        *_running_against(request, info),
        *_counters_against(request, snapshots),
    )


def _settings_against(wanted: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key not in info:
            yield f"it does not say its {key}, asked for {value!r}"
        elif info[key] != value:
            yield f"{key} is {info[key]!r}, asked for {value!r}"


def backends_against(verified_on: Collection[str], engine: Mapping[str, Any]) -> Iterator[str]:
    """Yield which backend of prefill or decoding it has set that does not verify drafts rightly.

    Args:
        verified_on: those that do; empty: all.
        engine: what was read back.
    """
    for key in ("prefill_attention_backend", "decode_attention_backend"):
        found = _info(engine).get(key)
        if verified_on and found not in (None, *verified_on):
            yield f"{key} is {found!r}, on which its drafts are verified wrongly"


def _files_against(request: LaunchRequest, info: Mapping[str, Any]) -> Iterator[str]:
    if request.has_drafter_model and not _has_files_of_its_own(info):
        yield "it drafts without the drafter's files"
    if request.method == "mtp" and _has_files_of_its_own(info):
        yield "it drafts with other files than the model's"


def _running_against(request: LaunchRequest, info: Mapping[str, Any]) -> Iterator[str]:
    states = info.get("internal_states") or []
    found = [next((one[key] for key in _RUNNING_AT_ONCE if key in one), None) for one in states]
    if not found:
        yield "it does not say how many requests can run at once"
    for most in found:
        if most != request.max_sequences:
            yield f"{most} requests can run at once, asked for {request.max_sequences}"


def _counters_against(request: LaunchRequest, snapshots: tuple[Snapshot, ...]) -> Iterator[str]:
    drafts = max((one.drafts or 0 for one in snapshots), default=0)
    if request.method == "none" and drafts:
        yield f"it drafted {drafts} times, asked for no speculation"


def _info(engine: Mapping[str, Any]) -> Mapping[str, Any]:
    info = engine.get(SERVER_INFO)
    return info if isinstance(info, dict) else {}


def _has_files_of_its_own(info: Mapping[str, Any]) -> bool:
    return info.get("speculative_draft_model_path") not in (None, info.get("model_path"))
