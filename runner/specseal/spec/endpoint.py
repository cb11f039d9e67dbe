"""What a spec may say of a running server, and of an engine that specseal starts itself.

A running server is measured as it is. What can't be set, sent or found out about it is refused, so
that no spec states of it what nobody has seen to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from specseal.spec.document import Document, Finding, Place
from specseal.spec.model import ENDPOINT
from specseal.spec.schema import shown

_SET_BY_SERVER: tuple[Place, ...] = (
    ("engine", "version"),
    ("engine", "image"),
    ("engine", "context_length"),
    ("engine", "max_sequences"),
    ("engine", "prefix_cache"),
    ("engine", "parallel"),
    ("engine", "dtype"),
    ("engine", "quantization"),
    ("engine", "chunked_prefill"),
    ("engine", "args"),
)
_OF_ENDPOINTS: tuple[Place, ...] = (
    ("engine", "url"),
    ("engine", "model"),
    ("engine", "api"),
    ("engine", "metrics"),
)
_EXAMPLE_URL = "http://127.0.0.1:8000"


def is_endpoint(document: Document) -> bool:
    """Say whether a spec is about a running server."""
    return bool(document.at("engine", "name") == ENDPOINT)


def _keys_fit_engine(document: Document) -> Iterator[Finding]:
    if is_endpoint(document):
        refused, message = _SET_BY_SERVER, "a running server is as it is: leave it out"
    else:
        refused, message = _OF_ENDPOINTS, f"belongs to the engine {ENDPOINT}: leave it out"
    for place in refused:
        if place in document.keys:
            yield document.at_key(place, message)


def _model_fits_engine(document: Document) -> Iterator[Finding]:
    place: Place = ("model", "source")
    source = document.at("model", "source")
    if not is_endpoint(document):
        if source == "none":
            message = f"only the engine {ENDPOINT} brings its own model: say where the files are"
            yield document.at_value(place, message)
    elif source not in (None, "none") and document.at("engine", "api") == "chat":
        message = f"chat sends text, and {shown(source)} is for a tokenizer: write completions"
        yield document.at_value(("engine", "api"), f"{message}, or source none")
    if document.at("drafter", "model", "source") == "none":
        yield document.at_value(("drafter", "model", "source"), "a drafter's model has files")


def _no_token_ids_without_tokenizer(document: Document) -> Iterator[Finding]:
    if document.at("model", "source") != "none":
        return
    if document.at("engine", "api") == "completions":
        message = "completions are asked for in token ids, and source none has no tokenizer: "
        yield document.at_value(("engine", "api"), f"{message}write chat")
    inputs = document.at("workload", "inputs")
    if isinstance(inputs, list) and "random" in inputs:
        place: Place = ("workload", "inputs", inputs.index("random"))
        message = "random tokens are sent as ids, and source none has no tokenizer: leave it out"
        yield document.at_value(place, message)


def _endpoint_states_what_is_not_seen(document: Document) -> Iterator[Finding]:
    if not is_endpoint(document):
        return
    if document.at("baseline") == "autoregressive":
        message = "a running server can't be started again without speculation: write none"
        yield document.at_value(("baseline",), message)
    hardware = document.at("hardware")
    if isinstance(hardware, dict) and "accelerator" not in hardware:
        message = "is missing: say what the running server is on, or any"
        yield document.at_key(("hardware", "accelerator"), message)


def _url_is_a_base(document: Document) -> Iterator[Finding]:
    url = document.at("engine", "url")
    if isinstance(url, str) and is_endpoint(document) and (wrong := _wrong_url(url)):
        yield document.at_value(("engine", "url"), wrong)


def _wrong_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # of a port, or of an address in brackets
        return f"{shown(url)}: {error}"
    if parts.scheme not in ("http", "https") or not has_place or not _is_plain(url):
        return f"{shown(url)} is no URL like {_EXAMPLE_URL}"
    if "@" in parts.netloc:
        # Not shown again: it is what may not be in a spec.
        return "holds a user or a password: keep them out of the spec"
    if parts.path.rstrip("/").endswith("/v1"):
        return f"{shown(url)}: leave out /v1, which is put behind it"
    if "?" in url or "#" in url:
        return f"{shown(url)}: a base has no query and no fragment: leave them out"
    return None


def _is_plain(url: str) -> bool:
    # urlsplit drops tabs and line ends without a word.
    return url.isascii() and url.isprintable() and " " not in url


ENDPOINT_CHECKS: tuple[Callable[[Document], Iterator[Finding]], ...] = (
    _keys_fit_engine,
    _model_fits_engine,
    _no_token_ids_without_tokenizer,
    _endpoint_states_what_is_not_seen,
    _url_is_a_base,
)
