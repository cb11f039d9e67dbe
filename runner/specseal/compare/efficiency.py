"""What throughput cost: a device, a watt, a dollar, and which share of a device's peaks.

Each is a figure that was measured, divided by one that was measured, is in the lock, in the table
of accelerators, or was given by the user. What can't be known is absent, for a reason in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from specseal.analysis import Metric
from specseal.columns import COLUMNS, WIDE
from specseal.compare.side import Side
from specseal.hardware import CPU, Accelerator, known
from specseal.spec.locked import Lock
from specseal.words import BASELINE, printable

PRECISIONS = ("bf16", "fp8", "fp4")
_PER_MILLION = 1e6
_CONVERTING = ("quant", "dtype")
"""Arguments of an engine whose names have this in them may change weights while they are loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user tells, and nothing measures."""

    prices: Mapping[str, float] = field(default_factory=dict)
    """Dollars an hour: of one device by the accelerator's name, or of all of a bundle by its."""
    parameters: float | None = None
    """Weights of the target model that one token is multiplied with: of a mixture of experts the
    active ones."""
    precision: str = PRECISIONS[0]
    """In which the target model multiplies: which of a device's peaks counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A figure, or why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    valid: bool = True
    reason: str = ""
    """A sentence; empty where there is a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One load level of one way of drafting, with all that figures of it are made from."""

    side: Side
    lock: Lock
    """Of the variant."""
    metrics: Mapping[str, Metric]
    """By name, at one `where`."""
    given: Given

    @property
    def speculates(self) -> bool:
        """Whether it is not the baseline."""
        first = next(iter(self.metrics.values()))
        return first.where["speculation"] != BASELINE

    @property
    def devices(self) -> int:
        """Devices that the job held."""
        count: int = self.lock.hardware["count"]
        return count

    @property
    def accelerator(self) -> str:
        """The one name of what was held; empty where nobody looked, or there were several."""
        names = {name for job in self.side.run.jobs for name in job.accelerators_found or ()}
        if not names and self.lock.hardware["accelerator"] == CPU:
            return CPU
        return next(iter(names)) if len(names) == 1 else ""

    @property
    def peaks(self) -> Accelerator | None:
        """The row of the table of accelerators; None of a processor, and of what is in no row."""
        row = known(self.accelerator)
        return None if row is None or row.name == CPU else row


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One column."""

    name: str
    header: str
    unit: str
    digits: int
    derive: Callable[[Ran], Derived]


def _times(metric: Metric | None, factor: float) -> Derived:
    if metric is None or metric.value is None:
        return Derived(reason="it was not measured")
    low, high = (None if end is None else end * factor for end in (metric.low, metric.high))
    return Derived(value=metric.value * factor, low=low, high=high, valid=metric.valid)


def _measured(name: str) -> Callable[[Ran], Derived]:
    return lambda ran: _times(ran.metrics.get(name), 1.0)


def _per_watt(ran: Ran) -> Derived:
    """Return 1 ÷ (joules a token), which is (tokens a second) ÷ watts."""
    name = "package" if ran.accelerator == CPU else "accelerator"
    energy = ran.metrics.get(f"{name}_energy_per_output_token")
    if energy is None or not energy.value:
        return Derived(reason=f"the energy of the {name}s was not measured")
    ends = [None if not end or end < 0 else 1 / end for end in (energy.high, energy.low)]
    return Derived(value=1 / energy.value, low=ends[0], high=ends[1], valid=energy.valid)


def _per_dollar(ran: Ran) -> Derived:
    """Return millions of output tokens a dollar: output TPS × 3600 ÷ dollars an hour."""
    prices = ran.given.prices
    if ran.side.name in prices:
        hour = prices[ran.side.name]
    elif ran.accelerator in prices:
        hour = prices[ran.accelerator] * ran.devices
    else:
        return Derived(reason="no price was given (--price)")
    return _times(ran.metrics.get("output_tps"), 3600 / hour / _PER_MILLION)


