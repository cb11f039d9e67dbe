"""What only whole phases tell: acceptance over the steps that had a draft, and by position."""

from __future__ import annotations

from collections.abc import Callable

from specseal.analysis.counters import total
from specseal.analysis.definition import PAPER, Definition, one, speculates
from specseal.analysis.intervals import Estimate, OverLaunches, absent
from specseal.analysis.phases import MeasuredPhase
from specseal.analysis.selection import Selection
from specseal.analysis.validity import Needs

_NEEDS = Needs.SPECULATION | Needs.ACCEPTED | Needs.COUNTERS


def _acceptance_length_drafted(selection: Selection) -> Estimate:
    return _over_drafts(
        selection,
        upper=lambda phase: phase.change.accepted_tokens,
        lower=lambda phase: phase.change.drafts,
        offset=1.0,
    )


def _over_drafts(
    selection: Selection,
    *,
    upper: Callable[[MeasuredPhase], int | None],
    lower: Callable[[MeasuredPhase], int | None],
    offset: float = 0.0,
) -> Estimate:
    """Return offset + Σ upper ÷ Σ lower over phases; the interval is over launches."""
    if not selection.is_whole_phase:
        return absent("no_per_request_drafts")

    def ratio(phases: tuple[MeasuredPhase, ...]) -> tuple[float | None, int, str]:
        above, below = total(map(upper, phases)), total(map(lower, phases))
        if above is None or below is None:
            return None, 0, "no_counters"
        if below == 0:
            return None, 0, "no_decode_steps"
        return offset + above / below, below, ""

    value, n, reason = ratio(selection.phases)
    if value is None:
        return absent(reason)
    launches = [ratio(phases)[0] for phases in selection.launches().values()]
    known = tuple(launch for launch in launches if launch is not None)
    return Estimate(value=value, n=n, spread=OverLaunches(values=known))


def _at_position(position: int) -> Callable[[MeasuredPhase], int | None]:
    """Return what counts acceptances at a 1-based position; position 0 is the draft itself."""

    def count(phase: MeasuredPhase) -> int | None:
        if position == 0:
            return phase.change.drafts
        accepted = phase.change.accepted_per_position
        if accepted is None:
            return None
        return accepted[position - 1] if position <= len(accepted) else 0

    return count


def position_definitions(position: int) -> tuple[Definition, Definition]:
    """Return the rows of a 1-based draft position: its joint and its conditional rate."""
    here, before = _at_position(position), _at_position(position - 1)

    def applies(selection: Selection) -> bool:
        return selection.draft_length >= position

    def joint(selection: Selection) -> Estimate:
        return _over_drafts(selection, upper=here, lower=_at_position(0))

    def conditional(selection: Selection) -> Estimate:
        return _over_drafts(selection, upper=here, lower=before)

    return (
        Definition(
            names=(f"acceptance_joint_position_{position}",),
            unit="ratio",
            formula=f"accepted at position {position} ÷ drafts",
            source="engine counters",
            needs=_NEEDS,
            estimate=one(joint),
            applies=applies,
        ),
        Definition(
            names=(f"acceptance_conditional_position_{position}",),
            unit="ratio",
            formula=f"accepted at position {position} ÷ "
            + (f"accepted at position {position - 1}" if position > 1 else "drafts"),
            source=f"AR_{position} of {PAPER}",
            needs=_NEEDS,
            estimate=one(conditional),
            applies=applies,
        ),
    )


DEFINITIONS = (
    Definition(
        names=("acceptance_length_drafted",),
        unit="tokens/step",
        formula="1 + accepted ÷ drafts: only steps that had a draft",
        source="vLLM's counters and dashboards",
        needs=_NEEDS,
        estimate=one(_acceptance_length_drafted),
        applies=speculates,
    ),
)
