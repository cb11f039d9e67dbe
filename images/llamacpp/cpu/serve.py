"""Serve llama.cpp's own HTTP server from the xllamacpp wheel, spoken to in llama-server's flags.

The wheel carries llama.cpp's server as a library and no program of its own. This file is that
program: it takes the same flags as `llama-server` for what specseal sets, so that one launch line
serves this image and llama.cpp's official one. A flag it does not know is an error.

Source of the flags: ggml-org/llama.cpp, tools/server/README.md (October 2026).
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

import xllamacpp


def parser() -> argparse.ArgumentParser:
    """Return the parser of the flags that specseal's llama.cpp adapter writes."""
    flags = argparse.ArgumentParser(prog="serve.py", allow_abbrev=False)
    flags.add_argument("--model", required=True)
    flags.add_argument("--host", required=True)
    flags.add_argument("--port", required=True, type=int)
    flags.add_argument("--ctx-size", required=True, type=int, help="tokens, shared by all slots")
    flags.add_argument("--parallel", required=True, type=int, help="slots")
    flags.add_argument("--threads", required=True, type=int)
    flags.add_argument("--metrics", action="store_true")
    flags.add_argument("--no-cache-prompt", action="store_true")
    flags.add_argument("--cache-ram", required=True, type=int, help="MiB; 0 is off")
    flags.add_argument("--offline", action="store_true")
    flags.add_argument("--spec-type", choices=["none", "ngram-simple"], default="none")
    flags.add_argument("--spec-ngram-simple-size-n", type=int)
    flags.add_argument("--spec-ngram-simple-size-m", type=int)
    flags.add_argument("--spec-ngram-simple-min-hits", type=int)
    return flags


def to_params(given: argparse.Namespace) -> Any:
    """Return llama.cpp's parameters for parsed flags."""
    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = [given.host]
    params.port = given.port
    params.n_ctx = given.ctx_size
    params.n_parallel = given.parallel
    params.cpuparams.n_threads = given.threads
    params.cpuparams_batch.n_threads = given.threads
    params.endpoint_metrics = given.metrics
    params.cache_prompt = not given.no_cache_prompt
    params.cache_ram_mib = given.cache_ram
    params.offline = given.offline
    params.fit_params = False  # never resize the context to what happens to be free
    params.ui = False
    if given.spec_type == "ngram-simple":
        params.speculative.types = [
            xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE
        ]
        ngram = params.speculative.ngram_simple
        ngram.size_n = given.spec_ngram_simple_size_n
        ngram.size_m = given.spec_ngram_simple_size_m
        ngram.min_hits = given.spec_ngram_simple_min_hits
    return params


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
