"""What llama.cpp is told of drafting: a row a method, and a row a kind of n-gram drafting.

Thresholds are all switched off, so that a draft has the length that is asked for wherever llama.cpp
has as many tokens to propose. What its n-gram kinds do by themselves stays: `map-k` and `map-k4v`
draft fewer where less was accepted before. `mod` has one table for all sequences and never clears
it: a prompt that was sent before, in warm-up or at another load, is drafted from its own former
answer (seen with 2026.10.11549: 27 of 27 draft tokens accepted the second time, none drafted the
first).

Source: ggml-org/llama.cpp of build 11549 (October 2026), common/speculative.cpp, common/arg.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specseal.engines.base import LaunchRequest
from specseal.errors import Dishonoured

LONGEST = 1024
"""Tokens: the most that llama.cpp takes for an n-gram or a draft of one."""
DEFAULT_KIND = "simple"
NGRAM_ARGS = ("kind", "ngram_min", "ngram_max")
NO_SPECULATION = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class NgramKind:
    """One way of drafting out of what was seen before."""

    type: str
    """llama.cpp's name."""
    size: str
    """Flag of the length that is looked up."""
    length: str
    """Flag of the draft's length."""
    threshold: tuple[str, str]
    """What keeps it from dropping drafts for being rare or short."""
    default_size: int
    drafts_at_least_size: bool = False
    """Whether it drops every draft shorter than what it looks up."""


def _hits(name: str, *, drafts_at_least_size: bool = False) -> NgramKind:
    return NgramKind(
        type=f"ngram-{name}",
        size=f"--spec-ngram-{name}-size-n",
        length=f"--spec-ngram-{name}-size-m",
        threshold=(f"--spec-ngram-{name}-min-hits", "1"),
        default_size=3,
        drafts_at_least_size=drafts_at_least_size,
    )


NGRAM_KINDS: Mapping[str, NgramKind] = {
    "simple": _hits("simple", drafts_at_least_size=True),
    "map-k": _hits("map-k"),
    "map-k4v": _hits("map-k4v"),
    "mod": NgramKind(
        type="ngram-mod",
        size="--spec-ngram-mod-n-match",
        length="--spec-ngram-mod-n-max",
        threshold=("--spec-ngram-mod-n-min", "0"),
        default_size=16,  # shorter ones it warns of
    ),
}
"""By `drafter.args.kind`."""
_REFUSED_KINDS = {
    "cache": "keeps what a sequence left behind for the next one, and drafts up to 8 tokens "
    "whatever is asked",
}
"""Source: llama.cpp issue 27852, whose mend is not in build 11549; common/speculative.cpp, `8`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDrafter:
    """One way of drafting by a model."""

    type: str
    """llama.cpp's name."""
    may_lack_file: bool = False
    """Whether the drafter may be inside the target's file."""
    runs_split: bool = True
    """Whether it drafts for a target that several devices share."""


MODEL_DRAFTERS: Mapping[str, ModelDrafter] = {
    "draft_model": ModelDrafter(type="draft-simple"),
    "eagle3": ModelDrafter(type="draft-eagle3"),
    "mtp": ModelDrafter(type="draft-mtp", may_lack_file=True),
    # llama.cpp issues 27819 and 27833: it stops at an assertion.
    "dflash": ModelDrafter(type="draft-dflash", runs_split=False),
}
"""By the spec's method."""

METHODS = (NO_SPECULATION, "ngram", *MODEL_DRAFTERS)
_METHOD_OF_TYPE = {
    NO_SPECULATION: NO_SPECULATION,
    **{kind.type: "ngram" for kind in NGRAM_KINDS.values()},
    **{drafter.type: method for method, drafter in MODEL_DRAFTERS.items()},
}


def drafting_type(request: LaunchRequest) -> str:
    """Return llama.cpp's name of what a request drafts with. Raises: Dishonoured."""
    if request.method == NO_SPECULATION:
        return NO_SPECULATION
    if request.method == "ngram":
        return _ngram_kind(request.drafter_args).type
    return _model_drafter(request.method).type


def types_said(text: str) -> frozenset[str]:
    """Return what a slot says that it drafts with: `none,draft-simple` is `draft-simple`.

    The list starts with `none` where it was set by a flag.
    """
    names = frozenset(text.split(","))
    return names - {NO_SPECULATION} or frozenset({NO_SPECULATION})


