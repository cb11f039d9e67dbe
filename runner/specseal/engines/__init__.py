"""Engines: what differs between them, as data. One module an engine, no I/O anywhere in here."""

from specseal.engines.base import (
    FOLDER,
    GGUF,
    Capability,
    Engine,
    Launch,
    LaunchRequest,
    accelerator_family,
    filled,
)
from specseal.engines.registry import CAPABILITIES, engine
from specseal.engines.table import Capabilities, asked_of_engine, launch_request, request_of
from specseal.engines.tokenizer import tokenizer_launch

__all__ = [
    "CAPABILITIES",
    "FOLDER",
    "GGUF",
    "Capabilities",
    "Capability",
    "Engine",
    "Launch",
    "LaunchRequest",
    "accelerator_family",
    "asked_of_engine",
    "engine",
    "filled",
    "launch_request",
    "request_of",
    "tokenizer_launch",
]
