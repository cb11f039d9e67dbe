"""The Result: metrics with intervals and validity, what they say of draft lengths; as JSON too."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

SCHEMA = "specseal/result/2"

Where: TypeAlias = dict[str, str | int | float | bool]
"""Among speculation, draft_length, input, concurrency, rate, category, tier, turn, and the paths
of what a sweep varies; absent: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number, with what it is of, how sure it is, and whether it can be trusted."""

    name: str
    """The statistic is in the name: `ttft_p50`."""
    value: float | None
    """None where it can't be computed; `reasons` then says why."""
    unit: str
    low: float | None
    """Lower end of the 95% interval, or None with a reason in `reasons`."""
    high: float | None
    n: int
    """How many of what the statistic is over (requests, conversations, launches …)."""
    valid: bool
    reasons: tuple[str, ...]
    """Codes: why it is not valid, or why there is no interval."""
    where: Where = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        # Not by `asdict`, which copies each value deeply: a result may have 10,000 metrics.
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "reasons": list(self.reasons), "where": dict(self.where)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Metric:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**{**data, "reasons": tuple(data["reasons"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One draft length among those that could be chosen; 0 is decoding without speculation."""

    draft_length: int
    user_tps: float | None
    """Mean user TPS over the turns that every candidate completed; None where there are none."""
    speedup: float | None
    """`user_tps` ÷ that of the baseline; None without one."""
    low: float | None
    """Ends of the speedup's interval; those of all candidates hold together at 95%."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which draft length is best for users at one load level."""

    where: Where
    """Never with a draft length."""
    best: int | None
    """Draft length with the highest user TPS; 0 is the baseline. None without common turns."""
    as_good: tuple[int, ...] | None
    """The other draft lengths with no significant difference from the best. None: can't tell."""
    candidates: tuple[Candidate, ...]
    """By draft length."""
    comparisons: int
    """Pairs of candidates, for which the 95% is corrected."""
    n: int
    """Turns that every candidate completed."""
    valid: bool
    reasons: tuple[str, ...]
    """Codes: what is wrong with the phases compared, or why nothing can be said."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            **asdict(self),
            "as_good": None if self.as_good is None else list(self.as_good),
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "reasons": list(self.reasons),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Choice:
        """Build from `to_dict`'s output. Raises: TypeError, KeyError on a wrong field."""
        as_good = data["as_good"]
        values = {
            "as_good": None if as_good is None else tuple(as_good),
            "candidates": tuple(Candidate(**candidate) for candidate in data["candidates"]),
            "reasons": tuple(data["reasons"]),
        }
        return cls(**{**data, **values})


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """Up to which load level speculation is worth it."""

    where: Where
    """Never with a draft length or a load level."""
    along: str
    """What the levels are of: `concurrency` or `rate`."""
    faster_up_to: int | float | None
    """Largest level at which speculation at its best length is significantly faster."""
    not_faster_from: int | float | None
    """Smallest level at which it is not."""
    valid: bool
    reasons: tuple[str, ...]
    """Codes: what is wrong with the phases compared, or why a level is None."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Crossover:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**{**data, "reasons": tuple(data["reasons"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that failed. What it had measured until then has its metrics."""

    where: Where
    """speculation, draft_length (of a job that speculates), repeat (0-based), job (its key), and
    what all that is missing has in common: input, load level, what a sweep varies."""
    missing: tuple[Where, ...]
    """Of each phase that was not measured to its end: input, load level, what a sweep varies."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "missing": [dict(where) for where in self.missing]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Failure:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**{**data, "missing": tuple(data["missing"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something about the run that spoils no figure, and that a reader must know."""

    where: Where
    """speculation, and draft_length of what speculates."""
    code: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Note:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that the analysis says of a run."""

    analysis_version: int
    metrics: tuple[Metric, ...]
    choices: tuple[Choice, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: tuple[Note, ...] = ()
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "schema": self.schema,
            "analysis_version": self.analysis_version,
            "metrics": [metric.to_dict() for metric in self.metrics],
            "choices": [choice.to_dict() for choice in self.choices],
            "crossovers": [crossover.to_dict() for crossover in self.crossovers],
            "failures": [failure.to_dict() for failure in self.failures],
            "notes": [note.to_dict() for note in self.notes],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """Build from `to_dict`'s output. Raises: TypeError, KeyError on a wrong field."""
        parts = {
            "metrics": tuple(Metric.from_dict(metric) for metric in data["metrics"]),
            "choices": tuple(Choice.from_dict(choice) for choice in data["choices"]),
            "crossovers": tuple(Crossover.from_dict(one) for one in data["crossovers"]),
            "failures": tuple(Failure.from_dict(failure) for failure in data["failures"]),
            "notes": tuple(Note.from_dict(note) for note in data["notes"]),
        }
        return cls(**{**data, **parts})
