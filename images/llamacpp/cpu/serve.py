"""Serve llama.cpp's own HTTP server from the xllamacpp wheel, spoken to in llama-server's flags.

The wheel carries llama.cpp's server as a library and no program of its own. This file is that
program: it takes the same flags as `llama-server` for what specseal sets, so that one launch line
serves this image and llama.cpp's official one. A flag it does not know is an error, and so is a
number that `llama-server` would refuse: the library itself checks none.

Source of the flags and their ranges: ggml-org/llama.cpp, common/arg.cpp of build 11549 (October
2026), from which the wheel 2026.10.11549 was made.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from typing import Any

import xllamacpp

NGRAMS = {
    "ngram-simple": ("size-n", "size-m", "min-hits"),
    "ngram-map-k": ("size-n", "size-m", "min-hits"),
    "ngram-map-k4v": ("size-n", "size-m", "min-hits"),
    "ngram-mod": ("n-match", "n-max", "n-min"),
}
"""Kinds that look n-grams up, and what each is told: `--spec-KIND-SETTING`."""
DRAFTERS = ("draft-simple", "draft-eagle3", "draft-mtp", "draft-dflash")
"""Kinds that draft with a model; `draft-mtp` may find it inside the target's file."""
RANGES = {
    "size-n": (1, 1024),
    "size-m": (1, 1024),
    "min-hits": (1, 65535),
    "n-match": (1, 1024),
    "n-max": (0, 1024),
    "n-min": (0, 1024),
}
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
FLASH = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within a range."""

    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not from {least} to {most}")
        return number

    return read


def probability(text: str) -> float:
    """Read a number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return number


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags that specseal's llama.cpp adapter writes."""
    flags = argparse.ArgumentParser(prog="serve.py", allow_abbrev=False)
    positive = whole(1, 2**31 - 1)
    flags.add_argument("--model", required=True)
    flags.add_argument("--host", required=True)
    flags.add_argument("--port", required=True, type=int)
    flags.add_argument("--ctx-size", required=True, type=positive, help="tokens, for all slots")
    flags.add_argument("--parallel", required=True, type=positive, help="slots")
    flags.add_argument("--threads", required=True, type=positive)
    flags.add_argument("--batch-size", type=positive, default=2048)
    flags.add_argument("--ubatch-size", type=positive, default=512)
    # Never off here: llama-server takes them, and this program does nothing else.
    flags.add_argument("--cont-batching", action="store_true", default=True)
    flags.add_argument("--fit", choices=["off"], default="off")
    flags.add_argument("--offline", action="store_true")
    flags.add_argument("--metrics", action="store_true")
    flags.add_argument("--cache-prompt", action=argparse.BooleanOptionalAction, default=True)
    flags.add_argument("--cache-ram", required=True, type=whole(-1, 2**31 - 1), help="MiB; 0: off")
    flags.add_argument("--flash-attn", choices=FLASH, default="auto")
    flags.add_argument("--cache-type-k", choices=CACHE_TYPES, default="f16")
    flags.add_argument("--cache-type-v", choices=CACHE_TYPES, default="f16")
    flags.add_argument("--spec-type", choices=["none", *NGRAMS, *DRAFTERS], default="none")
    for kind, settings in NGRAMS.items():
        for setting in settings:
            flags.add_argument(f"--spec-{kind}-{setting}", type=whole(*RANGES[setting]))
    flags.add_argument("--spec-draft-model")
    flags.add_argument("--spec-draft-n-max", type=whole(0, 1024))
    flags.add_argument("--spec-draft-n-min", type=whole(0, 1024))
    flags.add_argument("--spec-draft-p-min", type=probability)
    flags.add_argument("--spec-draft-sampling", choices=["greedy"], default="greedy")
    flags.add_argument("--spec-draft-type-k", choices=CACHE_TYPES, default="f16")
    flags.add_argument("--spec-draft-type-v", choices=CACHE_TYPES, default="f16")
    return flags


def to_params(given: argparse.Namespace) -> Any:
    """Return llama.cpp's parameters for parsed flags."""
    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = [given.host]
    params.port = given.port
    params.n_ctx = given.ctx_size
    params.n_parallel = given.parallel
    params.n_batch = given.batch_size
    params.n_ubatch = given.ubatch_size
    params.cont_batching = given.cont_batching
    params.cpuparams.n_threads = given.threads
    params.cpuparams_batch.n_threads = given.threads
    params.endpoint_metrics = given.metrics
    params.cache_prompt = given.cache_prompt
    params.cache_ram_mib = given.cache_ram
    params.offline = given.offline
    params.fit_params = False  # never resize the context to what happens to be free
    params.ui = False
    params.flash_attn_type = getattr(
        xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{FLASH[given.flash_attn]}"
    )
    params.cache_type_k, params.cache_type_v = map(
        cache_type, (given.cache_type_k, given.cache_type_v)
    )
    if given.spec_type != "none":
        speculate(params.speculative, given)
    return params


def speculate(speculative: Any, given: argparse.Namespace) -> None:
    """Set how tokens are drafted: one kind, with what that kind is told."""
    name = given.spec_type.replace("-", "_")
    kind = f"COMMON_SPECULATIVE_TYPE_{name.upper()}"
    speculative.types = [getattr(xllamacpp.common_speculative_type, kind)]
    if given.spec_type in NGRAMS:
        ngram = getattr(speculative, name)
        for setting in (each.replace("-", "_") for each in NGRAMS[given.spec_type]):
            set_if_given(ngram, setting, getattr(given, f"spec_{name}_{setting}"))
        return
    draft = speculative.draft
    set_if_given(draft.mparams, "path", given.spec_draft_model)
    for setting in ("n_max", "n_min", "p_min"):
        set_if_given(draft, setting, getattr(given, f"spec_draft_{setting}"))
    draft.cache_type_k, draft.cache_type_v = map(
        cache_type, (given.spec_draft_type_k, given.spec_draft_type_v)
    )


def set_if_given(target: Any, name: str, value: Any) -> None:
    """Set what was named; llama.cpp's default stays where nothing was."""
    if value is not None:
        setattr(target, name, value)


def cache_type(name: str) -> Any:
    """Return llama.cpp's constant for a type of numbers."""
    return getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}")


def main() -> None:
    """Serve until a signal comes."""
    given = parser().parse_args()
    stops = {signal.SIGTERM, signal.SIGINT}
    # Blocked before the server starts its threads: process 1 of a container has no default actions.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    print(f"xllamacpp {xllamacpp.__version__}", flush=True)
    server = xllamacpp.Server(to_params(given))
    if not server.listening_address.endswith(f":{given.port}"):
        sys.exit(f"asked for port {given.port}, listening on {server.listening_address}")
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(stops)


if __name__ == "__main__":
    main()
