"""How much of the target's output a drafter with a reduced vocabulary can draft at all."""

from __future__ import annotations

from specseal.analysis.columns import UNKNOWN, WITHHELD
from specseal.analysis.definition import Definition, one
from specseal.analysis.facts import Needs
from specseal.analysis.intervals import Estimate, OverConversations, absent
from specseal.analysis.selection import Selection


def _coverage(selection: Selection) -> Estimate:
    requests, clusters = selection.requests, selection.clusters
    if (requests.draftable_tokens == WITHHELD).any():
        return absent("ids_withheld")
    told = requests.completed & (requests.draftable_tokens != UNKNOWN)
    draftable, output = requests.draftable_tokens[told], requests.output_tokens[told]
    if output.sum() == 0:
        return absent("no_output_ids")
    cluster = clusters.of_request[told]
    return Estimate(
        value=float(draftable.sum() / output.sum()),
        n=int(output.sum()),
        spread=OverConversations(
            numerator=clusters.sums(cluster, draftable),
            denominator=clusters.sums(cluster, output),
        ),
    )


DEFINITIONS = (
    Definition(
        names=("drafter_vocabulary_coverage",),
        unit="ratio",
        formula="output tokens that the drafter's vocabulary holds ÷ output tokens with known ids",
        source="records; `d2t` or `t2d` of the drafter's checkpoint",
        needs=Needs.COMPLETE,
        estimate=one(_coverage),
        applies=lambda selection: selection.vocabulary_is_reduced,
    ),
)
