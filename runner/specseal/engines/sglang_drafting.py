"""How SGLang drafts: the flags of each method, and what it can't do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from specseal.engines.base import LaunchRequest
from specseal.engines.sglang_flags import (
    AS_ITS_FILES,
    PAPER,
    Setting,
    replaced,
    told,
    told_quantization,
)
from specseal.errors import Dishonoured

NGRAM_DEPTH = 18
"""Tokens of a branch in the store of n-grams; one of them at least must match."""
NGRAM_SIZES = (1, 12)
"""Shortest and longest match that 0.5.7 looks for, where the spec does not say."""
LOSSLESS = 1.0
"""Of both thresholds: drafts are accepted as often as the model would say them, and no more."""
TREE_BACKENDS = ("flashinfer", "triton", "fa3")
NGRAM_BACKENDS = ("flashinfer", "triton")


class Method(NamedTuple):
    """How SGLang calls a method."""

    algorithm: str
    said: str
    """What is read back of it."""
    has_model: bool
    args: tuple[str, ...] = ()


_TREE_ARGS = ("top_k", "draft_tokens")
NGRAM_ARGS = ("ngram_min", "ngram_max")
METHODS = {
    "eagle": Method("EAGLE", "EAGLE", True, _TREE_ARGS),
    "eagle3": Method("EAGLE3", "EAGLE3", True, _TREE_ARGS),
    "mtp": Method("NEXTN", "EAGLE", False),
    "draft_model": Method("STANDALONE", "STANDALONE", True),
    "ngram": Method("NGRAM", "NGRAM", False, NGRAM_ARGS),
    "dflash": Method("DFLASH", "DFLASH", True),
}
LACKING = {("ngram", "rocm", PAPER), ("dflash", "cuda", PAPER), ("dflash", "rocm", PAPER)}
"""(method, family, version) that does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """How a job drafts."""

    settings: tuple[Setting, ...]
    drafted: int = 0
    """Tokens that a step drafts at most."""
    reserved: int = 0
    """Tokens of the context that SGLang keeps free for a step."""
    is_tree: bool = False
    verified_on: tuple[str, ...] = ()
    """Attention backends that verify its drafts rightly; empty: all do."""


def speculation_of(request: LaunchRequest) -> Speculation:
    """Return how a job drafts. Raises: Dishonoured."""
    method = request.method
    if method == "none":
        return Speculation(settings=(told("--speculative-algorithm", None),))
    known = METHODS.get(method)
    if known is None or (method, request.family, request.version) in LACKING:
        raise Dishonoured(
            ("drafter", "method"),
            f"SGLang {request.version} has no {method!r} on {request.family}",
        )
    if known.has_model != request.has_drafter_model:
        message = (
            f"SGLang drafts by {method} with a model of its own: name it"
            if known.has_model
            else f"SGLang drafts by {method} from the model's own weights: leave it out"
        )
        raise Dishonoured(("drafter", "model"), message)
    head = (
        Setting("--speculative-algorithm", known.algorithm, (known.said,)),
        *_weights(request),
    )
    tail = (
        told("--speculative-accept-threshold-single", LOSSLESS),
        told("--speculative-accept-threshold-acc", LOSSLESS),
    )
    make = {"ngram": _ngram, "dflash": _dflash}.get(method, _eagle)
    speculation = make(request, head)
    _check_sampling(request, is_tree=speculation.is_tree)
    return replace(speculation, settings=(*speculation.settings, *tail))


def _weights(request: LaunchRequest) -> tuple[Setting, ...]:
    """Return where a drafter's weights are, and that they are not quantized by SGLang.

    It would take over what is asked for the model. Layers of the model's own are quantized as the
    model is: said by no flag, which would quantize experts that its files leave as they were.
    """
    quantization = "--speculative-draft-model-quantization"
    if request.has_drafter_model:
        return (
            Setting("--speculative-draft-model-path", "{drafter}"),
            Setting(quantization, AS_ITS_FILES, (None,)),
        )
    if request.method == "mtp" and request.asked("quantization"):
        return (Setting(quantization, None, (told_quantization(request),)),)
    return ()


