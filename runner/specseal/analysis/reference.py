"""The reference of all metrics and reasons as Markdown: `docs/metrics.md`, held to it by a test."""

from __future__ import annotations

from collections.abc import Sequence

from specseal.analysis.metrics import ANALYSIS_VERSION, definitions
from specseal.analysis.overestimate import ACROSS_INPUTS
from specseal.analysis.validity import REASONS

_INTRODUCTION = f"""\
# Metrics

Generated from the tables in `runner/specseal/analysis/`; a test says when it is stale, and how to
write it anew. Analysis version {ANALYSIS_VERSION}.

Every metric is given for each method and draft length, input, and setting that a sweep varies, at
each load level and over all, in each category and over all. Inputs and settings are never pooled.
It has a unit, a count `n` of what it is over, a 95% interval or the reason for none, and `valid`:
true where it has a value and nothing that it needs is wrong. The baseline of a metric is the
decoding without speculation at the same input, load and setting, but for settings of the drafter.

- D: decode tokens, Σ over turns of (output tokens − 1); the first token is prefill's.
- A: draft tokens accepted, as the engine counts them, before it trims the output.
- cut: verified tokens dropped after a stop token or past `max_tokens`, the step's own token
  among them. Example: 4 tokens drafted, all accepted, the second is the stop token: 2 tokens come
  out, A = 4, cut = 3.
- S = D + cut − A: verify steps. Where every step drafts, S equals drafts.
- Where the engine tells the verify steps of every request, S is their sum, and cut is known.
- Else cut is not told. Lengths are computed with the least that the counts allow (mostly 0), and
  are not valid (`cut_unknown`) if the most that they allow moves them by over 1%.
- The stream shows S as chunks − 1 a turn, where the engine sends one chunk a verify step. Chunks
  that were merged on the way, or by a reader that lagged, make it too small. What rests on it is
  not valid where it is over 1% away from the counted S (`counters_and_stream_disagree`), where the
  counts leave S open by over 1% (`cut_unknown`), or where nothing was counted
  (`stream_not_checked`).
- `_p50`, `_p90`, `_p99`: the least value that 50, 90, 99% of all values do not exceed.
- Failed requests are left out of every statistic; those of time, and the lengths that are over
  all requests, are then not valid. `goodput_share` counts them as not kept.
- A conversation that a phase sends again is the same turn again only with the same count of
  sendings before it; in intervals it stays one conversation.
- Two launches of the baseline may differ, too: `identical_output_share` of the baseline, its later
  launches against its first, is the most that can be asked of speculation.
- Intervals of what requests tell: bootstrap, 1,000 resamples of conversations (each with all its
  turns, load levels and repeats), percentile method, at least 5 conversations. A percentile's
  resamples are read off at the rank that the resampled share of values at or below it implies
  (Bahadur, 1966); at least 5 conversations must have a value above it. They say how sure a number
  is for other prompts in the same launches, and nothing of how much launches differ.
- Intervals of what only whole phases tell, over at least 3 launches: value ± t · s ÷ √n for
  lengths and rates over drafts, value ×÷ exp(t · s ÷ √n) with s of the logarithms for throughput,
  its speedup, and (of the ratio, before 1 is taken off) `random_overestimate`.
- Power, energy, clocks, CPU and memory come from telemetry, interpolated to the ends of a phase;
  samples must cover 90% of it. They are of whole phases, so there are none of categories, and of
  accelerators only where the machine has no more of them than the job held. Sums over accelerators
  are absent where one that the job held tells nothing.
- The best draft length at a load level (`choices` in the result) has the highest mean user TPS over
  the turns that every length, and the baseline as length 0, completed. All pairs of lengths are
  compared by one bootstrap over conversations, at 95% for all of them together (greatest
  |d* − d| ÷ s of the logarithms of their ratios): lengths that do not differ from the best by more
  are `as_good`. Speedups there have the intervals of these comparisons, wider than that of
  `speedup_user_tps`.
- `crossovers`: the largest load level at which the best length that speculates is so shown to be
  faster than the baseline, and the smallest at which it is not. Levels are not corrected for each
  other.
"""


_CLOSING = """\
Positions go on to the draft length. The baseline has no acceptance and no speedup; launched more
than once, it has `identical_output_share`. Goodput is there where `workload.slo` is, and
`random_overestimate` where both inputs were run: it has no input in its `where`."""


def metrics_reference() -> str:
    """Return the whole document. Positions 1 and 2 stand for all up to the draft length."""
    metrics = [
        (", ".join(f"`{name}`" for name in row.names), row.unit, row.formula, row.source)
        for row in (*definitions(2), *ACROSS_INPUTS)
    ]
    reasons = [(f"`{code}`", sentence) for code, sentence in REASONS.items()]
    return "\n".join(
        (
            _INTRODUCTION,
            *_table(("name", "unit", "formula", "source"), metrics),
            "",
            _CLOSING,
            "",
            "## Reasons",
            "",
            *_table(("code", "meaning"), reasons),
            "",
        )
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
