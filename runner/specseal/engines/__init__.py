"""Engines: what differs between them, as data. One module an engine, no I/O anywhere in here."""

from specseal.engines.base import Capabilities, Capability, Engine, Launch, LaunchRequest
from specseal.engines.registry import CAPABILITIES, engine

__all__ = [
    "CAPABILITIES",
    "Capabilities",
    "Capability",
    "Engine",
    "Launch",
    "LaunchRequest",
    "engine",
]
