"""Draw a `Summary`: as plain text, GitHub's Markdown, LaTeX or CSV.

Text and Markdown are for reading, and print figures as a table does. LaTeX is for papers: a whole
`tabular` for booktabs, with every interval there is. CSV is for programs: a line a figure, with all
its digits, its ends, unit and validity each in a column.
"""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tabulate import LATEX_ESCAPE_RULES, tabulate

from specseal.words import Scalar, printable

_LINE_CHARACTERS = 118


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in a cell, in the unit of its column's header."""

    value: float
    digits: int
    """After the point."""
    low: float | None = None
    high: float | None = None
    with_interval: bool = False
    """Whether the interval is shown where room is dear: in text and Markdown."""
    is_change: bool = False
    """Whether a sign stands before it, be it positive."""
    valid: bool = True

    def __str__(self) -> str:
        """Return the cell as text and Markdown show it."""
        text = self.written(self.value)
        if self.with_interval and self.low is not None and self.high is not None:
            text += f" [{self.written(self.low)}, {self.written(self.high)}]"
        return text if self.valid else f"{text} !"

    def written(self, value: float) -> str:
        """Return a number with this one's digits."""
        return f"{value:{'+' if self.is_change else ''}.{self.digits}f}"


Cell = str | Number
Fact = Scalar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A table ready to be drawn."""

    setting: str
    """Runtime, isolation and whether programs were pinned, and what all rows share."""
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sentences: tuple[str, ...]
    """What is said in words."""
    notes: tuple[str, ...]
    """Why figures are marked, missing, or without an interval."""
    lead: tuple[str, ...] = ()
    """What is said before the table; without rows there is then no table."""
    records: tuple[Mapping[str, Fact], ...] = ()
    """What a program gets: one for each figure, all with the same keys. None: the cells of rows."""
    title: str = ""
    """For the caption of a LaTeX table."""
    reading: str = "Subscripts are 95% intervals; ! marks a figure that is not valid"
    """How its figures are read: a sentence of that caption."""
    label: str = ""
    """Unlike any other table's: letters, digits, and -."""


def render(summary: Summary, form: str) -> str:
    """Draw a summary, without a final newline.

    Args:
        summary: what `summarise` gave.
        form: one of `FORMATS`.
    """
    return _FORMS[form](summary)


def _simple(summary: Summary) -> str:
    lead = "\n".join(map(_wrapped, summary.lead))
    after = "\n".join(map(_wrapped, _around(summary)))
    table = "\n".join(_plain(summary)) if _has_table(summary) else ""
    return "\n\n".join(part for part in (lead, table, after) if part)


def _wrapped(line: str) -> str:
    return textwrap.fill(
        line,
        _LINE_CHARACTERS,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _has_table(summary: Summary) -> bool:
    return bool(summary.rows or not summary.lead)


def _plain(summary: Summary) -> Iterator[str]:
    """Yield the lines of a table as narrow as it can be: names take two lines."""
    parted = [header.partition(" ") for header in summary.headers]
    names = [[first for first, _, _ in parted], [second for _, _, second in parted]]
    rows = _texts(summary)
    widths = [max(map(len, column)) for column in zip(*names, *rows, strict=True)]
    for row in (*names, ["-" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _github(summary: Summary) -> str:
    before, after = (
        "\n".join(f"- {line}" for line in lines)
        for lines in (summary.lead, (*summary.sentences, *summary.notes))
    )
    table = tabulate(
        _texts(summary), headers=summary.headers, tablefmt="github", disable_numparse=True
    )
    parts = (before, table if _has_table(summary) else "", summary.setting, after)
    return "\n\n".join(part for part in parts if part)


def _latex(summary: Summary) -> str:
    """Draw a tabular; everything but the table is in comments."""
    are_numbers = [
        any(isinstance(cell, Number) for cell in column)
        for column in zip(*summary.rows, strict=True)
    ] or [False] * len(summary.headers)
    table = [
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in are_numbers)}}}",
        r"\toprule",
        _latex_row(map(latex_text, summary.headers)),
        r"\midrule",
        *(_latex_row(map(_latex_cell, row)) for row in summary.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    title = latex_text(printable(summary.title or summary.setting))
    about = (
        r"\usepackage{booktabs}, and around the table: \begin{table} … \end{table} with",
        rf"\caption{{{title}. {latex_text(summary.reading)}.}}",
        rf"\label{{tab:{summary.label or 'specseal'}}}",
    )
    comments = (*about, *summary.lead, *_around(summary))
    return "\n".join([*table, *(f"% {line}" for line in comments)])


def _latex_row(cells: Iterator[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _latex_cell(cell: Cell) -> str:
    r"""Return `$2.21_{\pm 0.04}$`, or `$2.21_{[2.18, 2.26]}$` where the ends are not as far off."""
    if isinstance(cell, str):
        return latex_text(cell)
    value = cell.written(cell.value)
    marked = value if cell.valid else rf"{value}^{{!}}"
    if cell.low is None or cell.high is None:
        return f"${marked}$"
    below, above = (
        f"{end:.{cell.digits}f}" for end in (cell.value - cell.low, cell.high - cell.value)
    )
    ends = (
        rf"\pm {above}"
        if below == above
        else rf"[{cell.written(cell.low)}, {cell.written(cell.high)}]"
    )
    return f"${marked}_{{{ends}}}$"


def latex_text(text: str) -> str:
    """Return text as LaTeX and BibTeX print it, whatever it is made of."""
    return "".join(LATEX_ESCAPE_RULES.get(character, character) for character in text)


def _csv(summary: Summary) -> str:
    """Draw what a program reads, and no sentences."""
    cells = (
        {**dict(zip(summary.headers, row, strict=True)), "setting": summary.setting}
        for row in _texts(summary)
    )
    records: list[Mapping[str, Fact]] = [*summary.records] or [*cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({key: _csv_cell(value) for key, value in record.items()})
    return text.getvalue().removesuffix("\n")


def _csv_cell(value: Fact) -> Fact:
    return str(value).lower() if isinstance(value, bool) else value


_FORMS: dict[str, Callable[[Summary], str]] = {
    "simple": _simple,
    "github": _github,
    "markdown": _github,
    "latex": _latex,
    "csv": _csv,
}
FORMATS = tuple(_FORMS)


def _texts(summary: Summary) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in summary.rows]


def _around(summary: Summary) -> tuple[str, ...]:
    return (summary.setting, *summary.sentences, *summary.notes)
