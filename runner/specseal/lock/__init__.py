"""The lock room: from a Spec to a Lock, every input resolved to a digest."""

from specseal.lock.make import (
    Draft,
    changed_pins,
    encoding_key,
    pin_inputs,
    with_prompts,
    without_prompts,
)
from specseal.lock.models import FilePin, ModelPin, materialise
from specseal.lock.store import Store

__all__ = [
    "Draft",
    "FilePin",
    "ModelPin",
    "Store",
    "changed_pins",
    "encoding_key",
    "materialise",
    "pin_inputs",
    "with_prompts",
    "without_prompts",
]
