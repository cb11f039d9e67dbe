"""Options of commands that print a table, and what they choose among."""

from __future__ import annotations

import click

from specseal.columns import GROUPINGS
from specseal.drawing import FORMATS

FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="github is markdown; latex has every interval; csv a line a figure, with all digits.",
)
BY = click.option(
    "--by",
    type=click.Choice(list(GROUPINGS)),
    default=next(iter(GROUPINGS)),
    show_default=True,
    help="What a row is.",
)
WIDE = click.option("--wide", is_flag=True, help="Show more figures.")
