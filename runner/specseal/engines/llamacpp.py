"""llama.cpp: the xllamacpp wheel's server, or the official server image; same flags for both.

Flags: ggml-org/llama.cpp, tools/server/README.md (October 2026), each seen to hold with xllamacpp
2026.10.11549.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from specseal.engines.base import GGUF, Capability, Launch, LaunchRequest
from specseal.engines.counters import counts_of
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

VERSIONS = ("2026.10.11549",)
DEFAULT_NGRAM = 3
_VERSION = re.compile(r"^xllamacpp (\S+)$", re.MULTILINE)
"""What `images/llamacpp/cpu/serve.py` prints first. The official image's program prints no such
line, and names a build and a commit instead, which can't be held against a version."""
_METHODS = {False: "none", True: "ngram"}
"""By a slot's flag `speculative`. That it drafts is all that a slot tells; but without the model of
a drafter, which no launch line here names, n-grams are all that llama.cpp can draft from."""


class LlamaCpp:
    """The adapter of llama.cpp."""

    name = "llamacpp"
    loads = GGUF
    honours: frozenset[str] = frozenset()

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows for autoregressive and n-gram decoding on the CPU."""
        return tuple(
            Capability(
                engine=self.name,
                family="cpu",
                method=method,
                versions=VERSIONS,
                flags="--spec-type none" if method == "none" else "--spec-type ngram-simple …",
                args=() if method == "none" else ("kind", "ngram_min", "ngram_max"),
                source="ggml-org/llama.cpp, tools/server/README.md (October 2026)",
                evidence="run here",
            )
            for method in ("none", "ngram")
        )

    def official_image(self, family: str, version: str) -> str | None:
        """Return None: on the CPU, it is built from the wheel."""
        return None

    def launch(self, request: LaunchRequest) -> Launch:
        """Return llama-server's flags for a job.

        llama.cpp shares its context out over its slots, so it is given as many times the context
        length as there may be sequences. The prompt cache is off: every prompt is computed.
        """
        args = (
            "--model", "{model}", "--host", "127.0.0.1", "--port", "{port}",
            "--ctx-size", str(request.context_length * request.max_sequences),
            "--parallel", str(request.max_sequences), "--threads", "{threads}",
            "--metrics", "--no-cache-prompt", "--cache-ram", "0", "--offline",
        )  # fmt: skip
        return Launch(
            args=args + self._speculation(request),
            dialect="llamacpp",
            counts=counts_of(self.name),
            health_path="/health",
            readback={"props": "/props", "slots": "/slots"},
            shm_bytes=64 << 20,
            locks_memory=False,
            one_chunk_a_step=False,  # one token a chunk, even while speculating
            cut_at_limit=False,  # the server shortens a draft to what max_tokens leaves
        )

    def _speculation(self, request: LaunchRequest) -> tuple[str, ...]:
        if request.method == "none":
            return ("--spec-type", "none")
        if request.method != "ngram":
            raise Dishonoured(
                ("drafter", "method"), f"llama.cpp: no launch line for {request.method!r}"
            )
        size = request.drafter_args.get("ngram_min", DEFAULT_NGRAM)
        if request.draft_length < size:
            # Seen with 2026.10.11549: it drops every draft shorter than what it looks up.
            raise Dishonoured(
                ("drafter", "draft_length"),
                f"llama.cpp drafts nothing where it ({request.draft_length}) is less than "
                f"drafter.args.ngram_min ({size}, and 3 where the spec leaves it out): lower that",
            )
        return (
            "--spec-type", "ngram-simple",
            "--spec-ngram-simple-size-n", str(size),
            "--spec-ngram-simple-size-m", str(request.draft_length),
            "--spec-ngram-simple-min-hits", "1",
        )  # fmt: skip

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the wheel's version, which our program prints; None of an official image.

        `/props` has a `build_info`, but the wheel's says `b0-unknown` (seen with xllamacpp
        2026.10.11549), and an image's names a commit: neither can be held against a version.
        """
        found = _VERSION.search(log)
        return found.group(1) if found else None

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return what all slots say of themselves, or None where they do not agree."""
        flags = [slot.get("speculative") for slot in engine.get("slots", [])]
        return _METHODS.get(flags[0]) if len(set(flags)) == 1 else None

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return None: positions are counted once a token was accepted there; see `proof`."""
        return None

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Hold its slots and counters against the request.

        A slot says whether it speculates and how long a sequence may be. The draft length shows
        in the counters: no position beyond it may have an accepted token.
        """
        against = []
        slots = status.engine.get("slots", [])
        if len(slots) != request.max_sequences:
            against.append(f"it has {len(slots)} slots, asked for {request.max_sequences}")
        for key, wanted in (
            ("speculative", request.method != "none"),
            ("n_ctx", request.context_length),
        ):
            found = {slot.get(key) for slot in slots}
            against += [f"{key} is {one!r}, asked for {wanted!r}" for one in found - {wanted}]
        longest = max((len(one.accepted_per_position or ()) for one in snapshots), default=0)
        if longest > request.draft_length:
            against.append(f"a draft had {longest} tokens, asked for {request.draft_length}")
        return tuple(against)
