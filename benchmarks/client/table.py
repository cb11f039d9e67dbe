"""From what was measured to the README's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client.clients import Figures
from benchmarks.client.points import Point
from benchmarks.client.watch import Taken

BEGIN = "<!-- made by `make bench-client`: begin -->"
END = "<!-- made by `make bench-client`: end -->"

_HEAD = (
    "concurrency", "client", "mean TTFT, error ms", "p99 TTFT, error ms", "mean step, error ms",
    "CPU s a million chunks", "without start-up", "peak memory MB",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One client at one point."""

    client: str
    point: Point
    said: Figures
    truth: Figures
    taken: Taken
    start_cpu_s: float
    """CPU seconds of the same client sending one request of two tokens."""
    lateness_p99_s: float
    """99th percentile of how late the engine wrote a chunk, against its schedule."""
    engine_cpu_share: float
    """CPU seconds of the engine ÷ seconds of the run."""


def table(measurements: Sequence[Measurement]) -> str:
    """Return the Markdown table."""
    rows = [_HEAD, tuple("---:" if number != 1 else "---" for number in range(len(_HEAD)))]
    rows += [_row(one) for one in measurements]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: Measurement) -> tuple[str, ...]:
    millions = one.point.chunks / 1e6
    return (
        str(one.point.concurrency),
        one.client,
        f"{_error_ms(one.said.mean_ttft_s, one.truth.mean_ttft_s):+.2f}",
        f"{_error_ms(one.said.p99_ttft_s, one.truth.p99_ttft_s):+.2f}",
        f"{_error_ms(one.said.mean_step_s, one.truth.mean_step_s):+.3f}",
        f"{one.taken.cpu_s / millions:.0f}",
        f"{(one.taken.cpu_s - one.start_cpu_s) / millions:.0f}",
        f"{one.taken.peak_bytes / 1e6:.0f}",
    )


def _error_ms(said_s: float, true_s: float) -> float:
    return (said_s - true_s) * 1e3


def engine_line(measurements: Sequence[Measurement]) -> str:
    """Say whether the engine itself kept to its schedule."""
    late = max(one.lateness_p99_s for one in measurements)
    share = max(one.engine_cpu_share for one in measurements)
    return (
        f"The engine: 99 of 100 chunks at most {late * 1e3:.1f} ms after their time in the run "
        f"where it was latest, {share:.0%} of its core at most."
    )


def put(readme: Path, text: str) -> None:
    """Put `text` between the two marks of a README. Raises: ValueError where they are not."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme}: {BEGIN} … {END} is not there")
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
