"""llama.cpp: the xllamacpp wheel's server on the CPU, the official server image on accelerators.

Both take the same flags. A version is the wheel's, which ends in llama.cpp's build number
(`2026.10.11549`), or that number as the images' tags have it (`b11549`). Not every build has
images; whether this one has could not be looked up when this was written, and `specseal lock` says
so where it has none.

llama.cpp always computes long prompts in pieces between decode steps, `--batch-size` tokens at a
time (`engines/prefill.py`), which its backend takes in smaller ones (`--ubatch-size`). The types of
weights are the file's. A prefix cache is each slot's own: what a sequence can reuse is what was in
its slot before.

Source: ggml-org/llama.cpp of build 11549 (October 2026), common/arg.cpp, tools/server/README.md,
tools/server/server-context.cpp, docs/multi-gpu.md, .github/workflows/docker.yml. On the CPU each
flag was seen to hold with xllamacpp 2026.10.11549; on accelerators none was run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from specseal.engines.base import (
    GGUF,
    Capability,
    Launch,
    LaunchRequest,
    accelerator_family,
)
from specseal.engines.counters import counts_of
from specseal.engines.known_names import check_said_once
from specseal.engines.llamacpp_drafts import (
    METHODS,
    MODEL_DRAFTERS,
    NGRAM_ARGS,
    NGRAM_KINDS,
    NO_SPECULATION,
    drafting_flags,
    drafting_type,
    method_of,
    types_said,
)
from specseal.engines.prefill import check_step, chunk_tokens
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

WHEELS, BUILDS = ("2026.10.11549",), ("b11549",)
IMAGES = "ghcr.io/ggml-org/llama.cpp"
DEVICES = {"cuda": "CUDA", "rocm": "ROCm"}
"""What llama.cpp calls an accelerator, its number following."""
CONTEXT_STEP = 256
"""A slot's context is rounded up to a multiple of it. Source: src/llama-context.cpp."""
AFTER = "after"
"""In what was read back: what was read once more when all phases were done."""

_RUN_HERE = frozenset({NO_SPECULATION, "ngram", "draft_model"})
_BATCH, _SHARE_OF_BATCH = "batch-size", 512
_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
_FURTHER: Mapping[str, tuple[str, ...] | None] = {
    "batch-size": None,
    "ubatch-size": None,
    "flash-attn": ("on", "off", "auto"),
    "cache-type-k": _CACHE_TYPES,
    "cache-type-v": _CACHE_TYPES,
    "spec-draft-type-k": _CACHE_TYPES,
    "spec-draft-type-v": _CACHE_TYPES,
}
"""What `engine.args` may set: its choices, or None for a whole number.

A closed list, because llama.cpp has several names for most flags, so that which of them collide
with what is set here could not be told.
"""
_SPLIT = {"flash-attn": "on", "cache-type-k": "f16", "cache-type-v": "f16"}
"""What a model that is split over devices needs."""
_WHEEL = re.compile(r"^xllamacpp (\S+)$", re.MULTILINE)
_BUILD = re.compile(r"^b[1-9]\d*(?=-)")


