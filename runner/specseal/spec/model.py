"""What the user wrote, as values: the Spec and its parts, every default filled in.

Made only by `specseal.spec.read`, which has checked them. Field names are the YAML's keys.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from specseal.digests import Digest, sha256_value

API_VERSION = "specseal/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Which engine, and how it is set up."""

    name: str
    version: str
    image_ref: str | None = None
    """An official image's reference, or None for the image that specseal builds."""
    context_length: int | None = None
    """Tokens a sequence may have."""
    prefix_cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the spec asks of the machine."""

    accelerator: str = "cpu"
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model's files come from. `kind` is `pypi`, `hf` or `path`; other fields by kind."""

    kind: str
    package: str | None = None
    version: str | None = None
    file: str | None = None
    """pypi: the file inside the wheel that is the model."""
    repo: str | None = None
    revision: str | None = None
    path: str | None = None
    template_args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """How tokens are drafted. `method` is `none` for autoregressive decoding only."""

    method: str
    draft_length: int = 0
    model: Source | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Where the prompts come from. `kind` is `builtin`, `hf` or `path`."""

    kind: str
    name: str | None = None
    repo: str | None = None
    revision: str | None = None
    config: str | None = None
    path: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling parameters; all are sent, none is left to an engine's default."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """0 means off."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    max_tokens: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How requests are offered. Closed loop: a fixed number of conversations in flight."""

    mode: str = "closed"
    concurrency: tuple[int, ...] = (1,)
    requests: int | None = None
    """Conversations a phase, spread evenly over categories; None means the whole split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked of the engine, and how often."""

    dataset: Dataset
    sampling: Sampling
    load: Load
    repeats: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole spec."""

    name: str
    title: str
    engine: Engine
    hardware: Hardware
    model: Source
    drafter: Drafter
    baseline: str
    """`autoregressive` or `none`."""
    workload: Workload

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, defaults filled in."""
        return asdict(self)

    @property
    def digest(self) -> Digest:
        """SHA-256 of what the spec means: comments, order and spelled-out defaults don't count."""
        return sha256_value(_listed(self.to_dict()))


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value
