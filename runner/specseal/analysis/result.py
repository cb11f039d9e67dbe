"""The Result: metrics with intervals and validity, and its JSON form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = "specseal/result/1"


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
    where: dict[str, str | int] = field(default_factory=dict)
    """Among speculation, draft_length, concurrency, input, category, tier, turn; absent: all."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Metric:
        """Build from `to_dict`'s output. Raises: TypeError on a missing or unknown field."""
        return cls(**{**data, "reasons": tuple(data["reasons"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All metrics of a run."""

    analysis_version: int
    metrics: tuple[Metric, ...]
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "schema": self.schema,
            "analysis_version": self.analysis_version,
            "metrics": [metric.to_dict() for metric in self.metrics],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """Build from `to_dict`'s output. Raises: TypeError, KeyError on a wrong field."""
        metrics = tuple(Metric.from_dict(metric) for metric in data["metrics"])
        return cls(**{**data, "metrics": metrics})
