"""Verify steps: how many there were, by the counts of the engine and by the stream.

    D    decode tokens: Σ over turns of (output tokens − 1); the first token is prefill's
    A    draft tokens accepted, as the engine counts them, before it trims
    cut  verified tokens dropped after a stop token or past max_tokens, the step's own token
         (the bonus) among them
    S    verify steps = D + cut − A, because each step verifies its accepted tokens and one more

Engines tell of a request the steps that verified a draft. Where the drafter always has one, these
are S, and no formula is needed. Others (n-grams, suffixes) may find none in a step, which hides
behind what was cut in the last one; then, and where only A is told, `cut` is bounded. A request
whose last step was trimmed lost at most min(draft length, A). It lost at least what makes its S as
large as the steps told, or large enough to have accepted A: with draft length L, S ≥ A ÷ L, so
cut ≥ A ÷ L + A − D.

The stream shows a step as a chunk, but for the first, where the engine sends one chunk a step and
nothing merged them on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specseal.analysis.columns import UNKNOWN, IntArray, Requests
from specseal.analysis.data import JobData

ALWAYS_DRAFTING = frozenset({"draft_model", "eagle", "eagle3", "medusa", "mtp", "dflash"})
"""Methods whose every decode step verifies a draft, which a model makes. Others may have none."""
MOST_CUT_EFFECT = 0.01
"""Least and largest possible `cut` may move an acceptance length by this share of it."""


def always_drafts(job: JobData) -> bool:
    """Say whether each decode step of a job verifies a draft: by its method, or by its engine."""
    return job.speculation in ALWAYS_DRAFTING or job.every_step_drafts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Decode tokens and steps of each completed request."""

    decode: IntArray
    least_cut: IntArray
    most_cut: IntArray
    least: IntArray | None
    """Least steps by the request's own counts; None where the engine tells none of some request."""
    most: IntArray | None
    exact: bool
    """Whether the steps told are all there were, and are told of every request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTotals:
    """Decode tokens of some requests, and the least and most steps they may have had together."""

    decode: int
    least: int
    most: int
    by_request: bool
    """Whether the requests' own counts say so, not the engine's counters."""

    @property
    def are_close(self) -> bool:
        """Whether least and most leave at most 1% open."""
        return self.least > 0 and self.most / self.least - 1 <= MOST_CUT_EFFECT


def steps_of(requests: Requests, draft_length: int, *, always_drafts: bool) -> Steps:
    """Return the steps of each completed request, or bounds of them, by its own counts.

    Args:
        requests: of one method and draft length.
        draft_length: the longest draft.
        always_drafts: whether each step verifies a draft.
    """
    completed = requests.completed
    decode = np.maximum(requests.output_tokens[completed] - 1, 0)
    accepted, steps = requests.accepted_tokens[completed], requests.verify_steps[completed]
    trimmed = requests.may_be_cut[completed] & (decode > 0)
    exact = always_drafts and not (steps == UNKNOWN).any()
    counted = not (accepted == UNKNOWN).any()
    if counted:
        most_cut = np.where(trimmed, np.minimum(draft_length, accepted), 0)
        steps_at_least = np.maximum(-(-accepted // draft_length), steps)  # UNKNOWN is below 0
        least_cut = np.clip(steps_at_least + accepted - decode, 0, most_cut)
    else:
        most_cut, least_cut = np.where(trimmed, draft_length, 0), np.zeros_like(decode)
    least = most = None
    if exact:
        least = most = steps
    elif counted:
        least, most = decode + least_cut - accepted, decode + most_cut - accepted
    return Steps(
        decode=decode, least_cut=least_cut, most_cut=most_cut, least=least, most=most, exact=exact
    )


def step_totals(steps: Steps, *, accepted: int | None) -> StepTotals | None:
    """Add up the steps of some requests; None where nothing tells them.

    Exact steps come first, then the engine's counters, then bounds by request.

    Args:
        steps: of the requests.
        accepted: what the engine's counters say that they accepted together; None where there is
            no such counter, or where it is not of these requests alone.
    """
    decode = int(steps.decode.sum())
    if accepted is not None and not steps.exact:
        least = decode + int(steps.least_cut.sum()) - accepted
        most = decode + min(int(steps.most_cut.sum()), accepted) - accepted
        return StepTotals(decode=decode, least=least, most=max(least, most), by_request=False)
    if steps.least is None or steps.most is None:
        return None
    least, most = int(steps.least.sum()), int(steps.most.sum())
    return StepTotals(decode=decode, least=least, most=most, by_request=True)


def stream_steps(requests: Requests) -> IntArray:
    """Return how many steps the stream of each completed request shows: its chunks but the first.

    Only of engines that send one chunk a step.
    """
    return np.maximum(requests.chunks[requests.completed] - 1, 0)


def stream_agreement(requests: Requests, totals: StepTotals | None) -> float | None:
    """Return the steps that the stream shows ÷ the nearest number that the counts allow.

    None where no step was counted. 1 says that they agree; below 1, chunks were merged.
    """
    if totals is None:
        return None
    shown = int(stream_steps(requests).sum())
    nearest = min(max(shown, totals.least), totals.most)
    return shown / nearest if nearest > 0 else None
