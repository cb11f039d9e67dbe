"""What the user wrote, as values: the Spec and its parts, every default filled in.

Made only by `specseal.spec.read`, which has checked them. Field names are the YAML's keys.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from specseal.digests import Digest, sha256_value

API_VERSION = "specseal/v1"
ENDPOINT = "endpoint"
"""The engine that is none of ours to start: a server that runs already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Which engine, and how it is set up."""

    name: str
    version: str
    """Empty for an endpoint."""
    image: dict[str, Any] = field(default_factory=dict)
    """`ref`: an official image's reference. `build`: specseal builds it, on `ref` if that is there,
    too, which no file can say. Neither: the engine's own official image as it is, or one that
    specseal builds where there is none."""
    context_length: int | None = None
    """Tokens a sequence may have."""
    max_sequences: int | None = None
    """Sequences decoded at once; None means as many as the load has in flight."""
    prefix_cache: bool = False
    parallel: dict[str, int] = field(default_factory=dict)
    """`tensor`, `expert` and `data`: devices that share layers, experts, or hold copies."""
    dtype: str | None = None
    quantization: str | None = None
    chunked_prefill: bool | None = None
    args: dict[str, Any] = field(default_factory=dict)
    """Further arguments, handed to the engine as they are."""
    url: str | None = None
    """Where a running server is; None for every engine but an endpoint."""
    model: str | None = None
    """What the running server calls its model."""
    api: str | None = None
    """`completions` or `chat`."""
    metrics: str | None = None
    """Whose names the running server's counters have, or `none`; None means: find out."""

    @property
    def image_ref(self) -> str | None:
        """The official image that the spec names."""
        ref: str | None = self.image.get("ref")
        return ref

    @property
    def is_built(self) -> bool:
        """Whether the image is to be built although there is an official one."""
        return bool(self.image.get("build"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the spec asks of the machine."""

    accelerator: str = "cpu"
    """A row of the table of accelerators (`specseal.hardware`); with a running server also any."""
    count: int = 1
    driver: str | None = None
    """Which driver versions will do, as a PEP 440 specifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model's files come from. `kind` is `pypi`, `hf`, `path` or, with an endpoint, `none`.

    Other fields by kind.
    """

    kind: str
    package: str | None = None
    version: str | None = None
    file: str | None = None
    """The file inside the wheel, or the repository, that is the model; hf: None, all of them."""
    repo: str | None = None
    revision: str | None = None
    path: str | None = None
    first_layers: int | None = None
    """How many of its layers are kept; None: all."""
    convert: str | None = None
    """`safetensors`: what a GGUF file is made into before an engine loads it."""
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
    """Where the prompts come from. `kind` is `builtin`, `hf`, `path` or `speed-bench`."""

    kind: str
    name: str | None = None
    repo: str | None = None
    revision: str | None = None
    config: str | None = None
    path: str | None = None
    split: str | None = None
    sha256: Digest | None = None
    """Which imported copy of SPEED-Bench; None: the only one."""


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
    """How conversations are offered; `specseal.records.Load` says what each mode does."""

    mode: str = "closed"
    concurrency: tuple[int, ...] = (1,)
    """Levels; none where the load is open."""
    rate: tuple[float, ...] = ()
    """Levels of an open load, in conversations a second."""
    arrival: str | None = None
    """`poisson` or `constant`; None unless the load is open."""
    requests: int | None = None
    """Conversations a phase, spread evenly over categories; None means the whole split."""
    duration_s: float | None = None
    """How long a phase begins conversations; None means until each was sent once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is asked of the engine, and how often."""

    dataset: Dataset
    sampling: Sampling
    load: Load
    inputs: tuple[str, ...] = ("dataset",)
    """`dataset`, and `random` for random tokens of the same lengths."""
    slo: dict[str, float] = field(default_factory=dict)
    """Limits on latency by name: `ttft_s`, `tpot_s`."""
    repeats: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far from the claimed value still counts as the same; exactly one of the two is there."""

    relative: float | None = None
    """A share of the claimed value."""
    absolute: float | None = None
    """In the metric's unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSource:
    """Where a claimed number stands, and what it was measured with where that is known."""

    title: str
    url: str | None = None
    table: str | None = None
    """Table, figure or section; of a bundle, nothing."""
    definition: str
    """What the source means by the number, in words."""
    bundle: Digest | None = None
    """The bundle that the number was taken from."""
    inputs: dict[str, Digest] = field(default_factory=dict)
    """SHA-256 of each recipe section of that bundle's lock (`RECIPE_SECTIONS`), and of which
    conversations were sent, by name. Empty: nobody knows what a paper's files were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A published number that this spec is to reproduce."""

    metric: str
    """A metric of the result, or `outputs`: the ids generated, of which `sha256` is the claim."""
    where: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Which of the metric's figures; keys as in a result's `where`."""
    value: float | None = None
    sha256: Digest | None = None
    """Of `outputs`."""
    decimals: int | None = None
    """Digits after the point that the source prints: half of the last is added to the tolerance."""
    tolerance: Tolerance | None = None
    """None: the metric's own, which only acceptance lengths have."""
    source: ClaimSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A whole spec. With a sweep, what is not `sweep` or `variants` is the first variant's."""

    name: str
    title: str
    engine: Engine
    hardware: Hardware
    model: Source
    drafter: Drafter
    baseline: str
    """`autoregressive` or `none`."""
    workload: Workload
    claims: tuple[Claim, ...] = ()
    """Judge what was measured; no input, so no part of the digest."""
    assumptions: dict[str, str] = field(default_factory=dict)
    """What the claims' source leaves open: why it is set as it is here, by path in the spec. No
    part of the digest either."""
    sweep: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values by path in the spec."""
    variants: tuple[SpecVariant, ...] = ()
    """One for each combination of the sweep's values, the last path varying fastest; none without
    a sweep."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, defaults filled in; without variants, which follow from it."""
        value = asdict(replace(self, variants=()))
        del value["variants"]
        return value

    def variants_in_full(self) -> tuple[SpecVariant, ...]:
        """Return each variant of a sweep; without a sweep, the spec as the only one."""
        return self.variants or (SpecVariant(setting={}, spec=self),)

    @property
    def measures_running_server(self) -> bool:
        """Whether a server is measured that runs already, in any variant."""
        return any(one.spec.engine.url is not None for one in self.variants_in_full())

    @property
    def digest(self) -> Digest:
        """SHA-256 of what the spec asks to be run.

        Comments, order, spelled-out defaults and claims don't count.
        """
        asked = self.to_dict()
        del asked["claims"], asked["assumptions"]
        _leave_out_if_unset(asked["workload"]["dataset"], "sha256")
        return sha256_value(_listed(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecVariant:
    """One combination of what a sweep varies."""

    setting: dict[str, str | int | float | bool]
    """Value by path in the spec; a value that is no scalar as canonical JSON text."""
    spec: Spec
    """Without a sweep of its own."""


def _leave_out_if_unset(section: dict[str, Any], key: str) -> None:
    # A key that came later must not change the digest of specs, and so of locks, without it.
    if section[key] is None:
        del section[key]


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value
