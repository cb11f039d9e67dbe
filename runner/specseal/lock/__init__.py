"""The lock room: from a Spec to a Lock, every input resolved to a digest."""

from specseal.lock.differences import changed_pins
from specseal.lock.models import FilePin, ModelPin, materialise
from specseal.lock.pin import Draft, Inputs, pin_inputs
from specseal.lock.prompts import (
    AS_TEXT,
    Encoded,
    encoding_key,
    prompts_as_text,
    random_prompts,
    with_prompts,
    without_prompts,
)
from specseal.lock.store import Store
from specseal.lock.vocabulary import read_vocabulary

__all__ = [
    "AS_TEXT",
    "Draft",
    "Encoded",
    "FilePin",
    "Inputs",
    "ModelPin",
    "Store",
    "changed_pins",
    "encoding_key",
    "materialise",
    "pin_inputs",
    "prompts_as_text",
    "random_prompts",
    "read_vocabulary",
    "with_prompts",
    "without_prompts",
]