class LlamaCpp:
    """The adapter of llama.cpp."""

    name = "llamacpp"
    loads = GGUF
    honours: frozenset[str] = frozenset({"parallel.tensor", "chunked_prefill", "args"})

    def capabilities(self) -> tuple[Capability, ...]:
        """Return a row for each method on the CPU, and on accelerators by the official images."""
        return tuple(
            Capability(
                engine=self.name,
                family=family,
                method=method,
                versions=WHEELS if family == "cpu" else BUILDS,
                flags=_characteristic(method),
                args=NGRAM_ARGS if method == "ngram" else (),
                source="ggml-org/llama.cpp, common/arg.cpp and common/speculative.cpp of build "
                "11549 (October 2026)",
                evidence="run here" if family == "cpu" and method in _RUN_HERE else "documentation",
            )
            for family in ("cpu", *DEVICES)
            for method in METHODS
        )

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return the server image of a build; on the CPU None: it is built from the wheel."""
        family = accelerator_family(accelerator)
        return f"{IMAGES}:server-{family}-{version}" if family in DEVICES else None

    def launch(self, request: LaunchRequest) -> Launch:
        """Return llama-server's flags for a job.

        llama.cpp shares its context out over its slots, so it is given as many times the context
        length as there may be sequences. Without a prefix cache, every prompt is computed whole.
        """
        _check(request)
        devices = _devices(request)
        settings = _settings(request, devices)
        cached = bool(request.asked("prefix_cache"))
        args = (
            "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}",
            "--ctx-size", str(request.context_length * request.max_sequences),
            "--parallel", str(request.max_sequences), "--threads", "{threads}",
            "--cont-batching", *_flags(settings), "--fit", "off", "--offline", "--metrics",
            "--cache-prompt" if cached else "--no-cache-prompt", "--cache-ram", "0",
            *_device_flags(request, devices),
            *drafting_flags(request, devices=devices),
            *_draft_device_flags(request, devices),
        )  # fmt: skip
        return Launch(
            args=args,
            dialect="llamacpp-cached" if cached else "llamacpp",
            counts=counts_of(self.name),
            health_path="/health",
            deadline_s=1800 if devices else 600,
            readback={"props": "/props", "slots": "/slots"},
            readback_after={"slots": "/slots"},
            shm_bytes=1 << 30 if devices > 1 else 64 << 20,
            locks_memory=False,
            one_chunk_a_step=False,  # one token a chunk, even while speculating
            cut_at_limit=False,  # the server shortens a draft to what max_tokens leaves
            drafter_remembers="ngram-mod" in args,  # one table for all, never cleared
        )

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the wheel's version as `serve.py` prints it, or an image's build number.

        `/props` has a `build_info`: `b0-unknown` with the wheel (seen with xllamacpp
        2026.10.11549), `b11096-c550d2f60` with an image (seen in reports on it).
        """
        if wheel := _WHEEL.search(log):
            return wheel[1]
        build = _BUILD.match(str(engine.get("props", {}).get("build_info", "")))
        return build[0] if build else None

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return what all slots say: whether they speculate, and after the phases, with what."""
        flags = {slot.get("speculative") for slot in engine.get("slots", [])}
        if flags == {False}:
            return NO_SPECULATION
        types = _types_found(engine)
        return method_of(next(iter(types))) if flags == {True} and len(types) == 1 else None

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return how many positions of a draft are counted, once there was a draft.

        There is one for each that a draft may have, those at which nothing was accepted included.
        """
        counted = {len(one.accepted_per_position or ()) for one in snapshots if one.drafts}
        return max(counted, default=None)

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Hold its slots and counters against the request.

        A slot says whether it speculates, how long a sequence may be, and after its first request
        with what it drafts. It speculates only where its drafter could be made ready: one whose
        vocabulary is another's is left out by the server with no more than a line in its log.
        """
        against = []
        slots = status.engine.get("slots", [])
        if len(slots) != request.max_sequences:
            against.append(f"it has {len(slots)} slots, asked for {request.max_sequences}")
        for key, wanted in (
            ("speculative", request.method != NO_SPECULATION),
            ("n_ctx", request.context_length),
        ):
            found = {slot.get(key) for slot in slots}
            against += [f"{key} is {one!r}, asked for {wanted!r}" for one in found - {wanted}]
        if status.outcome == "done":  # one that broke off was not asked any more
            against += _against_type(request, status.engine)
        lengths = {len(one.accepted_per_position or ()) for one in snapshots if one.drafts}
        against += [
            f"its drafts may have {length} tokens, asked for {request.draft_length}"
            for length in sorted(lengths - {request.draft_length})
        ]
        return tuple(against)


def _characteristic(method: str) -> str:
    if method == "ngram":
        return " | ".join(f"--spec-type {kind.type}" for kind in NGRAM_KINDS.values())
    name = MODEL_DRAFTERS[method].type if method in MODEL_DRAFTERS else method
    return f"--spec-type {name}"


def _check(request: LaunchRequest) -> None:
    """Refuse what no flag can bring about. Raises: Dishonoured."""
    length = request.context_length
    if length % CONTEXT_STEP:
        below = length // CONTEXT_STEP * CONTEXT_STEP
        nearest = " or ".join(str(one) for one in (below, below + CONTEXT_STEP) if one)
        raise Dishonoured(
            ("engine", "context_length"),
            f"llama.cpp rounds it up to a multiple of {CONTEXT_STEP}: write {nearest}",
        )
    if request.asked("chunked_prefill") is False:
        raise Dishonoured(
            ("engine", "chunked_prefill"),
            "llama.cpp always computes prompts in pieces between decode steps: leave it out, or "
            "write true",
        )


def _devices(request: LaunchRequest) -> int:
    """Return how many accelerators share the model; 0 on the CPU. Raises: Dishonoured."""
    asked, place = request.asked("parallel.tensor"), ("engine", "parallel", "tensor")
    if request.asked("family") not in DEVICES:
        if asked not in (None, 1):
            raise Dishonoured(
                place, "llama.cpp splits a model over accelerators only: leave it out"
            )
        return 0
    if asked is not None and asked > request.devices:
        raise Dishonoured(
            place, f"{asked} devices can't be had of hardware.count ({request.devices}): raise that"
        )
    return int(asked or request.devices)


def _settings(request: LaunchRequest, devices: int) -> dict[str, str]:
    """Return the batch's size and what `engine.args` sets, by flag. Raises: Dishonoured."""
    check_said_once(request.asked("args") or {})
    settings = {_BATCH: str(chunk_tokens(request, _BATCH)), "ubatch-size": str(_SHARE_OF_BATCH)}
    fixed = _SPLIT if devices > 1 else {}
    for key, value in (request.asked("args") or {}).items():
        place, name = ("engine", "args", key), key.replace("_", "-")
        if name not in _FURTHER:
            known = ", ".join(_FURTHER)
            raise Dishonoured(place, f"is not handed on to llama.cpp: only {known} are")
        if name in fixed:
            message = f"is {fixed[name]} for a model that is split over devices: leave it out"
            raise Dishonoured(place, message)
        settings[name] = _value(place, value, _FURTHER[name])
    if int(settings["ubatch-size"]) > int(settings["batch-size"]):
        raise Dishonoured(("engine", "args", "ubatch-size"), "is no more than batch-size")
    # It stops at an assertion, "batch must be large enough to hold the sampled and draft tokens".
    check_step(request, int(settings[_BATCH]), "write engine.args: {{batch-size: {}}}, or ")
    return {**settings, **fixed}


