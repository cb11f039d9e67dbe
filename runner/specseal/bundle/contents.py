"""What goes into a bundle, as a value, and the texts in it that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from specseal.analysis import Result, RunData
from specseal.bundle.drawing import render
from specseal.bundle.keys import PublicKey
from specseal.bundle.table import summarise
from specseal.spec.locked import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class SealInputs:
    """All that a bundle is made of."""

    spec_bytes: bytes
    """The spec, as the user wrote it."""
    lock: Lock
    environment: dict[str, Any]
    """What was found at run time; `schemas/environment.schema.json` says what must be there."""
    run: RunData
    logs: dict[str, Path]
    """{name in the bundle: file}, e.g. `r1-ngram.engine.log`."""
    started: str
    """When the run began: UTC, ISO 8601."""
    finished: str
    redact: dict[str, str] = field(default_factory=dict)
    """{what must not get out, e.g. a path of this machine: what stands for it}, in environment,
    logs, and the reasons of failures."""


def render_texts(
    inputs: SealInputs, result: Result, *, signer: PublicKey, now: datetime
) -> dict[str, str]:
    """Return {file name: text} of the bundle's README, licence and citation."""
    locks = [variant.lock for variant in inputs.lock.variants_in_full()]
    values = {
        "name": inputs.lock.spec["name"],
        "engine": _each(f"{one.engine['name']} {one.engine['version']}".strip() for one in locks),
        "drafter": _each(one.drafter["method"] for one in locks),
        "runtime": inputs.environment["runtime"],
        "isolation": inputs.environment["isolation"],
        "pinned": inputs.environment["pinned"],
        "version": inputs.environment["specseal_version"],
        "recipe": inputs.lock.recipe,
        "lock": inputs.lock.digest,
        "started": inputs.started,
        "finished": inputs.finished,
        "date": now.date().isoformat(),
        "signer": signer.digest,
        "summary": render(summarise(result, inputs.environment, by="load"), "github"),
    }
    return {
        "README.md": _fill("README.md", values),
        "LICENSE": _fill("LICENSE", values),
        # A JSON string is a YAML string, whatever is in it.
        "CITATION.cff": _fill("CITATION.cff", {**values, "name": json.dumps(values["name"])[1:-1]}),
    }


def _each(values: Iterable[str]) -> str:
    """Return the values that a sweep's variants have, each once."""
    return ", ".join(dict.fromkeys(values))


def _fill(name: str, values: dict[str, str]) -> str:
    text = resources.files(__package__).joinpath("templates", name).read_text("utf-8")
    return Template(text).substitute(values)
