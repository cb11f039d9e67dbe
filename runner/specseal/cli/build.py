"""`specseal build`: build what a spec's jobs run in."""

from __future__ import annotations

from pathlib import Path

import click

from specseal.cli.context import JSON, RUNTIME, SPEC, print_json, settings, tell
from specseal.engines import CAPABILITIES
from specseal.prepare import Preparation
from specseal.programs import choose, facts_of, make_all_ready
from specseal.spec import load_spec


@click.command()
@SPEC
@RUNTIME
@JSON
def command(spec: Path, runtime: str, as_json: bool) -> None:
    """Build the images (or virtual environments) that SPEC runs in; do nothing where they exist."""
    site = settings()
    loaded = load_spec(spec, capabilities=CAPABILITIES)
    name = choose(runtime, loaded, site, tell)
    preparation = Preparation(loaded, spec, runtime=name, settings=site, say=tell)
    locks = [variant.lock for variant in preparation.ready().variants]
    programs = make_all_ready(name, locks, site, tell)
    if as_json:
        print_json({"runtime": name, **facts_of(programs)})
        return
    built = {
        f"{role}: {facts.get('id') or 'virtual environment'}": None
        for one in programs
        for role, facts in one.facts.items()
    }
    for line in built:
        click.echo(line)
