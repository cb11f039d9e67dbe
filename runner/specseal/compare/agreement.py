"""Launches that agree to the last digit: is there nothing that varies, or is it chance?

Alone in flight, and at temperature 0, an engine has no reason to generate anything else in its next
launch. Where requests share a batch, or tokens are drawn, a prompt has a few likely outputs: two
launches may agree on it, and the third may not. So that a figure of a few prompts does not take
luck for certainty, its launches count as equal only if those of all prompts together are, too, and
these were sent often enough: what agrees by chance half of the time does so five times in 3%.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specseal.analysis.figures import Figure
from specseal.analysis.intervals import LEAST_CONVERSATIONS
from specseal.analysis.outputs import is_greedy
from specseal.analysis.result import Where
from specseal.compare.difference import Place, place
from specseal.compare.side import Side
from specseal.compare.spread import over_launches

BY_CHANCE = (
    "the launches agree on these few prompts, which may be chance: with several conversations in "
    "flight, or at a temperature above 0, the next launch may generate something else; more "
    "conversations (`workload.load.requests`) would tell"
)
_OF_SOME_PROMPTS = ("category", "tier", "turn")


def agree_by_chance(figure: Figure, figures: Mapping[Place, Figure], side: Side) -> bool:
    """Say whether the launches of a figure agree, with nothing to show that others would.

    Args:
        figure: of a result.
        figures: all of the same metric in the result, by what names them.
        side: the result.
    """
    levels = _levels(figure, side)
    if not _agree(figure) or (levels == {1} and is_greedy(side.run, figure.where)):
        return False
    of_all = figures.get(place(figure.name, _of_all_prompts(figure)))
    if of_all is None or not _agree(of_all):
        return True
    conversations = min(
        len(one.lock.points["conversations"]) for one in side.lock.variants_in_full()
    )
    return conversations * len(levels) < LEAST_CONVERSATIONS


def same_on_all_prompts(
    figure: Figure, mine: Mapping[Place, Figure], theirs: Mapping[Place, Figure]
) -> bool:
    """Say whether two results gave the same of a metric on each prompt, and on enough of them.

    Args:
        figure: says which metric and, but for categories, which of its figures.
        mine: figures of the one result, by what names them.
        theirs: of the other.
    """
    name = place(figure.name, _of_all_prompts(figure))
    one, other = (of_all.parts if (of_all := side.get(name)) else None for side in (mine, theirs))
    if one is None or other is None or one.conversations != other.conversations:
        return False
    is_same = np.array_equal(one.numerator, other.numerator) and np.array_equal(
        one.denominator, other.denominator
    )
    return is_same and int(np.count_nonzero(one.denominator)) >= LEAST_CONVERSATIONS


def _of_all_prompts(figure: Figure) -> Where:
    return {key: value for key, value in figure.where.items() if key not in _OF_SOME_PROMPTS}


def _agree(figure: Figure) -> bool:
    spread = over_launches(figure.launches)
    return spread is not None and spread.error == 0


def _levels(figure: Figure, side: Side) -> set[int | None]:
    """Return how many conversations were in flight for a figure, each number once."""
    levels = {phase.load.concurrency for job in side.run.jobs for phase in job.phases}
    return {one for one in levels if figure.where.get("concurrency") in (None, one)}
