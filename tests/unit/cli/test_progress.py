"""The live display: what it says of a job, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from specseal.cli import progress as display
from specseal.plan import Job
from specseal.runtimes import Progress

JOB = Job(
    name="r1-ngram",
    variant=0,
    method="ngram",
    draft_length=4,
    repeat=0,
    max_sequences=1,
    phases=(),
)


def at(phase: str, done: int, *, accepted: int = 0) -> Progress:
    return Progress(
        phase=phase, done=done, total=2, output_tokens=60, draft_tokens=3 * accepted,
        accepted_tokens=accepted, elapsed_s=2.0,
    )  # fmt: skip


def test_without_a_terminal_a_phase_is_one_line_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with display.watching() as watcher:
        watcher.begin(JOB, 2, 4)
        for progress in (at("warmup", 1), at("warmup", 2), at("warmup", 2), at("c1", 0)):
            watcher.progress(progress)
        watcher.progress(at("c1", 2, accepted=20))
    assert capsys.readouterr().err.splitlines() == [
        "job 2/4 r1-ngram warmup: 2 requests, 30 tokens/s",
        "job 2/4 r1-ngram c1: 2 requests, 30 tokens/s, acceptance length so far 1.50",
    ]


def test_the_same_phase_of_the_next_job_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    with display.watching() as watcher:
        for number in (1, 2):
            watcher.begin(JOB, number, 2)
            watcher.progress(at("c1", 2))
    assert [line[:7] for line in capsys.readouterr().err.splitlines()] == ["job 1/2", "job 2/2"]


def test_before_any_time_has_passed_there_is_no_rate() -> None:
    start = Progress(
        phase="c1", done=0, total=2, output_tokens=0, draft_tokens=0, accepted_tokens=0,
        elapsed_s=0.0,
    )  # fmt: skip
    assert display.describe(start) == "0 tokens/s"


def test_on_a_terminal_a_bar_shows_job_phase_and_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(display, "Console", lambda stderr: terminal)
    with display.watching() as watcher:
        watcher.say("runtime: native")
        watcher.begin(JOB, 1, 4)
        watcher.progress(at("c1", 1, accepted=20))
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert "runtime: native" in shown
    assert "job 1/4 r1-ngram c1" in shown
    assert "1/2" in shown
    assert "acceptance length so far 1.50" in shown
