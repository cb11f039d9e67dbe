"""Preparation steps: what is done to a model's files before an engine loads them.

Each is named in the lock, with the digests of the files before it and after it, and is done again
where the files after it are missing; it must then come out the same. What is here names the steps
and does those that need no program of their own.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specseal.lock.built import pin_built_image
from specseal.lock.models import ModelPin
from specseal.spec.model import Source

FIRST_LAYERS, TO_SAFETENSORS = "first-layers", "gguf-to-safetensors"
CONVERTER_VERSION = "5.24.0"
"""Of transformers, whose wheels are pinned in `images/convert`."""


def steps_for(source: Source, model: ModelPin) -> list[dict[str, Any]]:
    """Return the steps that a spec asks for, in their order.

    Only the first says what it starts from: what the others start from comes out when they run.
    """
    steps: list[dict[str, Any]] = []
    if source.first_layers is not None:
        steps.append({"step": FIRST_LAYERS, "layers": source.first_layers, "from": []})
    if source.convert is not None:
        program = pin_built_image("convert/cpu", f"requirements-{CONVERTER_VERSION}.txt")
        steps.append({"step": TO_SAFETENSORS, "program": program, "from": []})
    if steps:
        steps[0]["from"] = [asdict(file) for file in model.files]
    return steps


def source_files(section: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files that a model's section starts from: as they were before any step."""
    steps = section["steps"]
    files: list[dict[str, Any]] = steps[0]["from"] if steps else section["files"]
    return files


def without_outcome(section: dict[str, Any]) -> dict[str, Any]:
    """Return a model's section as it was before its steps were done."""
    if not section["steps"]:
        return section
    first, *others = section["steps"]
    bare = [first, *({**step, "from": []} for step in others)]
    return {**section, "files": [], "load": "", "steps": bare}
