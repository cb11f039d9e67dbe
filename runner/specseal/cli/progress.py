"""The live display of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from specseal.bench import Watcher
from specseal.plan import Job
from specseal.runtimes import Progress


@contextmanager
def watching() -> Iterator[Watcher]:
    """Yield a watcher that fits where stderr goes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        yield _Terminal(bar)


def describe(progress: Progress) -> str:
    """Return tokens a second, and the acceptance length so far where tokens were drafted.

    So far it is output tokens ÷ (output tokens − accepted ones): each token that was not accepted
    from a draft took a step of its own.
    """
    rate = progress.output_tokens / progress.elapsed_s if progress.elapsed_s else 0.0
    text = f"{rate:.0f} tokens/s"
    if progress.draft_tokens:
        steps = progress.output_tokens - progress.accepted_tokens
        text += f", acceptance length so far {progress.output_tokens / steps:.2f}"
    return text


class _Lines:
    """One line a job and one a phase."""

    def __init__(self) -> None:
        self._title = ""
        self._last: Progress | None = None

    def say(self, line: str) -> None:
        click.echo(line, err=True)

    def begin(self, job: Job, number: int, of: int) -> None:
        self._title, self._last = f"job {number}/{of} {job.name}", None

    def progress(self, progress: Progress) -> None:
        if progress.done == progress.total and progress != self._last:
            if self._last is None or self._last.phase != progress.phase:
                self.say(
                    f"{self._title} {progress.phase}: {progress.done} requests, "
                    f"{describe(progress)}"
                )
            self._last = progress


class _Terminal:
    """A bar a phase."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._title = bar, ""
        self._task = bar.add_task("", total=None, detail="")

    def say(self, line: str) -> None:
        self._bar.console.print(line, highlight=False, markup=False)

    def begin(self, job: Job, number: int, of: int) -> None:
        self._title = f"job {number}/{of} {job.name}"
        self._bar.reset(self._task, description=f"{self._title} starting", detail="", total=None)

    def progress(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            description=f"{self._title} {progress.phase}",
            completed=progress.done,
            total=progress.total,
            detail=describe(progress),
        )
