"""The accelerators that specs can name: figures with their sources, and how each is recognised."""

from specseal.hardware.table import (
    ANY,
    CPU,
    Accelerator,
    Source,
    accelerators,
    family_of,
    known,
    memory_fits,
    recognised,
)

__all__ = [
    "ANY",
    "CPU",
    "Accelerator",
    "Source",
    "accelerators",
    "family_of",
    "known",
    "memory_fits",
    "recognised",
]
