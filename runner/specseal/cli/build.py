"""`specseal build`: build what a spec's jobs run in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from specseal.cli.context import JSON, SPEC, print_json, settings, tell
from specseal.cli.running import RUNTIME
from specseal.engines import CAPABILITIES
from specseal.errors import AnswerIsNo, InputError
from specseal.prepare import Preparation
from specseal.programs import Programs, choose, compare_builds, facts_of, make_all_ready
from specseal.spec import load_spec


@click.command()
@SPEC
@RUNTIME
@click.option("--twice", is_flag=True, help="Build again from nothing, and say whether both agree.")
@JSON
def command(spec: Path, runtime: str, twice: bool, as_json: bool) -> None:
    """Build the images (or virtual environments) that SPEC runs in; do nothing where they exist."""
    site = settings()
    loaded = load_spec(spec, capabilities=CAPABILITIES)
    name = choose(runtime, loaded, site, tell)
    preparation = Preparation(loaded, spec, runtime=name, settings=site, say=tell)
    if twice and name != "docker":
        raise InputError(
            "--twice compares images, and there are none here", mend="start a Docker Engine"
        )
    locks = [variant.lock for variant in preparation.ready().variants]
    programs = make_all_ready(name, locks, site, tell)
    differing = compare_builds(locks, site, tell) if twice else None
    if as_json:
        compared = {} if differing is None else {"differing": differing}
        print_json({"runtime": name, **facts_of(programs), **compared})
    else:
        _print(programs, differing)
    if differing and any(differing.values()):
        raise AnswerIsNo("two builds of the same inputs differ", mend="report it, with the paths")


def _print(programs: Sequence[Programs], differing: dict[str, list[str]] | None) -> None:
    built = {
        f"{role}: {facts.get('id') or 'virtual environment'}": None
        for one in programs
        for role, facts in one.facts.items()
    }
    for line in built:
        click.echo(line)
    for folder, paths in (differing or {}).items():
        said = f"differ in {len(paths)} paths: {', '.join(paths[:5])}" if paths else "agree"
        click.echo(f"images/{folder}: two builds {said}")
