"""Prompt tokens that came from a cache: what the requests and the counters of a phase tell of them.

Neither need tell. vLLM and SGLang put a request's cached tokens into its usage only where they are
started with a flag that asks for them, and SGLang and vLLM up to some 0.2x even then leave a 0 out.
"""

from __future__ import annotations

import numpy as np

from specseal.analysis.counters import CounterChange
from specseal.record_table import RecordTable


def cached_tokens(records: RecordTable, change: CounterChange) -> int | None:
    """Return how many prompt tokens came from a cache, or None where nothing tells.

    Where requests and counters disagree it is the larger number: no prompt may be taken for one
    that was prefilled whole while anything says that it was not.

    Args:
        records: of one phase.
        change: of its counters.
    """
    cached_by_request, completed = records.numbers["cached_tokens"], records.completed
    told = cached_by_request.values[completed & cached_by_request.are_known()].tolist()
    by_request = sum(told)
    known = [change.cached_tokens]
    if by_request or (told and len(told) == np.count_nonzero(completed)):
        known.append(by_request)
    return max((cached for cached in known if cached is not None), default=None)