def method_of(types: frozenset[str]) -> str | None:
    """Return the spec's name of a method by what llama.cpp says that it drafts with."""
    methods = {_METHOD_OF_TYPE.get(one) for one in types}
    return methods.pop() if len(methods) == 1 else None


def drafting_flags(request: LaunchRequest, *, devices: int) -> tuple[str, ...]:
    """Return the flags of drafting.

    Args:
        request: what is asked.
        devices: accelerators that share the target; 0 on the CPU.

    Raises:
        Dishonoured: llama.cpp can't draft so.
    """
    if request.method == NO_SPECULATION:
        return ("--spec-type", NO_SPECULATION)
    if request.draft_length > LONGEST:
        raise Dishonoured(("drafter", "draft_length"), f"llama.cpp drafts {LONGEST} tokens at most")
    if request.method == "ngram":
        return _ngram_flags(request)
    return _model_flags(request, devices)


def _ngram_flags(request: LaunchRequest) -> tuple[str, ...]:
    kind = _ngram_kind(request.drafter_args)
    size = _ngram_size(request.drafter_args, kind)
    if kind.drafts_at_least_size and request.draft_length < size:
        # Seen with 2026.10.11549: it drops every draft shorter than what it looks up.
        raise Dishonoured(
            ("drafter", "draft_length"),
            f"llama.cpp drafts nothing where it ({request.draft_length}) is less than "
            f"drafter.args.ngram_min ({size}, and 3 where the spec leaves it out): lower that",
        )
    return (
        "--spec-type", kind.type, kind.size, str(size),
        kind.length, str(request.draft_length), *kind.threshold,
    )  # fmt: skip


def _ngram_kind(args: Mapping[str, Any]) -> NgramKind:
    name = args.get("kind", DEFAULT_KIND)
    place, known = ("drafter", "args", "kind"), ", ".join(NGRAM_KINDS)
    if name in _REFUSED_KINDS:
        message = f"llama.cpp's {name} {_REFUSED_KINDS[name]}: write one of {known}"
        raise Dishonoured(place, message)
    if name not in NGRAM_KINDS:
        raise Dishonoured(place, f"{name!r} is no kind of llama.cpp: write one of {known}")
    return NGRAM_KINDS[name]


def _ngram_size(args: Mapping[str, Any], kind: NgramKind) -> int:
    size: int = args.get("ngram_min", kind.default_size)
    if args.get("ngram_max") not in (None, args.get("ngram_min")):
        raise Dishonoured(
            ("drafter", "args", "ngram_max"),
            f"llama.cpp looks up n-grams of one size, here {size}: write the same as ngram_min",
        )
    if size > LONGEST:
        raise Dishonoured(
            ("drafter", "args", "ngram_min"), f"llama.cpp looks up {LONGEST} tokens at most"
        )
    return size


def _model_drafter(method: str) -> ModelDrafter:
    if method not in MODEL_DRAFTERS:
        raise Dishonoured(("drafter", "method"), f"llama.cpp: no launch line for {method!r}")
    return MODEL_DRAFTERS[method]


def _model_flags(request: LaunchRequest, devices: int) -> tuple[str, ...]:
    drafter = _model_drafter(request.method)
    if not (request.has_drafter_model or drafter.may_lack_file):
        raise Dishonoured(
            ("drafter", "model"), f"is missing: {request.method} drafts with a GGUF file of its own"
        )
    if devices > 1 and not drafter.runs_split:
        raise Dishonoured(
            ("drafter", "method"),
            f"llama.cpp does not draft by {request.method} for a model that is split over "
            f"{devices} devices: write parallel: {{tensor: 1}}",
        )
    flags = ["--spec-type", drafter.type]
    if request.has_drafter_model:
        flags += ["--spec-draft-model", "{drafter}"]
    flags += [
        "--spec-draft-n-max", str(request.draft_length),
        "--spec-draft-n-min", "0", "--spec-draft-p-min", "0", "--spec-draft-sampling", "greedy",
    ]  # fmt: skip
    if request.has_drafter_model and devices:
        flags += ["--spec-draft-ngl", "all"]
    return tuple(flags)