def _value(place: tuple[str, ...], value: Any, choices: tuple[str, ...] | None) -> str:
    if choices is None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise Dishonoured(place, f"{value!r} is no whole number from 1 up")
        return str(value)
    if isinstance(value, bool) and "on" in choices:
        value = "on" if value else "off"
    if value not in choices:
        raise Dishonoured(place, f"{value!r} is none of {', '.join(choices)}")
    return str(value)


def _flags(settings: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for name, value in settings.items() for word in (f"--{name}", value))


def _names(request: LaunchRequest, devices: int) -> str:
    return ",".join(f"{DEVICES[request.family]}{number}" for number in range(devices))


def _device_flags(request: LaunchRequest, devices: int) -> tuple[str, ...]:
    if not devices:
        return ()
    split = "tensor" if devices > 1 else "none"
    names = _names(request, devices)
    return ("--n-gpu-layers", "all", "--device", names, "--split-mode", split)


def _draft_device_flags(request: LaunchRequest, devices: int) -> tuple[str, ...]:
    """Return how a drafter goes with a model that several devices share.

    On one of them it stays whole; what its backend would sample there falls back to the CPU.
    """
    if devices < 2 or request.method not in MODEL_DRAFTERS:
        return ()
    where = ("--spec-draft-device", _names(request, 1)) if request.has_drafter_model else ()
    return (*where, "--no-spec-draft-backend-sampling")


def _types_found(engine: Mapping[str, Any]) -> set[frozenset[str]]:
    """Return what slots that had a request say they draft with."""
    slots = engine.get(AFTER, {}).get("slots", [])
    told = (slot.get("params", {}).get("speculative.types") for slot in slots)
    return {types_said(one) for one in told if isinstance(one, str)}


def _against_type(request: LaunchRequest, engine: Mapping[str, Any]) -> list[str]:
    wanted, found = drafting_type(request), _types_found(engine)
    if not found:
        return ["no slot says what it drafted with"]
    said = (",".join(sorted(one)) for one in found - {frozenset({wanted})})
    return [f"it drafts with {one}, asked for {wanted}" for one in sorted(said)]
