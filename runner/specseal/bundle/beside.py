"""Several bundles in one table: the rows of each under its name, and what they share in words.

Nothing is judged here: that two numbers stand beside each other says only that the inputs named
below the table are equal or are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from specseal.bundle.places import ABSENT
from specseal.bundle.recompute import Contents
from specseal.bundle.table import Summary, summarise
from specseal.digests import sha256_value
from specseal.spec.locked import Lock

_DIGITS = 12

INPUTS: dict[str, Callable[[Lock], Any]] = {
    "prompts (token ids)": lambda lock: lock.prompts["sha256"],
    "conversations": lambda lock: lock.points["conversations"],
    "model files before any step": lambda lock: (
        lock.model["steps"][0]["from"] if lock.model["steps"] else lock.model["files"]
    ),
    "drafting": lambda lock: [
        lock.drafter["method"],
        lock.points["draft_length"],
        lock.drafter["args"],
    ],
    "sampling": lambda lock: lock.sampling,
    "load": lambda lock: lock.points["load"],
    "client": lambda lock: lock.client,
}
"""What must be equal for figures to be about the same thing, each with where it is in a lock."""


def beside(bundles: Sequence[Contents], *, by: str, wide: bool = False) -> Summary:
    """Return one summary of several bundles, in their order.

    Args:
        bundles: each proven intact.
        by: what a row is; see `GROUPINGS`.
        wide: whether to have more columns.
    """
    names = _names(bundles)
    summaries = [summarise(one.result, one.environment, by=by, wide=wide) for one in bundles]
    headers = list(dict.fromkeys(name for one in summaries for name in one.headers))
    rows = [
        (name, *(dict(zip(summary.headers, row, strict=True)).get(key, ABSENT) for key in headers))
        for name, summary in zip(names, summaries, strict=True)
        for row in summary.rows
    ]
    told = list(zip(names, summaries, strict=True))
    return Summary(
        setting="; ".join(f"{name}: {one.setting}" for name, one in told),
        headers=("of", *headers),
        rows=tuple(rows),
        sentences=(
            *_equal_inputs([one.lock for one in bundles]),
            *(f"{name}: {said}" for name, one in told for said in one.sentences),
        ),
        notes=tuple(f"{name}: {note}" for name, one in told for note in one.notes),
    )


def _names(bundles: Sequence[Contents]) -> list[str]:
    """Return a name a bundle: its engine's, then the spec's, then its digest, whatever differs."""
    locks = [one.lock for one in bundles]
    choices = (
        [f"{lock.engine['name']} {lock.engine['version']}".strip() for lock in locks],
        [lock.spec["name"] for lock in locks],
        [one.manifest[:_DIGITS] for one in bundles],
    )
    return next((names for names in choices if len(set(names)) == len(names)), choices[-1])


def _equal_inputs(locks: Sequence[Lock]) -> Iterator[str]:
    for what, of in INPUTS.items():
        digests = [sha256_value(of(lock)) for lock in locks]
        if len(set(digests)) == 1:
            yield f"{what}: equal ({digests[0][:_DIGITS]})"
        else:
            yield f"{what}: NOT equal ({', '.join(digest[:_DIGITS] for digest in digests)})"
