"""What a validity check looks at, and what it may spoil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto

from specseal.analysis.columns import Requests
from specseal.analysis.counters import CounterChange
from specseal.analysis.data import JobData, PhaseData, RunData
from specseal.analysis.telemetry import Window, window_of
from specseal.record_table import RecordTable

BASELINE = "none"
"""`JobData.speculation` of the job without speculation."""
DRAFTER = "drafter"
"""What a sweep varies under this path is nothing to a baseline."""


class Needs(Flag):
    """What a metric relies on."""

    NOTHING = 0
    SPECULATION = auto()
    """The job speculated as its name and draft length say; a baseline did not."""
    COUNTERS = auto()
    """The engine's counters were read at rest."""
    ACCEPTED = auto()
    """The counts of accepted tokens agree with each other and with the output."""
    COMPLETE = auto()
    """Every request ended, and as it was asked to."""
    CLOCK = auto()
    """Times are the engine's own: the client kept up, and nothing else slowed the machine."""
    PREFILL = auto()
    """Every prompt was prefilled whole."""
    BASELINE = auto()
    """The baseline was measured in the same session; its phases must hold too."""
    STREAM = auto()
    """A chunk of the stream is a verify step."""
    FIRST_CHUNK = auto()
    """The tokens of each request's first chunk are told."""
    THROUGHPUT = auto()
    """The phase was long enough for what it says of a whole phase's pace."""


EVERYTHING = ~Needs.NOTHING
"""What is spoilt where something else ran than what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFacts:
    """One measured phase with all that a check may ask about."""

    run: RunData
    job: JobData
    phase: PhaseData
    records: RecordTable
    """The phase's, in the order of conversation, cycle and turn."""
    change: CounterChange
    requests: Requests
    """What is computed of each record, in their order."""
    stream_agreement: float | None
    """Verify steps that the stream shows ÷ those that the counts allow; None where the engine does
    not send one chunk a step, or nothing counted steps."""

    @property
    def is_baseline(self) -> bool:
        """Whether the phase ran without speculation."""
        return self.job.speculation == BASELINE

    @property
    def window(self) -> Window:
        """The job's telemetry over the phase."""
        return window_of(self.job, self.phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that may be wrong with a phase."""

    code: str
    sentence: str
    spoils: Needs
    fires: Callable[[PhaseFacts], bool]
