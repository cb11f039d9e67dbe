"""`specseal claims`: published numbers as a spec holds them."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """Work with claims: numbers, each with its source, that a spec is to reproduce."""
