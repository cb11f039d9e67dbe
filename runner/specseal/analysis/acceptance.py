"""Acceptance lengths and rates, from counts alone. No clock enters here.

    D    decode tokens: Σ over turns of (output tokens − 1); the first token is prefill's
    A    draft tokens accepted, as the engine counts them, before it trims
    cut  verified tokens dropped after a stop token or past max_tokens, the step's own token
         (the bonus) among them
    S    verify steps = D + cut − A, because each step verifies its accepted tokens and one more

Engines do not tell `cut`, so it is bounded. A request whose last step was trimmed lost at most
min(draft length, A). It lost at least what makes its S large enough to have accepted A: with draft
length L, S ≥ A ÷ L, so cut ≥ A ÷ L + A − D; that is above 0 only for very short outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from specseal.analysis.clusters import Clusters
from specseal.analysis.columns import UNKNOWN, IntArray, Requests
from specseal.analysis.counters import total
from specseal.analysis.counts import accepted_tokens, draft_tokens
from specseal.analysis.definition import PAPER, Definition, one
from specseal.analysis.intervals import Estimate, OverConversations, OverLaunches, absent
from specseal.analysis.selection import MeasuredPhase, Selection
from specseal.analysis.validity import Needs

MOST_CUT_EFFECT = 0.01
"""Least and largest possible `cut` may move an acceptance length by this share of it."""

_COUNTS = Needs.SPECULATION | Needs.ACCEPTED
_WHOLE = _COUNTS | Needs.COUNTERS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Decoding:
    """Decode tokens and bounds of the cut of each completed request."""

    decode: IntArray
    accepted: IntArray | None
    """None where the engine does not tell it of every request."""
    least_cut: IntArray
    most_cut: IntArray


def _decoding(requests: Requests, draft_length: int) -> _Decoding:
    completed = requests.completed
    decode = np.maximum(requests.output_tokens[completed] - 1, 0)
    accepted = requests.accepted_tokens[completed]
    trimmed = requests.may_be_cut[completed] & (decode > 0)
    if (accepted == UNKNOWN).any():
        return _Decoding(
            decode=decode,
            accepted=None,
            least_cut=np.zeros_like(decode),
            most_cut=np.where(trimmed, draft_length, 0),
        )
    most_cut = np.where(trimmed, np.minimum(draft_length, accepted), 0)
    steps_at_least = -(-accepted // draft_length)
    least_cut = np.clip(steps_at_least + accepted - decode, 0, most_cut)
    return _Decoding(decode=decode, accepted=accepted, least_cut=least_cut, most_cut=most_cut)


def _cut_effect(at_least_cut: float, at_most_cut: float) -> tuple[str, ...]:
    return ("cut_unknown",) if at_least_cut / at_most_cut - 1 > MOST_CUT_EFFECT else ()


def _acceptance_length(selection: Selection) -> Estimate:
    """D ÷ S at the least possible cut; not valid if the largest possible is over 1% away."""
    requests = selection.requests
    decoding = _decoding(requests, selection.draft_length)
    accepted = accepted_tokens(selection)
    if accepted is None:
        return absent("no_counters" if selection.is_whole_phase else "no_per_request_counts")
    decode = int(decoding.decode.sum())
    if decode == 0:
        return absent("no_decode_steps")
    steps = decode + int(decoding.least_cut.sum()) - accepted
    if steps <= 0:
        return absent("impossible_counts")
    most_steps = decode + min(int(decoding.most_cut.sum()), accepted) - accepted
    spread: OverConversations | str = "no_per_request_counts"
    if decoding.accepted is not None:
        cluster = selection.clusters.of_request[requests.completed]
        steps_each = decoding.decode + decoding.least_cut - decoding.accepted
        spread = OverConversations(
            numerator=selection.clusters.sums(cluster, decoding.decode),
            denominator=selection.clusters.sums(cluster, steps_each),
        )
    return Estimate(
        value=decode / steps,
        n=len(decoding.decode),
        spread=spread,
        reasons=_cut_effect(decode / steps, decode / max(most_steps, steps)),
    )


def _acceptance_length_harness(selection: Selection) -> Estimate:
    """Mean over conversations of output tokens ÷ (turns + S), as SPEED-Bench's harness reports it.

    The harness takes each chunk for a step; where the engine emits one chunk a step and tells no
    counts by request, so does this. Each conversation counts once a launch and load level.
    """
    requests = selection.requests
    done = requests.completed
    if not done.any():
        return absent("no_requests")
    decoding = _decoding(requests, selection.draft_length)
    if decoding.accepted is not None:
        base = 1 + decoding.decode - decoding.accepted
        least_steps, most_steps = base + decoding.least_cut, base + decoding.most_cut
    elif selection.one_chunk_a_step:
        least_steps = most_steps = requests.chunks[done]
    else:
        return absent("no_per_request_counts")
    instance, cluster = _instances(requests, selection.clusters)
    tokens = np.bincount(instance, weights=requests.output_tokens[done])
    steps = np.bincount(instance, weights=least_steps)
    if (steps <= 0).any():
        return absent("impossible_counts")
    lengths = tokens / steps
    at_most_cut = float((tokens / np.bincount(instance, weights=most_steps)).mean())
    value = float(lengths.mean())
    return Estimate(
        value=value,
        n=len(lengths),
        spread=OverConversations(
            numerator=selection.clusters.sums(cluster, lengths),
            denominator=selection.clusters.count(cluster),
        ),
        reasons=_cut_effect(value, at_most_cut) if value else (),
    )


def _instances(requests: Requests, clusters: Clusters) -> tuple[IntArray, IntArray]:
    """Return each completed request's conversation-in-a-phase, and the cluster of each of these."""
    done = requests.completed
    columns = (clusters.of_request, requests.repeat, requests.concurrency)
    places = np.stack([column[done] for column in columns], axis=1)
    unique, instance = np.unique(places, axis=0, return_inverse=True)
    return instance.reshape(-1), unique[:, 0]