def _bandwidth_share(ran: Ran) -> Derived:
    """Return (bytes of the target's weights × steps a second) ÷ (peak bandwidth of all devices).

    Steps a second of one sequence are 1 ÷ (mean TPOT × acceptance length); one step reads the
    weights once for all sequences that are in flight.
    """
    row = ran.peaks
    if row is None or row.bandwidth_bytes_per_s is None:
        return Derived(reason="no peak bandwidth is known of the device")
    weights = weight_bytes(ran.lock)
    if isinstance(weights, str):
        return Derived(reason=weights)
    step, valid = _step_seconds(ran)
    if step is None:
        return Derived(reason="the time of a step was not measured")
    copies = ran.lock.engine.get("parallel", {}).get("data", 1)
    peak = row.bandwidth_bytes_per_s * ran.devices
    return Derived(value=100 * weights * copies / step / peak, valid=valid)


def _step_seconds(ran: Ran) -> tuple[float | None, bool]:
    """Return how long a step of one sequence takes, and whether that is valid."""
    pace, length = ran.metrics.get("tpot_mean"), ran.metrics.get("acceptance_length")
    if pace is None or not pace.value:
        return None, False
    if not ran.speculates:
        return pace.value, pace.valid
    if length is None or not length.value:
        return None, False
    return pace.value * length.value, pace.valid and length.valid


def _flop_share(ran: Ran) -> Derived:
    """Return 2 × parameters × (input and output tokens a second) ÷ (peak FLOP/s of all devices).

    Source: model FLOPs utilisation, Chowdhery et al. 2022 (PaLM), appendix B, without attention.
    """
    given, row = ran.given, ran.peaks
    peak = None if row is None else row.peak_flop_per_s.get(given.precision)
    if peak is None:
        return Derived(reason=f"no peak FLOP/s in {given.precision} is known of the device")
    if given.parameters is None:
        return Derived(reason="a lock does not say how many parameters a model has (--parameters)")
    if ran.lock.prefix_cache is not False:
        return Derived(reason="prompts may have come from a cache, so that nobody computed them")
    flop = 2 * given.parameters / (peak * ran.devices)
    return _times(ran.metrics.get("total_tps"), 100 * flop)


def weight_bytes(lock: Lock) -> int | str:
    """Return how many bytes of weights the target model has in memory, or why nobody can tell."""
    engine, model = lock.engine, lock.model
    settings: Mapping[str, Any] = {**engine, **engine.get("args", {})}
    changed = [
        key
        for key, value in settings.items()
        if value and any(part in key.lower() for part in _CONVERTING)
    ]
    if changed:
        told = ", ".join(map(printable, sorted(changed)))
        return f"weights may be converted while they are loaded ({told})"
    if engine.get("parallel", {}).get("expert", 1) > 1:
        return "not all experts are read in a step"
    files: dict[str, int] = {file["path"]: file["bytes"] for file in model["files"]}
    if model["load"] in files and model["load"].endswith(".gguf"):
        return "weights are in several files" if "-of-" in model["load"] else files[model["load"]]
    weights = [path for path in files if path.endswith(".safetensors")]
    if not weights:
        return "the lock names no file of weights"
    if not all(PurePosixPath(path).name.startswith("model") for path in weights):
        return "the model's files may hold its weights more than once"
    return sum(files[path] for path in weights)


_MEASURED = ("user_tps_mean", "output_tps", "output_tps_per_device")
MEASURES = (
    *(
        Measure(
            name=column.metric,
            header=column.header,
            unit="tokens/s",
            digits=column.digits,
            derive=_measured(column.metric),
        )
        for column in (*COLUMNS, *WIDE)
        if column.metric in _MEASURED
    ),
    Measure(
        name="output_tps_per_watt",
        header="output tok/s/W",
        unit="tokens/J",
        digits=3,
        derive=_per_watt,
    ),
    Measure(
        name="output_tokens_per_dollar",
        header="Mtok /$",
        unit="10⁶ tokens/$",
        digits=2,
        derive=_per_dollar,
    ),
    Measure(
        name="weight_bandwidth_share",
        header="bandwidth %",
        unit="%",
        digits=1,
        derive=_bandwidth_share,
    ),
    Measure(name="flop_share", header="FLOP/s %", unit="%", digits=1, derive=_flop_share),
)
"""What a hardware comparison has of each load level."""
