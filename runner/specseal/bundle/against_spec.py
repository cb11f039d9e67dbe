"""A lock held against its spec: what both say must be the same, in every variant of a sweep.

The spec is what people read, the lock is what was run. Whether a branch that a spec names was that
commit, only its hub knew: a commit that the spec names must be the lock's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from specseal.engines import asked_of_engine
from specseal.spec import Dataset, Source, Spec
from specseal.spec.locked import Lock

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAMELESS = ("path", "builtin")
"""Sources that are no place elsewhere. The first bundles' locks have `{}` in their place."""

Claim = tuple[str, Any, str, Any]
"""Where, what is said there, who should know, and what that gives."""


def lock_against_spec(lock: Lock, spec: Spec) -> Iterator[Claim]:
    """Yield a claim for each thing that both hold. Values that differ are the reader's to find."""
    yield "lock.json: spec.sha256", lock.spec["sha256"], "spec.yaml", spec.digest
    yield "lock.json: spec.name", lock.spec["name"], "spec.yaml", spec.name
    locked = lock.variants_in_full()
    asked = [(one.setting, one.spec) for one in spec.variants] or [({}, spec)]
    yield "lock.json: number of variants", len(locked), "spec.yaml", len(asked)
    for number, (variant, (setting, one)) in enumerate(zip(locked, asked, strict=False), 1):
        where = f"lock.json: variant {number}: " if spec.variants else "lock.json: "
        yield f"{where}setting", variant.setting, "spec.yaml", setting
        for section, source in (("model", one.model), ("drafter", one.drafter.model)):
            yield from _model_against_spec(where, section, variant.lock, source)
        yield from _dataset_against_spec(where, variant.lock, one.workload.dataset)
        yield from _image_against_spec(where, variant.lock, one)
        yield from _sections_against_spec(where, variant.lock, one)


def _model_against_spec(
    where: str, section: str, lock: Lock, source: Source | None
) -> Iterator[Claim]:
    pinned = getattr(lock, section)
    done = [step["step"] for step in pinned["steps"]]
    yield f"{where}{section}.steps", done, "spec.yaml", _steps(source)
    has_files = source is not None and source.kind != "none"
    yield f"{where}{section}: has files", bool(pinned["files"]), "spec.yaml", has_files
    yield from _source_against_spec(where, section, lock, source)


def _dataset_against_spec(where: str, lock: Lock, dataset: Dataset) -> Iterator[Claim]:
    yield from _source_against_spec(where, "dataset", lock, dataset)
    restricted = dataset.kind != "builtin"
    if restricted or lock.spec["dataset"]:
        said = lock.dataset["restricted"]
        yield f"{where}dataset.restricted", said, "spec.yaml", restricted
    if dataset.sha256 is not None:
        said = lock.dataset["file_sha256"]
        yield f"{where}dataset.file_sha256", said, "spec.yaml", dataset.sha256


def _source_against_spec(
    where: str, section: str, lock: Lock, source: Source | Dataset | None
) -> Iterator[Claim]:
    """Yield where a model or a data set is from: by its name, and by its commit."""
    said, revision = lock.spec[section], getattr(lock, section)["revision"]
    asked = _written(source)
    if said or asked is None or asked["kind"] not in _NAMELESS:
        yield f"{where}spec.{section}", said, "spec.yaml", asked
    named = source.revision if source else None
    if source is None or source.kind != "hf":
        yield f"{where}{section}.revision", revision, "spec.yaml", None
    elif named is not None and _COMMIT.fullmatch(named):
        yield f"{where}{section}.revision", revision, "spec.yaml", named
    else:
        yield f"{where}{section}: names a commit", revision is not None, "spec.yaml", True


def _written(source: Source | Dataset | None) -> dict[str, Any] | None:
    """Return a source as a lock has it: unset fields left out."""
    if source is None:
        return None
    return {key: value for key, value in asdict(source).items() if value not in (None, {})}


def _steps(source: Source | None) -> list[str]:
    """Return the preparation steps that a spec asks for, by name."""
    if source is None:
        return []
    asked = {"first-layers": source.first_layers, "gguf-to-safetensors": source.convert}
    return [name for name, wanted in asked.items() if wanted]


def _image_against_spec(where: str, lock: Lock, spec: Spec) -> Iterator[Claim]:
    """Yield the engine's image where the spec names one.

    Else it is the one that its adapter named then, for which the lock is taken at its word: another
    version's may name another, and verifying asks no adapter.
    """
    said, pinned = lock.spec["image"], lock.engine["image"] or {}
    if spec.engine.image_ref is not None:
        yield f"{where}spec.image", said, "spec.yaml", spec.engine.image_ref
    is_official = "repository" in pinned or "repository" in pinned.get("base", {})
    yield f"{where}spec.image: names one", said is not None, f"{where}engine.image", is_official


def _sections_against_spec(where: str, lock: Lock, spec: Spec) -> Iterator[Claim]:
    sections = lock.to_dict()
    for section, values in _sections(spec).items():
        for key, value in values.items():
            yield f"{where}{section}.{key}", sections[section].get(key), "spec.yaml", value


def _sections(spec: Spec) -> dict[str, dict[str, Any]]:
    """Return what a lock's sections must hold of a spec without a sweep."""
    workload, load = spec.workload, spec.workload.load
    return {
        "spec": {"url": spec.engine.url},
        "engine": asked_of_engine(spec),
        "model": {"template_args": spec.model.template_args},
        "drafter": {"method": spec.drafter.method, "args": spec.drafter.args},
        "sampling": {**asdict(workload.sampling), "stop": list(workload.sampling.stop)},
        "hardware": asdict(spec.hardware),
        "points": {
            "load": {
                "mode": load.mode,
                "concurrency": list(load.concurrency),
                "rate": list(load.rate),
                "arrival": load.arrival,
                "duration_s": load.duration_s,
                "requests": load.requests,
            },
            "inputs": list(workload.inputs),
            "repeats": workload.repeats,
            "draft_length": spec.drafter.draft_length,
            "baseline": spec.baseline,
            "seed": workload.seed,
            "objectives": {name: workload.slo.get(name) for name in ("ttft_s", "tpot_s")},
        },
    }
