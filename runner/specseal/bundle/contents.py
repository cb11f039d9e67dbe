"""What goes into a bundle, as a value, and the texts in it that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from specseal.analysis import Result, RunData
from specseal.bundle.table import summarise
from specseal.digests import Digest
from specseal.drawing import render
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
    logs, and the reasons of failures and errors."""
    prompts: tuple[Path, ...] = ()
    """Files of prompts (`prompts.jsonl`), and of what they were made from as text: what quotes one
    of them does not get out either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the texts of a bundle are made from, while sealing and while verifying."""

    lock: Lock
    environment: Mapping[str, Any]
    """With `started` and `finished`."""
    result: Result
    """As it is read back: canonical JSON writes 1.0 as 1."""
    signer: Digest
    date: date
    """Of sealing."""

    @property
    def name(self) -> str:
        """The spec's name."""
        return str(self.lock.spec["name"])

    @property
    def locks(self) -> list[Lock]:
        """A lock a variant."""
        return [variant.lock for variant in self.lock.variants_in_full()]


def render_texts(about: Described) -> dict[str, bytes]:
    """Return {file name: bytes} of the bundle's README, licence and citation."""
    environment = about.environment
    values = {
        "name": about.name,
        "engine": _each(
            f"{one.engine['name']} {one.engine['version']}".strip() for one in about.locks
        ),
        "drafter": _each(one.drafter["method"] for one in about.locks),
        "runtime": environment["runtime"],
        "isolation": environment["isolation"],
        "pinned": environment["pinned"],
        "version": environment["specseal_version"],
        "recipe": about.lock.recipe,
        "lock": about.lock.digest,
        "started": environment["started"],
        "finished": environment["finished"],
        "date": about.date.isoformat(),
        "signer": about.signer,
        "summary": render(summarise(about.result, dict(environment), by="load"), "github"),
    }
    texts = {
        "README.md": _fill("README.md", values),
        "LICENSE": _fill("LICENSE", values),
        # A JSON string is a YAML string, whatever is in it.
        "CITATION.cff": _fill("CITATION.cff", {**values, "name": json.dumps(values["name"])[1:-1]}),
    }
    return {path: text.encode() for path, text in texts.items()}


def _each(values: Iterable[str]) -> str:
    """Return the values that a sweep's variants have, each once."""
    return ", ".join(dict.fromkeys(values))


def _fill(name: str, values: dict[str, str]) -> str:
    text = resources.files(__package__).joinpath("templates", name).read_text("utf-8")
    return Template(text).substitute(values)
