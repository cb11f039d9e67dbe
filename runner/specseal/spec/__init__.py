"""What a benchmark is, as its author wrote it: reading, checking, and the values it becomes."""

from specseal.spec.check import Capabilities
from specseal.spec.model import (
    API_VERSION,
    Claim,
    ClaimSource,
    Dataset,
    Drafter,
    Engine,
    Hardware,
    Load,
    Sampling,
    Source,
    Spec,
    SpecVariant,
    Tolerance,
    Workload,
)
from specseal.spec.read import load_spec, parse_spec, problems_in

__all__ = [
    "API_VERSION",
    "Capabilities",
    "Claim",
    "ClaimSource",
    "Dataset",
    "Drafter",
    "Engine",
    "Hardware",
    "Load",
    "Sampling",
    "Source",
    "Spec",
    "SpecVariant",
    "Tolerance",
    "Workload",
    "load_spec",
    "parse_spec",
    "problems_in",
]
