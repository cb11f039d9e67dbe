"""Draw a result as the README shows it: `quickstart.svg` from `quickstart.txt`.

    .venv/bin/specseal show BUNDLE --format github > docs/img/quickstart.txt
    .venv/bin/python docs/img/draw.py

The table is turned on its side, one line a figure, so that it can be read on a narrow page.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent

# Rich's own template fetches a font; this one takes whatever monospaced font the reader has.
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px monospace; line-height: {line_height}px }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(text: str) -> str:
    """Return the picture of a result, as SVG.

    Args:
        text: what `specseal show --format github` printed: the table, then its setting.
    """
    drawn, setting = text.split("\n\n")[:2]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in drawn.splitlines()]
    names, _, *rows = lines
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (names[0], *(row[0] for row in rows)):
        table.add_column(heading)
    figures = list(zip(names, *rows, strict=True))[1:]
    for figure in figures:
        table.add_row(*figure, end_section=figure is figures[0])
    # Nothing may depend on the terminal of whoever draws.
    console = Console(record=True, file=io.StringIO(), width=200, force_terminal=True)
    console.width = console.measure(table).maximum
    console.print(table)
    console.print(setting.strip(), highlight=False)
    return console.export_svg(title="specseal show", code_format=TEMPLATE, unique_id="result")


if __name__ == "__main__":
    source = (FOLDER / "quickstart.txt").read_text(encoding="utf-8")
    (FOLDER / "quickstart.svg").write_text(draw(source), encoding="utf-8")
