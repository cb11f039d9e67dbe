"""What a benchmark is, as its author wrote it: reading, checking, and the values it becomes."""

from specseal.spec.check import Capabilities
from specseal.spec.model import (
    API_VERSION,
    Dataset,
    Drafter,
    Engine,
    Hardware,
    Load,
    Sampling,
    Source,
    Spec,
    SpecVariant,
    Workload,
)
from specseal.spec.read import load_spec, parse_spec, problems_in

__all__ = [
    "API_VERSION",
    "Capabilities",
    "Dataset",
    "Drafter",
    "Engine",
    "Hardware",
    "Load",
    "Sampling",
    "Source",
    "Spec",
    "SpecVariant",
    "Workload",
    "load_spec",
    "parse_spec",
    "problems_in",
]