def _eagle(request: LaunchRequest, head: tuple[Setting, ...]) -> Speculation:
    """Return a chain, or with `top_k` the best `draft_tokens` nodes of a tree.

    SGLang counts the root, the last token that is certain, among its draft tokens.
    """
    steps, top_k = request.draft_length, request.drafter_args.get("top_k", 1)
    drafted = request.drafter_args.get("draft_tokens", top_k * steps)
    place = ("drafter", "args", "draft_tokens")
    if top_k == 1 and drafted != steps:
        raise Dishonoured(
            place, f"SGLang drafts a chain with top_k 1, of draft_length ({steps}) tokens"
        )
    most = top_k + top_k * top_k * (steps - 1)
    if not steps <= drafted <= most:
        raise Dishonoured(
            place,
            f"a tree of {steps} levels (draft_length) and top_k {top_k} has {steps} to {most} "
            f"tokens, not {drafted}",
        )
    if top_k > 1:
        _check_backend(request, TREE_BACKENDS, "a tree")
    return Speculation(
        settings=(
            *head,
            told("--speculative-num-steps", steps),
            told("--speculative-eagle-topk", top_k),
            told("--speculative-num-draft-tokens", drafted + 1),
        ),
        drafted=drafted,
        reserved=max(top_k * steps, drafted + 1),
        is_tree=top_k > 1,
        verified_on=TREE_BACKENDS if top_k > 1 else (),
    )


def _ngram(request: LaunchRequest, head: tuple[Setting, ...]) -> Speculation:
    length, args = request.draft_length, request.drafter_args
    _check_backend(request, NGRAM_BACKENDS, "n-grams")
    if length >= NGRAM_DEPTH:
        raise Dishonoured(
            ("drafter", "draft_length"),
            f"SGLang keeps n-grams of {NGRAM_DEPTH} tokens, which continue {NGRAM_DEPTH - 1} at "
            f"most, not {length}",
        )
    if request.version == PAPER:
        shortest, longest = args.get("ngram_min", NGRAM_SIZES[0]), args.get("ngram_max")
        longest = max(shortest, NGRAM_SIZES[1]) if longest is None else longest
        if not shortest <= longest < NGRAM_DEPTH:
            raise Dishonoured(
                ("drafter", "args", "ngram_max" if "ngram_max" in args else "ngram_min"),
                f"SGLang matches n-grams of fewer than {NGRAM_DEPTH} tokens, the shortest first: "
                f"{shortest} to {longest} can't be",
            )
        sizes: tuple[Setting, ...] = (
            told("--speculative-ngram-min-match-window-size", shortest),
            told("--speculative-ngram-max-match-window-size", longest),
            told("--speculative-ngram-branch-length", NGRAM_DEPTH),
        )
    else:
        for key in NGRAM_ARGS:
            if key in args:
                raise Dishonoured(
                    ("drafter", "args", key),
                    f"SGLang {request.version} can't be told the size of its n-grams: leave it out",
                )
        sizes = (told("--speculative-ngram-max-trie-depth", NGRAM_DEPTH),)
    return Speculation(
        settings=(
            *head,
            told("--speculative-num-draft-tokens", length + 1),
            told("--speculative-ngram-min-bfs-breadth", 1),
            told("--speculative-ngram-max-bfs-breadth", 1),
            *sizes,
        ),
        drafted=length,
        reserved=length + 1,
        verified_on=NGRAM_BACKENDS,
    )


def _dflash(request: LaunchRequest, head: tuple[Setting, ...]) -> Speculation:
    length = request.draft_length
    return Speculation(
        settings=(*head, told("--speculative-num-draft-tokens", length + 1)),
        drafted=length,
        reserved=length + 1,
    )


def _check_backend(request: LaunchRequest, good: tuple[str, ...], what: str) -> None:
    backend = replaced(request, "attention-backend")
    if backend not in good:
        raise Dishonoured(
            ("drafter", "method"),
            f"SGLang verifies {what} wrongly, or not at all, with the attention backend {backend}: "
            "write engine.args: {attention_backend: triton}",
        )


def _check_sampling(request: LaunchRequest, *, is_tree: bool) -> None:
    """Refuse a temperature that verification would ignore."""
    samples = (
        request.family != "rocm"
        or not request.temperature
        or (request.version != PAPER and request.method in ("eagle", "mtp") and not is_tree)
    )
    if not samples:
        raise Dishonoured(
            ("workload", "sampling", "temperature"),
            f"SGLang {request.version} verifies {request.method} on ROCm as if it were 0, "
            f"whatever is asked: {request.temperature:g} can't be",
        )
