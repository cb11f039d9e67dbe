"""`specseal build`: build what a spec's jobs run in."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.cli.context import JSON, RUNTIME, SPEC, print_json, settings, tell
from specseal.engines import CAPABILITIES
from specseal.prepare import Preparation
from specseal.programs import choose, make_ready
from specseal.spec import load_spec


@click.command()
@SPEC
@RUNTIME
@JSON
def command(spec: Path, runtime: str, as_json: bool) -> None:
    """Build the images (or virtual environments) that SPEC runs in; do nothing where they exist."""
    site = settings()
    name = choose(runtime, site, tell)
    loaded = load_spec(spec, capabilities=CAPABILITIES)
    preparation = Preparation(loaded, spec, runtime=name, settings=site, say=tell)
    programs = make_ready(name, preparation.ready().lock, site, tell)
    if as_json:
        print_json({"runtime": name, **programs.facts})
    else:
        for role, facts in programs.facts.items():
            click.echo(f"{role}: {facts.get('id') or 'virtual environment'}")
