"""The capability table of all engines, as questions that a spec's checks ask of it.

A spec outside the table is refused before anything runs, with the nearest thing that works: an
engine that falls back to something else in silence is measured under the wrong name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from specseal.engines.base import (
    ANY_FAMILY,
    Capability,
    Engine,
    LaunchRequest,
    accelerator_family,
)
from specseal.errors import Dishonoured
from specseal.plan import BASELINE, Job
from specseal.spec.locked import Lock
from specseal.spec.model import Spec

DEFAULT_CONTEXT_TOKENS = 4096
_MOST_NAMED = 3


def asked_of_engine(spec: Spec) -> dict[str, Any]:
    """Return what a spec asks of its engine, as adapters and the lock have it, but for the image.

    Optional settings that the spec leaves out are left out here too, so that a setting that comes
    with a later version changes no lock that does without it.
    """
    engine = spec.engine
    family = accelerator_family(spec.hardware.accelerator)
    common: dict[str, Any] = {"name": engine.name, "version": engine.version, "family": family}
    common["prefix_cache"] = engine.prefix_cache
    if engine.url is not None:
        # How a running server is set up is not known: only how it is spoken to is.
        unknown = {"context_length": None, "max_sequences": None}
        spoken = {"api": engine.api, "model": engine.model, "metrics": engine.metrics}
        return {**common, **unknown, **spoken}
    optional = {
        "parallel": engine.parallel,
        "dtype": engine.dtype,
        "quantization": engine.quantization,
        "chunked_prefill": engine.chunked_prefill,
        "args": engine.args,
    }
    return {
        **common,
        "context_length": engine.context_length or DEFAULT_CONTEXT_TOKENS,
        "max_sequences": engine.max_sequences,
        **{key: value for key, value in optional.items() if value not in (None, {})},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What engines can do."""

    engines: Mapping[str, Engine]

    def rows(self) -> tuple[Capability, ...]:
        """Return every row, engine by engine."""
        return tuple(row for adapter in self.engines.values() for row in adapter.capabilities())

    def methods(self, engine: str, accelerator: str, version: str | None = None) -> frozenset[str]:
        """Return the methods that an engine honours on an accelerator, of a version or of any."""
        return frozenset(
            row.method
            for row in self._of(engine, accelerator)
            if version is None or not row.versions or version in row.versions
        )

    def versions(self, engine: str, accelerator: str) -> tuple[str, ...]:
        """Return the versions that are known for an accelerator, newest first."""
        return tuple(
            dict.fromkeys(v for row in self._of(engine, accelerator) for v in row.versions)
        )

    def honours(self, engine: str) -> frozenset[str]:
        """Return the optional keys of the spec's `engine` that an engine honours, by path."""
        return self.engines[engine].honours if engine in self.engines else frozenset()

    def args(self, engine: str, accelerator: str, method: str) -> frozenset[str]:
        """Return the keys of `drafter.args` that an engine honours with a method."""
        rows = (row for row in self._of(engine, accelerator) if row.method == method)
        return frozenset(key for row in rows for key in row.args)

    def nearest(
        self, engine: str, accelerator: str, method: str, version: str | None = None
    ) -> str:
        """Return what works instead, in words: other methods here, and this method elsewhere.

        Args:
            engine: the engine asked for.
            accelerator: where it was to run.
            method: what it does not honour there.
            version: in that version only; None: in none.
        """
        return "; ".join(self._nearest(engine, accelerator_family(accelerator), method, version))

    def _nearest(self, engine: str, family: str, method: str, version: str | None) -> Iterator[str]:
        rows = [row for row in self.rows() if row.versions]
        home = [row for row in rows if (row.engine, row.family) == (engine, family)]
        here = {row.method for row in home if version is None or version in row.versions}
        if here:
            yield f"use one of {', '.join(sorted(here))}"
        else:
            families = sorted({row.family for row in rows if row.engine == engine})
            yield f"{engine} runs on {', '.join(families)}" if families else "name another engine"
        # The nearest first: another version of the same engine, then others on the same device.
        elsewhere = [
            f"{row.engine} {row.versions[0]} on {row.family}"
            for row in sorted(rows, key=lambda row: (row not in home, row.family != family))
            if row.method == method and (version is not None or row not in home)
        ]
        if method != "none" and elsewhere:
            yield f"{method} works with {', '.join(elsewhere[:_MOST_NAMED])}"

    def refusal(self, spec: Spec) -> tuple[tuple[str, ...], str] | None:
        """Return where and why an engine can't honour a spec although each key by itself is fine.

        None where it can, in speculation and, where that is asked for, without.
        """
        adapter = self.engines.get(spec.engine.name)
        if adapter is None:
            return None
        for request in requests(spec):
            try:
                adapter.launch(request)
            except Dishonoured as refused:
                return refused.place, refused.reason
        return None

    def image_reference(self, spec: Spec) -> str | None:
        """Return the official image that a spec's engine runs in, or is built on.

        None where it is built from wheels, and for a running server.
        """
        engine = spec.engine
        adapter = self.engines.get(engine.name)
        if engine.image_ref or engine.url or adapter is None:
            return engine.image_ref
        return adapter.official_image(spec.hardware.accelerator, engine.version)

    def _of(self, engine: str, accelerator: str) -> tuple[Capability, ...]:
        families = (accelerator_family(accelerator), ANY_FAMILY)
        return tuple(row for row in self.rows() if row.engine == engine and row.family in families)


