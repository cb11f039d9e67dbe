"""Draw a `Summary`: as plain text, GitHub's Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Iterator

from tabulate import tabulate

from specseal.bundle.table import Summary

_LINE_CHARACTERS = 118


def render(summary: Summary, form: str) -> str:
    """Draw a summary, without a final newline.

    Args:
        summary: what `summarise` gave.
        form: one of `FORMATS`.
    """
    return _FORMS[form](summary)


def _simple(summary: Summary) -> str:
    lines = [
        textwrap.fill(
            line,
            _LINE_CHARACTERS,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in _around(summary)
    ]
    return "\n".join([*_plain(summary), "", *lines])


def _plain(summary: Summary) -> Iterator[str]:
    """Yield the lines of a table as narrow as it can be: names take two lines."""
    parted = [header.partition(" ") for header in summary.headers]
    names = [[first for first, _, _ in parted], [second for _, _, second in parted]]
    widths = [max(map(len, column)) for column in zip(*names, *summary.rows, strict=True)]
    for row in (*names, ["-" * width for width in widths], *summary.rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _github(summary: Summary) -> str:
    listed = [f"- {line}" for line in (*summary.sentences, *summary.notes)]
    parts = [_table(summary, "github"), summary.setting, "\n".join(listed)]
    return "\n\n".join(part for part in parts if part)


def _latex(summary: Summary) -> str:
    """Draw a tabular; everything but the table is in comments."""
    comments = [f"% {line}" for line in _around(summary)]
    return "\n".join([_table(summary, "latex_booktabs"), *comments])


def _csv(summary: Summary) -> str:
    """Draw what a program reads: the setting is a column, and there are no sentences."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*summary.headers, "setting"])
    writer.writerows([*row, summary.setting] for row in summary.rows)
    return text.getvalue().removesuffix("\n")


_FORMS: dict[str, Callable[[Summary], str]] = {
    "simple": _simple,
    "github": _github,
    "latex": _latex,
    "csv": _csv,
}
FORMATS = tuple(_FORMS)


def _table(summary: Summary, form: str) -> str:
    return tabulate(summary.rows, headers=summary.headers, tablefmt=form, disable_numparse=True)


def _around(summary: Summary) -> tuple[str, ...]:
    return (summary.setting, *summary.sentences, *summary.notes)
