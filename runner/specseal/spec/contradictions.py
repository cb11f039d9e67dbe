"""Where a spec contradicts itself, or names what can't be: one check each, in one table.

Asked of a document whose form the schema has already judged. Nothing here knows an engine; what a
spec may say of a running server, and of hardware, are tables of their own (`endpoint`, `hardware`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from specseal.spec.document import Document, Finding, Place
from specseal.spec.endpoint import ENDPOINT_CHECKS, is_endpoint
from specseal.spec.hardware import HARDWARE_CHECKS
from specseal.spec.model import Load, Sampling
from specseal.spec.schema import shown

METHODS_WITHOUT_MODEL = ("none", "ngram", "suffix")
MOST_CONVERSATIONS = 1_000_000
"""In one phase: the instants of an open load are all fixed, and kept, before it begins."""

Check = Callable[[Document], Iterator[Finding]]


def contradictions(document: Document) -> Iterator[Finding]:
    """Yield where a spec contradicts itself, or names what can't be."""
    for check in _CHECKS:
        yield from check(document)


def _drafter_fits_method(document: Document) -> Iterator[Finding]:
    drafter = document.at("drafter")
    method, length = document.at("drafter", "method"), document.at("drafter", "draft_length")
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


def _context_holds_output(document: Document) -> Iterator[Finding]:
    context = document.at("engine", "context_length")
    output = document.at("workload", "sampling", "max_tokens") or Sampling().max_tokens
    if isinstance(context, int) and isinstance(output, int) and context <= output:
        message = f"{context} tokens can't hold a prompt and max_tokens ({output}) of output"
        yield document.at_value(("engine", "context_length"), message)


_LOAD = ("workload", "load")
_BY_CONCURRENCY = ("closed", "burst", "ramp")
_KEYS_OF_MODES = {
    "concurrency": (_BY_CONCURRENCY, "an open load is offered at a rate: leave it out"),
    "rate": (("open",), "only an open load is offered at a rate: leave it out"),
    "arrival": (("open",), "only in an open load do conversations arrive: leave it out"),
}
"""Which modes have a key, and what to say in the others."""
_NEEDED_BY_MODES = {
    ("open", "rate"): "an open load is offered at a rate",
    ("ramp", "duration_s"): "a ramp rises over its duration",
}


def _load_fits_mode(document: Document) -> Iterator[Finding]:
    load = document.at(*_LOAD)
    if not isinstance(load, dict):
        return
    mode = load.get("mode", Load().mode)
    if mode not in ("open", *_BY_CONCURRENCY):
        return  # the schema has said so
    for key, (modes, message) in _KEYS_OF_MODES.items():
        if key in load and mode not in modes:
            yield document.at_key((*_LOAD, key), message)
    for (needing, key), message in _NEEDED_BY_MODES.items():
        if mode == needing and key not in load:
            yield document.at_key((*_LOAD, key), f"is missing: {message}")


def _open_load_says_how_many_at_once(document: Document) -> Iterator[Finding]:
    engine = document.at("engine")
    if document.at(*_LOAD, "mode") != "open" or not isinstance(engine, dict):
        return
    if not is_endpoint(document) and "max_sequences" not in engine:
        message = "is missing: an open load does not say how many sequences are decoded at once"
        yield document.at_key(("engine", "max_sequences"), message)


def _open_load_is_bounded(document: Document) -> Iterator[Finding]:
    rates, duration_s = document.at(*_LOAD, "rate"), document.at(*_LOAD, "duration_s")
    if not (isinstance(rates, list) and isinstance(duration_s, int | float)):
        return
    for index, rate in enumerate(rates):
        if isinstance(rate, int | float) and rate * duration_s > MOST_CONVERSATIONS:
            message = (
                f"{shown(rate)} a second for {shown(duration_s)} s are more than "
                f"{MOST_CONVERSATIONS} conversations: lower either"
            )
            yield document.at_value((*_LOAD, "rate", index), message)


def _load_can_be_reached(document: Document) -> Iterator[Finding]:
    requests, levels = document.at(*_LOAD, "requests"), document.at(*_LOAD, "concurrency")
    if isinstance(requests, int) and isinstance(levels, list):
        for index, level in enumerate(levels):
            if isinstance(level, int) and level > requests:
                message = f"{level} at once are never reached with {requests} requests: raise them"
                yield document.at_value((*_LOAD, "concurrency", index), message)


def _paths_are_beside_the_spec(document: Document) -> Iterator[Finding]:
    for source in (("model",), ("drafter", "model"), ("workload", "dataset")):
        path = document.at(*source, "path")
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
        file = document.at(*source, "file")
        if isinstance(file, str) and (file.startswith("/") or ".." in PurePosixPath(file).parts):
            message = f"{shown(file)} leaves the package: write the path inside it"
            yield document.at_value((*source, "file"), message)


def _steps_lead_to_what_is_loaded(document: Document) -> Iterator[Finding]:
    """Say where a preparation step makes what nobody loads."""
    for source in (("model",), ("drafter", "model")):
        for key in ("convert", "first_layers"):
            place: Place = (*source, key)
            if document.at(*source, key) is None:
                continue
            if is_endpoint(document):
                message = "a running server loads its own files: leave it out"
                yield document.at_key(place, message)
            elif key == "convert" and document.at("engine", "name") == "llamacpp":
                yield document.at_key(place, "llamacpp loads GGUF files as they are: leave it out")


_CHECKS: tuple[Check, ...] = (
    *ENDPOINT_CHECKS,
    *HARDWARE_CHECKS,
    _drafter_fits_method,
    _context_holds_output,
    _load_fits_mode,
    _open_load_says_how_many_at_once,
    _open_load_is_bounded,
    _load_can_be_reached,
    _paths_are_beside_the_spec,
    _file_is_inside_package,
    _steps_lead_to_what_is_loaded,
)
