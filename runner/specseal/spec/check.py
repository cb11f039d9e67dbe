"""What a spec may not say although the schema allows it.

Three questions, asked of a document whose form the schema has already judged:

1. `contradictions`: does it make sense in itself (a drafter model where the method has none)?
2. `not_built`: does it ask for something that version 1 of the format has, but specseal does not
   yet? Refused by name, never ignored.
3. `dishonoured`: can the engine do it, at this version, on this accelerator?

None of them runs anything, and none knows an engine: what engines can do is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Protocol

from specseal.spec.document import Document, Finding, Place
from specseal.spec.model import Hardware, Sampling
from specseal.spec.schema import shown, spec_paths, suggestion

METHODS_WITHOUT_MODEL = ("none", "ngram", "suffix")


class Capabilities(Protocol):
    """What engines can do."""

    def methods(self, engine: str, accelerator: str) -> frozenset[str]:
        """Return the drafting methods that an engine honours on an accelerator."""
        ...

    def versions(self, engine: str, accelerator: str) -> tuple[str, ...]:
        """Return the versions that can be locked for an accelerator, newest first."""
        ...


NOT_BUILT: dict[str, tuple[Any, ...]] = {
    "engine.name": ("llamacpp",),
    "engine.parallel": (),
    "engine.dtype": (),
    "engine.quantization": (),
    "engine.prefix_cache": (False,),
    "engine.chunked_prefill": (),
    "engine.args": (),
    "hardware.accelerator": ("cpu",),
    "hardware.count": (1,),  # a CPU is one device: another count would only bend its figures
    "hardware.driver": (),
    "drafter.method": ("none", "ngram"),
    "drafter.args.kind": ("simple",),
    "drafter.args.top_k": (),
    "drafter.args.draft_tokens": (),
    "workload.inputs": (["dataset"],),
    "workload.load.mode": ("closed",),
    "workload.load.rate": (),
    "workload.load.duration_s": (),
    "workload.slo": (),
    "sweep.*": (),
    "claims.*": (),
}
"""What works so far of each path that is not whole; () where nothing does.

`*` is any key or item.
"""


def contradictions(document: Document) -> Iterator[Finding]:
    """Yield where a spec contradicts itself, or names what can't be."""
    for check in _CONTRADICTIONS:
        yield from check(document)


def not_built(document: Document) -> Iterator[Finding]:
    """Yield what the format has and specseal does not, yet."""
    for path, built in NOT_BUILT.items():
        for place, value in _matches(document.value, (), path.split(".")):
            if not built:
                yield document.at_key(place, "is not supported yet: leave it out")
            elif value not in built:
                instead = " or ".join(shown(choice) for choice in built)
                message = f"{shown(value)} is not supported yet: write {instead}"
                yield document.at_value(place, message)


def dishonoured(document: Document, capabilities: Capabilities) -> Iterator[Finding]:
    """Yield what the engine can't do on the accelerator, and the nearest thing it can."""
    engine = _at(document, "engine", "name")
    accelerator = _at(document, "hardware", "accelerator") or Hardware().accelerator
    if (
        engine not in NOT_BUILT["engine.name"]
        or accelerator not in NOT_BUILT["hardware.accelerator"]
    ):
        return  # `not_built` has said so, or the schema
    methods = sorted(capabilities.methods(engine, accelerator))
    method = _at(document, "drafter", "method")
    if method is not None and method not in methods:
        instead = f"use one of {', '.join(methods)}" if methods else "it does not run there"
        message = f"{engine} on {accelerator} does not honour {shown(method)}; {instead}"
        yield document.at_value(("drafter", "method"), message)
    if _at(document, "engine", "image", "ref") is not None:
        return  # an official image is locked by its digest, and needs no pins of ours
    versions = capabilities.versions(engine, accelerator)
    version = _at(document, "engine", "version")
    if version is not None and versions and version not in versions:
        near = suggestion(version, versions) or f"; the newest with pins is {shown(versions[0])}"
        message = f"{shown(version)} has no pins for {engine} on {accelerator}{near}"
        yield document.at_value(("engine", "version"), message)


