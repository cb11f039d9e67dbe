"""The data sets that come with specseal: name and split in, JSON lines out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files

from specseal.data.throughput import SPLITS, throughput_lines

_FOLDER = files("specseal") / "data"

BUILTIN: Mapping[str, Mapping[str, Callable[[], bytes]]] = {
    "speed-mini": {
        "qualitative": (_FOLDER / "speed-mini" / "qualitative.jsonl").read_bytes,
        **{split: partial(throughput_lines, split) for split in SPLITS},
    },
}
"""By data set and split, what gives the bytes of its JSON lines."""
