"""From records and counters to a Result: pure functions, no clock, no files, no environment."""

from specseal.analysis.data import JobData, MissingPhase, Objectives, PhaseData, RunData
from specseal.analysis.metrics import ANALYSIS_VERSION, analyse
from specseal.analysis.result import Candidate, Choice, Crossover, Failure, Metric, Note, Result
from specseal.analysis.versions import ANALYSES

__all__ = [
    "ANALYSES",
    "ANALYSIS_VERSION",
    "Candidate",
    "Choice",
    "Crossover",
    "Failure",
    "JobData",
    "Metric",
    "MissingPhase",
    "Note",
    "Objectives",
    "PhaseData",
    "Result",
    "RunData",
    "analyse",
]
