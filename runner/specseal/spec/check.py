"""What specseal, or an engine, can't do although a spec may say it.

Two questions, asked of a document whose form the schema has already judged, and which makes sense
in itself (`specseal.spec.contradictions`):

1. `not_built`: does it ask for something that version 1 of the format has, but specseal does not
   yet? Refused by name, never ignored.
2. `dishonoured`: can the engine do it, at this version, on this accelerator?

Neither runs anything, and neither knows an engine: what engines can do is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from specseal.spec.document import Document, Finding, Place
from specseal.spec.endpoint import is_endpoint
from specseal.spec.model import ENDPOINT, Hardware
from specseal.spec.schema import shown, suggestion


class Capabilities(Protocol):
    """What engines can do."""

    def methods(self, engine: str, accelerator: str) -> frozenset[str]:
        """Return the drafting methods that an engine honours on an accelerator."""
        ...

    def versions(self, engine: str, accelerator: str) -> tuple[str, ...]:
        """Return the versions that can be locked for an accelerator, newest first."""
        ...


NOT_BUILT: dict[str, tuple[Any, ...]] = {
    "engine.name": ("llamacpp", ENDPOINT),
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
    "claims.*": (),
}
"""What works so far of each path that is not whole; () where nothing does.

`*` is any key or item.
"""
BUILT_FOR_ENDPOINT = (
    "hardware.accelerator",
    "hardware.count",
    "drafter.method",
    "drafter.args.kind",
    "drafter.args.top_k",
    "drafter.args.draft_tokens",
)
"""Rows that don't hold for a running server: what it is and does is stated, and not set."""


def not_built(document: Document) -> Iterator[Finding]:
    """Yield what the format has and specseal does not, yet."""
    for path, built in NOT_BUILT.items():
        if path in BUILT_FOR_ENDPOINT and is_endpoint(document):
            continue
        for place, value in _matches(document.value, (), path.split(".")):
            if not built:
                yield document.at_key(place, "is not supported yet: leave it out")
            elif value not in built:
                instead = " or ".join(shown(choice) for choice in built)
                message = f"{shown(value)} is not supported yet: write {instead}"
                yield document.at_value(place, message)


def dishonoured(document: Document, capabilities: Capabilities) -> Iterator[Finding]:
    """Yield what the engine can't do on the accelerator, and the nearest thing it can."""
    engine = document.at("engine", "name")
    accelerator = document.at("hardware", "accelerator") or Hardware().accelerator
    if is_endpoint(document):
        return  # what it can do, only its counters tell
    if (
        engine not in NOT_BUILT["engine.name"]
        or accelerator not in NOT_BUILT["hardware.accelerator"]
    ):
        return  # `not_built` has said so, or the schema
    methods = sorted(capabilities.methods(engine, accelerator))
    method = document.at("drafter", "method")
    if method is not None and method not in methods:
        instead = f"use one of {', '.join(methods)}" if methods else "it does not run there"
        message = f"{engine} on {accelerator} does not honour {shown(method)}; {instead}"
        yield document.at_value(("drafter", "method"), message)
    if document.at("engine", "image", "ref") is not None:
        return  # an official image is locked by its digest, and needs no pins of ours
    versions = capabilities.versions(engine, accelerator)
    version = document.at("engine", "version")
    if version is not None and versions and version not in versions:
        near = suggestion(version, versions) or f"; the newest with pins is {shown(versions[0])}"
        message = f"{shown(version)} has no pins for {engine} on {accelerator}{near}"
        yield document.at_value(("engine", "version"), message)


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