def _acceptance_rate(selection: Selection) -> Estimate:
    accepted, drafted = accepted_tokens(selection), draft_tokens(selection)
    if accepted is None or drafted is None:
        return absent("no_counters" if selection.is_whole_phase else "no_per_request_counts")
    if drafted == 0:
        return absent("no_decode_steps")
    requests, clusters = selection.requests, selection.clusters
    done = requests.completed
    spread: OverConversations | str = "no_per_request_counts"
    if (
        not (requests.accepted_tokens[done] == UNKNOWN).any()
        and not (requests.draft_tokens[done] == UNKNOWN).any()
    ):
        cluster = clusters.of_request[done]
        spread = OverConversations(
            numerator=clusters.sums(cluster, requests.accepted_tokens[done]),
            denominator=clusters.sums(cluster, requests.draft_tokens[done]),
        )
    return Estimate(value=accepted / drafted, n=drafted, spread=spread)


def _acceptance_length_drafted(selection: Selection) -> Estimate:
    return _over_drafts(
        selection,
        upper=lambda phase: phase.change.accepted_tokens,
        lower=lambda phase: phase.change.drafts,
        offset=1.0,
    )


def _over_drafts(
    selection: Selection,
    *,
    upper: Callable[[MeasuredPhase], int | None],
    lower: Callable[[MeasuredPhase], int | None],
    offset: float = 0.0,
) -> Estimate:
    """Return offset + Σ upper ÷ Σ lower over phases; the interval is over launches."""
    if not selection.is_whole_phase:
        return absent("no_per_request_drafts")

    def ratio(phases: tuple[MeasuredPhase, ...]) -> tuple[float | None, int, str]:
        above, below = total(map(upper, phases)), total(map(lower, phases))
        if above is None or below is None:
            return None, 0, "no_counters"
        if below == 0:
            return None, 0, "no_decode_steps"
        return offset + above / below, below, ""

    value, n, reason = ratio(selection.phases)
    if value is None:
        return absent(reason)
    launches = [ratio(phases)[0] for phases in selection.launches().values()]
    known = tuple(launch for launch in launches if launch is not None)
    return Estimate(value=value, n=n, spread=OverLaunches(values=known))


def _at_position(position: int) -> Callable[[MeasuredPhase], int | None]:
    """Return what counts acceptances at a 1-based position; position 0 is the draft itself."""

    def count(phase: MeasuredPhase) -> int | None:
        if position == 0:
            return phase.change.drafts
        accepted = phase.change.accepted_per_position
        if accepted is None:
            return None
        return accepted[position - 1] if position <= len(accepted) else 0

    return count


def position_definitions(position: int) -> tuple[Definition, Definition]:
    """Return the rows of a 1-based draft position: its joint and its conditional rate."""
    here, before = _at_position(position), _at_position(position - 1)

    def joint(selection: Selection) -> Estimate:
        return _over_drafts(selection, upper=here, lower=_at_position(0))

    def conditional(selection: Selection) -> Estimate:
        return _over_drafts(selection, upper=here, lower=before)

    return (
        Definition(
            names=(f"acceptance_joint_position_{position}",),
            unit="ratio",
            formula=f"accepted at position {position} ÷ drafts",
            source="engine counters",
            needs=_WHOLE,
            estimate=one(joint),
            least_draft_length=position,
        ),
        Definition(
            names=(f"acceptance_conditional_position_{position}",),
            unit="ratio",
            formula=f"accepted at position {position} ÷ "
            + (f"accepted at position {position - 1}" if position > 1 else "drafts"),
            source=f"AR_{position} of {PAPER}",
            needs=_WHOLE,
            estimate=one(conditional),
            least_draft_length=position,
        ),
    )


DEFINITIONS = (
    Definition(
        names=("acceptance_length",),
        unit="tokens/step",
        formula="D ÷ S over all decode steps, drafted or not",
        source=f"AL of {PAPER}",
        needs=_WHOLE | Needs.COMPLETE,
        estimate=one(_acceptance_length),
        least_draft_length=1,
    ),
    Definition(
        names=("acceptance_length_drafted",),
        unit="tokens/step",
        formula="1 + accepted ÷ drafts: only steps that had a draft",
        source="vLLM's counters and dashboards",
        needs=_WHOLE,
        estimate=one(_acceptance_length_drafted),
        least_draft_length=1,
    ),
    Definition(
        names=("acceptance_length_harness",),
        unit="tokens/step",
        formula="mean over conversations of output tokens ÷ (turns + S)",
        source="SPEED-Bench harness, NVIDIA/Model-Optimizer examples/specdec_bench",
        needs=_COUNTS | Needs.COMPLETE,
        estimate=one(_acceptance_length_harness),
        least_draft_length=1,
    ),
    Definition(
        names=("acceptance_rate",),
        unit="ratio",
        formula="accepted ÷ draft tokens",
        source="engine counters; by category, records",
        needs=_WHOLE,
        estimate=one(_acceptance_rate),
        least_draft_length=1,
    ),
)