def _at(document: Document, *place: str) -> Any:
    """Return the value at a place, or None where there is none."""
    value = document.value
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _matches(value: Any, place: Place, pattern: list[str]) -> Iterator[tuple[Place, Any]]:
    """Yield each place, and its value, that a pattern of keys matches."""
    if not pattern:
        yield place, value
        return
    items = enumerate(value) if isinstance(value, list) else _items(value)
    for key, item in items:
        if pattern[0] in ("*", key):
            yield from _matches(item, (*place, key), pattern[1:])


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _drafter_fits_method(document: Document) -> Iterator[Finding]:
    drafter = _at(document, "drafter")
    method, length = _at(document, "drafter", "method"), _at(document, "drafter", "draft_length")
    if not isinstance(method, str):
        return
    if method in METHODS_WITHOUT_MODEL and "model" in drafter:
        place: Place = ("drafter", "model")
        yield document.at_key(place, f"method {method} uses no model: leave it out")
    if method == "none":
        if length:
            message = f"method none drafts nothing, {shown(length)} tokens can't be: leave it out"
            yield document.at_value(("drafter", "draft_length"), message)
        if drafter.get("args"):
            place = ("drafter", "args")
            yield document.at_key(place, "method none takes no arguments: leave it out")
    elif "draft_length" not in drafter:
        place = ("drafter", "draft_length")
        yield document.at_key(place, f"is missing: method {method} drafts at least 1 token")
    elif length == 0:
        message = f"method {method} drafts at least 1 token; to draft none, write method: none"
        yield document.at_value(("drafter", "draft_length"), message)


def _ngram_sizes_agree(document: Document) -> Iterator[Finding]:
    place = ("drafter", "args", "ngram_max")
    longest, shortest = _at(document, *place), _at(document, *place[:-1], "ngram_min")
    if _at(document, "drafter", "method") == "ngram" and longest not in (None, shortest):
        yield document.at_value(place, "kind simple has one size: write the same as ngram_min")


def _context_holds_output(document: Document) -> Iterator[Finding]:
    context = _at(document, "engine", "context_length")
    output = _at(document, "workload", "sampling", "max_tokens") or Sampling().max_tokens
    if isinstance(context, int) and isinstance(output, int) and context <= output:
        message = f"{context} tokens can't hold a prompt and max_tokens ({output}) of output"
        yield document.at_value(("engine", "context_length"), message)


def _sweep_paths_exist(document: Document) -> Iterator[Finding]:
    known = {path for path in spec_paths() if path.partition(".")[0] in _SWEEPABLE}
    for path, _ in _items(_at(document, "sweep")):
        inside_free_form = any(
            path.startswith(free[:-1]) and path != free[:-1] for free in known if free[-1] == "*"
        )
        if path.endswith("*") or not (path in known or inside_free_form):
            hint = suggestion(path, known) or "; a path reads like drafter.draft_length"
            yield document.at_key(("sweep", path), f"no such path in a spec{hint}")


def _load_can_be_reached(document: Document) -> Iterator[Finding]:
    load = ("workload", "load")
    requests, levels = _at(document, *load, "requests"), _at(document, *load, "concurrency")
    if isinstance(requests, int) and isinstance(levels, list):
        for index, level in enumerate(levels):
            if isinstance(level, int) and level > requests:
                message = f"{level} at once are never reached with {requests} requests: raise them"
                yield document.at_value((*load, "concurrency", index), message)


def _paths_are_beside_the_spec(document: Document) -> Iterator[Finding]:
    for source in (("model",), ("drafter", "model"), ("workload", "dataset")):
        path = _at(document, *source, "path")
        if not isinstance(path, str):
            continue
        if path.startswith("~") or "$" in path:
            message = f"nothing in {shown(path)} is expanded: write the path out"
            yield document.at_value((*source, "path"), message)
        elif path.startswith("/") or ".." in PurePosixPath(path).parts:
            message = (
                f"{shown(path)} leaves the spec's folder: put the file beside the spec or below it"
            )
            yield document.at_value((*source, "path"), message)


def _file_is_inside_package(document: Document) -> Iterator[Finding]:
    for source in (("model",), ("drafter", "model")):
        file = _at(document, *source, "file")
        if isinstance(file, str) and (file.startswith("/") or ".." in PurePosixPath(file).parts):
            message = f"{shown(file)} leaves the package: write the path inside it"
            yield document.at_value((*source, "file"), message)


_SWEEPABLE = ("engine", "hardware", "model", "drafter", "baseline", "workload")
_CONTRADICTIONS: tuple[Callable[[Document], Iterator[Finding]], ...] = (
    _drafter_fits_method,
    _ngram_sizes_agree,
    _context_holds_output,
    _sweep_paths_exist,
    _load_can_be_reached,
    _paths_are_beside_the_spec,
    _file_is_inside_package,
)
