"""What comparing needs of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specseal.analysis import Result, RunData
from specseal.digests import Digest
from specseal.spec import Spec
from specseal.spec.locked import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the bundles compared, proven intact; values only, so that this room knows no other."""

    name: str
    """Short, and unlike every other side's."""
    manifest: Digest
    """The bundle's identity."""
    spec: Spec
    lock: Lock
    environment: Mapping[str, Any]
    result: Result
    run: RunData
