"""A lock held against its spec: what both say must be the same, in every variant of a sweep.

The spec is what people read, the lock is what was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from specseal.engines import CAPABILITIES, asked_of_engine
from specseal.spec import Source, Spec
from specseal.spec.locked import Lock

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
            done = [step["step"] for step in getattr(variant.lock, section)["steps"]]
            yield f"{where}{section}.steps", done, "spec.yaml", _steps(source)
        yield from _sections_against_spec(where, variant.lock, one)


def _steps(source: Source | None) -> list[str]:
    """Return the preparation steps that a spec asks for, by name."""
    if source is None:
        return []
    asked = {"first-layers": source.first_layers, "gguf-to-safetensors": source.convert}
    return [name for name, wanted in asked.items() if wanted]


def _sections_against_spec(where: str, lock: Lock, spec: Spec) -> Iterator[Claim]:
    sections = lock.to_dict()
    for section, values in _sections(spec).items():
        for key, value in values.items():
            yield f"{where}{section}.{key}", sections[section].get(key), "spec.yaml", value


def _sections(spec: Spec) -> dict[str, dict[str, Any]]:
    """Return what a lock's sections must hold of a spec without a sweep."""
    workload, load = spec.workload, spec.workload.load
    return {
        "spec": {"image": CAPABILITIES.image_reference(spec), "url": spec.engine.url},
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