def requests(spec: Spec) -> Iterator[LaunchRequest]:
    """Yield what a spec without a sweep asks of its engine: speculation, and the baseline."""
    drafter, engine = spec.drafter, spec.engine
    pairs = {(drafter.method, drafter.draft_length)}
    if spec.baseline == "autoregressive":
        pairs.add(("none", 0))
    most = engine.max_sequences or max(spec.workload.load.concurrency, default=1)
    for method, draft_length in sorted(pairs):
        yield launch_request(spec, method=method, draft_length=draft_length, max_sequences=most)


def request_of(job: Job, lock: Lock) -> LaunchRequest:
    """Return what a job of a plan asks of its engine.

    Args:
        job: the job.
        lock: of the job's variant.
    """
    speculates = job.method != BASELINE
    return LaunchRequest(
        method=job.method,
        draft_length=job.draft_length,
        drafter_args=lock.drafter["args"] if speculates else {},
        has_drafter_model=speculates and bool(lock.drafter["files"]),
        max_sequences=job.max_sequences,
        engine=lock.engine,
        devices=lock.hardware["count"],
        url=lock.spec["url"],
        temperature=max((phase.sampling["temperature"] for phase in job.phases), default=None),
    )


def _image_named(spec: Spec) -> dict[str, Any]:
    """Return what an adapter may ask of an image before it is locked: that one is named."""
    named = spec.engine.image_ref if not spec.engine.is_built else None
    return {"image": {"repository": named}} if named else {}


def launch_request(
    spec: Spec,
    *,
    method: str,
    draft_length: int,
    max_sequences: int,
    temperature: float | None = None,
) -> LaunchRequest:
    """Return what one launch of a spec without a sweep asks; see `LaunchRequest`.

    Args:
        spec: the spec.
        method: the drafter's, or `none`.
        draft_length: of that method.
        max_sequences: sequences that are decoded at once.
        temperature: the greatest of all phases; None: the spec's.
    """
    speculates = method != "none"
    return LaunchRequest(
        method=method,
        draft_length=draft_length,
        drafter_args=spec.drafter.args if speculates else {},
        has_drafter_model=speculates and spec.drafter.model is not None,
        max_sequences=max_sequences,
        engine=asked_of_engine(spec) | _image_named(spec),
        devices=spec.hardware.count,
        url=spec.engine.url,
        temperature=spec.workload.sampling.temperature if temperature is None else temperature,
    )
