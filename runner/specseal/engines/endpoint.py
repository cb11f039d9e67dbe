"""Any running server that speaks OpenAI's API: measured as it is, started and stopped by others.

What is behind it can't be pinned, and with it no claim of the spec about engine, version or drafter
can be held against anything but what its counters say.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from specseal.engines.base import ANY_FAMILY, FOLDER, Capability, Launch, LaunchRequest
from specseal.engines.counters import (
    ALL_POSITIONS_FROM_THE_START,
    COUNTERS,
    counts_of,
    counts_to_detect,
)
from specseal.errors import InputError
from specseal.records import JobStatus, Snapshot

METHODS = (
    "none", "ngram", "suffix", "draft_model", "eagle", "eagle3", "medusa", "mtp", "dflash",
)  # fmt: skip
DIALECTS = {"completions": "openai-completions", "chat": "openai-chat"}
NO_METRICS = "none"
MODELS = "/v1/models"
"""The one page that every server of this API has."""


class Endpoint:
    """The adapter of a running server."""

    name = "endpoint"
    loads = FOLDER
    honours: frozenset[str] = frozenset()

    def capabilities(self) -> tuple[Capability, ...]:
        """Return a row for every method: what a running server does is not up to us."""
        return tuple(
            Capability(
                engine=self.name,
                family=ANY_FAMILY,
                method=method,
                versions=(),
                flags="none: it is stated, and its counters are held against it",
                args=("kind", "ngram_min", "ngram_max", "top_k", "draft_tokens"),
                source="the spec",
                evidence="the server's operator",
            )
            for method in METHODS
        )

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return None: nothing is started."""
        return None

    def launch(self, request: LaunchRequest) -> Launch:
        """Return how the client talks to the server; nothing is started.

        Raises:
            InputError: no URL, or an API or a page of metrics that there is not.
        """
        api, metrics = request.engine["api"], request.engine["metrics"]
        if request.url is None:
            raise InputError("engine endpoint: no url", mend="name it as engine.url")
        if api not in DIALECTS:
            raise InputError(f"engine.api: {api!r} is none of {', '.join(DIALECTS)}")
        return Launch(
            args=(),
            dialect=DIALECTS[api],
            counts=_counts(metrics),
            health_path=MODELS,
            readback={"models": MODELS},
            shm_bytes=0,
            locks_memory=False,
            one_chunk_a_step=False,  # what it is may be known once its page of metrics is read
            cut_at_limit=True,  # not known, so the wider bound is taken
            url=request.url,
            model=request.engine["model"],
        )

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return None: servers of this API do not say what they are."""
        return None

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return None: nothing in this API tells how a server drafts."""
        return None

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return how many draft positions are counted, where all are from the start."""
        whose = request.engine["metrics"] or engine.get("counts", {}).get("source")
        if whose not in ALL_POSITIONS_FROM_THE_START:
            return None
        return max((len(one.accepted_per_position or ()) for one in snapshots), default=0) or None

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Return what the counters say against the request.

        They go on from before the job, so only what a phase adds to them counts.
        """
        before = {one.phase: one for one in snapshots if one.moment == "before"}
        against: list[str] = []
        for after in snapshots:
            if after.moment == "after" and after.phase in before:
                against += _contradictions(request, before[after.phase], after)
        return tuple(dict.fromkeys(against))


def _counts(metrics: str | None) -> dict[str, Any]:
    if metrics is None:
        return counts_to_detect()
    if metrics == NO_METRICS:
        return {"source": "none"}
    if metrics not in COUNTERS:
        known = ", ".join((*COUNTERS, NO_METRICS))
        raise InputError(f"engine.metrics: {metrics!r} is none of {known}")
    return counts_of(metrics)


def _contradictions(request: LaunchRequest, before: Snapshot, after: Snapshot) -> list[str]:
    """Return in what a phase's counts differ from what was asked."""
    drafts = _added(before.drafts, after.drafts)
    draft_tokens = _added(before.draft_tokens, after.draft_tokens)
    if request.method == "none":
        return [f"it drafted {drafts} times, asked for no speculation"] if drafts else []
    against = []
    if drafts and draft_tokens is not None and draft_tokens > drafts * request.draft_length:
        mean = draft_tokens / drafts
        against.append(f"drafts had {mean:.2f} tokens, asked for {request.draft_length}")
    longest = _longest(before.accepted_per_position, after.accepted_per_position)
    if longest > request.draft_length:
        against.append(f"a draft had {longest} tokens, asked for {request.draft_length}")
    return against


def _added(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _longest(before: tuple[int, ...] | None, after: tuple[int, ...] | None) -> int:
    """Return how many draft tokens of one draft were accepted at most."""
    positions = zip_longest(before or (), after or (), fillvalue=0)
    return max((at for at, (low, high) in enumerate(positions, 1) if high > low), default=0)
