"""Verdicts: what is said of a published number, or of a result that was run again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from specseal.spec.model import Claim

Answer = Literal["reproduced", "not reproduced", "inconclusive", "not comparable"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
_WORST_FIRST: tuple[Answer, ...] = ("not comparable", "not reproduced", "inconclusive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one claim holds, with all that the answer rests on."""

    answer: Answer
    claim: Claim
    measured: float | None
    """The metric's value; of `outputs`, the share of turns with the same output, where it is known.
    None where there is no such figure."""
    low: float | None
    """Lower end of the 90% interval of `measured`."""
    high: float | None
    tolerance: float | None
    """How far from the claimed value still counts as the same, in the metric's unit, the source's
    rounding included; None of `outputs`, and where nobody says."""
    reasons: tuple[str, ...] = ()
    """Sentences: why the answer is not yes, and what was seen that a reader must know."""
    differs: tuple[str, ...] = ()
    """What is otherwise than the claim says, each as `field: …`."""
    over: str = ""
    """What the interval is over, as a sentence; empty where there is none."""
    codes: tuple[str, ...] = ()
    """Of a figure that is not valid: why, as the analysis has them."""
    more_launches: int | None = None
    """How many launches more it would take for an answer, if they go on as these did."""
    more_requests: int | None = None
    """How many conversations more it would take."""
    assumptions: tuple[tuple[str, str], ...] = ()
    """What the source leaves open, by path in the spec, and why it is set as it is."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            **asdict(self),
            "reasons": list(self.reasons),
            "differs": list(self.differs),
            "codes": list(self.codes),
            "assumptions": dict(self.assumptions),
        }


def overall(verdicts: Iterable[Verdict]) -> Answer:
    """Return the worst answer of all; of none at all, that there is too little to say."""
    answers = {verdict.answer for verdict in verdicts} or {"inconclusive"}
    return next((answer for answer in _WORST_FIRST if answer in answers), "reproduced")
