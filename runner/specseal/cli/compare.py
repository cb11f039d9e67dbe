"""`specseal compare`: what differs between results, and by how much their figures do."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import click

from specseal.cli.context import JSON, print_json
from specseal.cli.sides import open_sides
from specseal.cli.tables import BY, FORMAT, WIDE
from specseal.columns import GROUPINGS
from specseal.compare import (
    PRECISIONS,
    Given,
    columns_of,
    compare,
    comparison_table,
    frontier,
    frontier_table,
    known_metrics,
)
from specseal.drawing import render


def _prices(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    """Read `NAME=DOLLARS`, each name once."""
    prices: dict[str, float] = {}
    for text in texts:
        name, _, amount = text.rpartition("=")
        try:
            price = float(amount)
        except ValueError:
            price = -1.0
        if not name or name in prices or not (isfinite(price) and price > 0):
            raise click.BadParameter(
                f"{text!r}: write NAME=DOLLARS, each name once, dollars an hour above 0"
            )
        prices[name] = price
    return prices


@click.command()
@click.argument(
    "bundles", nargs=-1, required=True, metavar="BUNDLE...", type=click.Path(path_type=Path)
)
@FORMAT
@BY
@WIDE
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Look at this metric, and no usual."
)
@click.option(
    "--anyway", is_flag=True, help="Show figures of results, too, that are not comparable."
)
@click.option(
    "--hardware",
    is_flag=True,
    help="Throughput against user TPS: the Pareto front, and what throughput costs.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="NAME=DOLLARS",
    callback=_prices,
    help="What an hour costs: of one device by its accelerator's name, or of the whole machine by "
    "the bundle's name in the table.",
)
@click.option(
    "--parameters",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="Weights that a token is multiplied with, for the share of peak FLOP/s.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PRECISIONS[0],
    show_default=True,
    help="Which peak FLOP/s counts.",
)
@JSON
def command(
    bundles: tuple[Path, ...],
    form: str,
    by: str,
    wide: bool,
    metrics: tuple[str, ...],
    anyway: bool,
    hardware: bool,
    prices: dict[str, float],
    parameters: float | None,
    precision: str,
    as_json: bool,
) -> None:
    """Compare each BUNDLE with the first: what differs, and by how much figures do.

    Each must prove intact; who signed it is not asked. Exit code 1: two are not comparable.
    """
    if len(bundles) < 2:
        raise click.UsageError("name two bundles or more: one alone is shown by `specseal show`")
    if not hardware and (prices or parameters or precision != PRECISIONS[0]):
        raise click.UsageError("--price, --parameters and --precision are for --hardware")
    if hardware and (metrics or wide or by != next(iter(GROUPINGS))):
        raise click.UsageError("--metric, --wide and --by choose no figures of --hardware")
    if metrics and wide:
        raise click.UsageError("--metric names all that is shown: --wide would add nothing")
    sides = open_sides(bundles)
    known_metrics(sides, metrics, GROUPINGS[by])
    columns = [] if hardware else columns_of(metrics, wide=wide)
    names = [column.metric for column in columns]
    comparison = compare(sides, metrics=names, group=GROUPINGS[by], anyway=anyway)
    document = comparison.to_dict()
    if hardware:
        given = Given(prices=prices, parameters=parameters, precision=precision)
        points = frontier(comparison, given, anyway=anyway)
        document["points"] = [point.to_dict() for point in points]
        summary = frontier_table(comparison, points)
    else:
        summary = comparison_table(comparison, columns, by=by)
    if as_json:
        print_json(document)
    else:
        click.echo(render(summary, form))
    comparison.demand()
