"""The reference of all metrics and reasons as Markdown: `docs/metrics.md`, held to it by a test."""

from __future__ import annotations

from collections.abc import Sequence

from specseal.analysis.metrics import ANALYSIS_VERSION, definitions
from specseal.analysis.validity import REASONS

_INTRODUCTION = f"""\
# Metrics

Generated from the tables in `runner/specseal/analysis/`; a test says when it is stale, and how to
write it anew. Analysis version {ANALYSIS_VERSION}.

Every metric is given for each method and draft length, at each load level and over all, in each
category and over all. It has a unit, a count `n` of what it is over, a 95% interval or the reason
for none, and `valid`: true where it has a value and nothing that it needs is wrong.

- D: decode tokens, Σ over turns of (output tokens − 1); the first token is prefill's.
- A: draft tokens accepted, as the engine counts them, before it trims the output.
- cut: verified tokens dropped after a stop token or past `max_tokens`, the step's own token
  among them. Example: 4 tokens drafted, all accepted, the second is the stop token: 2 tokens come
  out, A = 4, cut = 3.
- S = D + cut − A: verify steps. Where every step drafts, S equals drafts.
- Engines do not tell cut. Lengths are computed with the least that the counts allow (mostly 0),
  and are not valid (`cut_unknown`) if the most that they allow moves them by over 1%.
- `_p50`, `_p90`, `_p99`: the least value that 50, 90, 99% of all values do not exceed.
- Failed requests are left out of every statistic; those of time, and the lengths that are over
  all requests, are then not valid.
- Intervals of what requests tell: bootstrap, 1,000 resamples of conversations (each with all its
  turns, load levels and repeats), percentile method, at least 5 conversations. A percentile's
  resamples are read off at the rank that the resampled share of values at or below it implies
  (Bahadur, 1966); at least 5 conversations must have a value above it.
- Intervals of what only whole phases tell, over at least 3 launches: value ± t · s ÷ √n for
  lengths and rates over drafts, value ×÷ exp(t · s ÷ √n) with s of the logarithms for throughput
  and its speedup.
"""


def metrics_reference() -> str:
    """Return the whole document. Positions 1 and 2 stand for all up to the draft length."""
    metrics = [
        (", ".join(f"`{name}`" for name in row.names), row.unit, row.formula, row.source)
        for row in definitions(2)
    ]
    reasons = [(f"`{code}`", sentence) for code, sentence in REASONS.items()]
    return "\n".join(
        (
            _INTRODUCTION,
            *_table(("name", "unit", "formula", "source"), metrics),
            "",
            "Positions go on to the draft length. The baseline has latency, throughput and counts.",
            "",
            "## Reasons",
            "",
            *_table(("code", "meaning"), reasons),
            "",
        )
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
