"""What an engine can't do, at its version and on its accelerator, although a spec may say it.

Asked of a document whose form the schema has already judged, and which makes sense in itself
(`specseal.spec.contradictions`). Nothing is run, and no engine is known here: what engines can do
is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from specseal.spec.document import Document, Finding, Place
from specseal.spec.endpoint import is_endpoint
from specseal.spec.model import Hardware, Spec
from specseal.spec.schema import shown, suggestion


class Capabilities(Protocol):
    """What engines can do."""

    def methods(self, engine: str, accelerator: str, version: str | None = None) -> frozenset[str]:
        """Return the drafting methods that an engine honours on an accelerator."""
        ...

    def versions(self, engine: str, accelerator: str) -> tuple[str, ...]:
        """Return the versions that are known for an accelerator, newest first."""
        ...

    def honours(self, engine: str) -> frozenset[str]:
        """Return the optional keys of the spec's `engine` that an engine honours, by path."""
        ...

    def args(self, engine: str, accelerator: str, method: str) -> frozenset[str]:
        """Return the keys of `drafter.args` that an engine honours with a method."""
        ...

    def nearest(
        self, engine: str, accelerator: str, method: str, version: str | None = None
    ) -> str:
        """Return in words what works instead."""
        ...

    def refusal(self, spec: Spec) -> tuple[Place, str] | None:
        """Return where and why an engine can't honour a spec whose keys are each fine."""
        ...


_OPTIONAL = (
    ("parallel", "tensor"),
    ("parallel", "expert"),
    ("parallel", "data"),
    ("dtype",),
    ("quantization",),
    ("chunked_prefill",),
    ("args",),
)
"""Keys of `engine` that only some engines honour."""


def dishonoured(document: Document, capabilities: Capabilities) -> Iterator[Finding]:
    """Yield what the engine can't do on the accelerator, and the nearest thing it can."""
    engine = document.at("engine", "name")
    accelerator = document.at("hardware", "accelerator") or Hardware().accelerator
    if is_endpoint(document):
        return  # what it can do, only its counters tell
    method, version = document.at("drafter", "method"), document.at("engine", "version")
    if not all(isinstance(told, str) for told in (engine, accelerator, method, version)):
        return  # the schema has said so
    versions = capabilities.versions(engine, accelerator)
    if versions and version not in versions:
        near = suggestion(version, versions) or f"; the newest known is {shown(versions[0])}"
        message = f"{shown(version)} is not known for {engine} on {accelerator}{near}"
        yield document.at_value(("engine", "version"), message)
        version = None
    if method not in capabilities.methods(engine, accelerator, version):
        what = f"{engine} {version}" if version else engine
        nearest = capabilities.nearest(engine, accelerator, method, version)
        message = f"{what} on {accelerator} does not honour {shown(method)}; {nearest}"
        yield document.at_value(("drafter", "method"), message)
        return
    honoured = capabilities.honours(engine)
    for path in _OPTIONAL:
        place: Place = ("engine", *path)
        if place in document.keys and ".".join(path) not in honoured:
            yield document.at_key(place, f"{engine} has no such setting here: leave it out")
    taken = capabilities.args(engine, accelerator, method)
    args = document.at("drafter", "args")
    for key in args if isinstance(args, dict) else ():
        if key not in taken:
            instead = f"it takes {', '.join(sorted(taken))}" if taken else "it takes none"
            message = f"{engine} has no such argument with {method}: {instead}"
            yield document.at_key(("drafter", "args", key), message)


def refused(document: Document, spec: Spec, capabilities: Capabilities) -> Iterator[Finding]:
    """Yield why the engine can't honour a spec although each of its keys is fine by itself."""
    if (refusal := capabilities.refusal(spec)) is not None:
        place, message = refusal
        seat = document.at_value if place in document.values else document.at_key
        yield seat(place, message)
