"""From records and counters to a Result: pure functions, no clock, no files, no environment."""

from specseal.analysis.data import JobData, PhaseData, RunData
from specseal.analysis.metrics import ANALYSIS_VERSION, analyse
from specseal.analysis.result import Metric, Result

__all__ = ["ANALYSIS_VERSION", "JobData", "Metric", "PhaseData", "Result", "RunData", "analyse"]
