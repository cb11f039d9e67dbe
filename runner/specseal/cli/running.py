"""What the commands that run something share: where, and on which hardware.

Apart from what all commands share: the rooms that run take a while to import.
"""

from __future__ import annotations

import click

from specseal.programs import CHOICES

RUNTIME = click.option(
    "--runtime",
    type=click.Choice(CHOICES),
    default="auto",
    show_default=True,
    help="Where jobs run; auto takes the container engine if one answers.",
)
HARDWARE = click.option(
    "--hardware",
    type=click.Choice(("as-locked", "any")),
    default="as-locked",
    show_default=True,
    help="Which accelerators will do; any takes others of the same family, and says so.",
)
