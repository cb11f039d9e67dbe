"""Against the baseline: the same turns without speculation, in the same repeat and at one load."""

from __future__ import annotations

import numpy as np

from specseal.analysis.columns import IDENTICAL, NOT_COMPARABLE, SOMEWHERE
from specseal.analysis.definition import Definition, one, speculates
from specseal.analysis.intervals import Estimate, OverConversations, OverLaunches, absent
from specseal.analysis.samples import Sample, statistics
from specseal.analysis.selection import Selection, by_launch
from specseal.analysis.throughput import launch_rate, output_tokens
from specseal.analysis.validity import Needs

_SAME_OUTPUT = Needs.SPECULATION | Needs.BASELINE
_FASTER = _SAME_OUTPUT | Needs.COMPLETE | Needs.CLOCK | Needs.PREFILL


def _speedup_user_tps(selection: Selection) -> Estimate:
    requests, clusters = selection.requests, selection.clusters
    ours, theirs = requests.user_tps, requests.baseline_tps
    paired = requests.completed & ~np.isnan(ours) & ~np.isnan(theirs) & (theirs > 0)
    if not paired.any():
        return absent("no_baseline")
    cluster = clusters.of_request[paired]
    above, below = clusters.sums(cluster, ours[paired]), clusters.sums(cluster, theirs[paired])
    return Estimate(
        value=float(above.sum() / below.sum()),
        n=int(paired.sum()),
        spread=OverConversations(numerator=above, denominator=below),
    )


def _speedup_output_tps(selection: Selection) -> Estimate:
    if not selection.is_whole_phase:
        return absent("whole_phase_only")
    baseline = by_launch(selection.baseline_phases)
    ratios = []
    for repeat, phases in selection.launches().items():
        ours = launch_rate(phases, output_tokens)
        theirs = launch_rate(baseline.get(repeat, ()), output_tokens)
        if ours is not None and theirs:
            ratios.append(ours / theirs)
    if not ratios:
        return absent("no_baseline")
    return Estimate(
        value=sum(ratios) / len(ratios),
        n=len(ratios),
        spread=OverLaunches(values=tuple(ratios), multiplies=True),
    )


def _identical_output_share(selection: Selection) -> Estimate:
    if reason := _no_comparison(selection):
        return absent(reason)
    compared = selection.requests.first_difference != NOT_COMPARABLE
    sample = Sample(
        values=(selection.requests.first_difference[compared] == IDENTICAL).astype(np.int64),
        cluster=selection.clusters.of_request[compared],
    )
    return statistics(sample, selection.clusters, ("mean",))[0]


def _first_difference(selection: Selection) -> Estimate:
    if reason := _no_comparison(selection):
        return absent(reason)
    if (selection.requests.first_difference == SOMEWHERE).any():
        return absent("ids_withheld")
    differing = selection.requests.first_difference >= 0
    sample = Sample(
        values=selection.requests.first_difference[differing],
        cluster=selection.clusters.of_request[differing],
    )
    return statistics(sample, selection.clusters, ("p50",), if_empty="all_identical")[0]


def _no_comparison(selection: Selection) -> str | None:
    if not selection.baseline_phases and not selection.is_baseline:
        return "no_baseline"
    if not selection.is_greedy:
        return "not_greedy"
    if (selection.requests.first_difference == NOT_COMPARABLE).all():
        return "no_comparable_turns"
    return None


def _has_partners(selection: Selection) -> bool:
    return not selection.is_baseline or len(selection.launches()) > 1


DEFINITIONS = (
    Definition(
        names=("speedup_user_tps",),
        unit="ratio",
        formula="mean user TPS with speculation ÷ mean user TPS of the baseline, over the turns "
        "(of one repeat, load level and conversation) that both completed",
        source="paired",
        needs=_FASTER,
        estimate=one(_speedup_user_tps),
        applies=speculates,
    ),
    Definition(
        names=("speedup_output_tps",),
        unit="ratio",
        formula="output TPS with speculation ÷ that of the baseline in the same repeat; "
        "mean over repeats",
        source="paired",
        needs=_FASTER | Needs.THROUGHPUT,
        estimate=one(_speedup_output_tps),
        applies=speculates,
    ),
    Definition(
        names=("identical_output_share",),
        unit="ratio",
        formula="turns with output ids equal to the baseline's ÷ turns with equal input ids, "
        "at temperature 0; of the baseline, its later launches against its first",
        source="paired",
        needs=_SAME_OUTPUT,
        estimate=one(_identical_output_share),
        applies=_has_partners,
    ),
    Definition(
        names=("first_difference_tokens_p50",),
        unit="tokens",
        formula="tokens before the first that differs from the baseline's, of turns that differ",
        source="paired",
        needs=_SAME_OUTPUT,
        estimate=one(_first_difference),
        applies=_has_partners,
    ),
)
