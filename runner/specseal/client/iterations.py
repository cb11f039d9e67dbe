"""Counters out of a list of the engine's iterations that reading empties: what came is kept here.

Each item tells of one iteration, under a running number. Reading takes the items away, so their
sums go on from read to read, and an item that is missing between two of them is found out: an
engine that keeps only its last iterations loses the oldest of a long phase. Nothing can be said of
the first item ever, so a list that was never read before is taken not to be whole.

TensorRT-LLM's numbers of drafting are null while it does not speculate: nothing was drafted then.

Source: TensorRT-LLM 1.2 tensorrt_llm/serve/openai_server.py (`get_iteration_stats`) and
cpp/tensorrt_llm/executor/jsonSerialization.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from specseal.client.checked import an_object, count, objects
from specseal.client.job import COUNTERS, CountSource


class Iterations:
    """The sums over all items that were read from one server, from 0."""

    __slots__ = ("_last", "_shown", "_totals")

    def __init__(self) -> None:
        self._last: int | None = None
        self._totals = dict.fromkeys(COUNTERS, 0)
        self._shown = set(COUNTERS)

    def add(self, text: str, source: CountSource) -> tuple[int, bool]:
        """Add what one read gave.

        Args:
            text: a JSON list of objects.
            source: `number` is the key of an item's running number, `names` has a dotted path for
                each counter.

        Returns:
            How many items there were, and whether they go on from those before without a gap.

        Raises:
            ValueError, KeyError, TypeError: not such a list.
        """
        items = objects(json.loads(text))
        is_whole = True
        for item in items:
            number = count(item, source.number)
            is_whole &= self._last is not None and number == self._last + 1
            self._last = number
            for name, paths in source.names.items():
                for path in [paths] if isinstance(paths, str) else paths:
                    self._add(name, item, path)
        return len(items), is_whole

    def counters(self, source: CountSource) -> dict[str, int | None]:
        """Return each counter; None where the source names none, or some item did not have it."""
        known = self._shown & source.names.keys()
        return {name: self._totals[name] if name in known else None for name in COUNTERS}

    def _add(self, name: str, item: Mapping[str, Any], path: str) -> None:
        *outer, key = path.split(".")
        for part in outer:
            if item[part] is None:
                return
            item = an_object(item[part])
        if key in item:
            self._totals[name] += count(item, key)
        else:
            self._shown.discard(name)
