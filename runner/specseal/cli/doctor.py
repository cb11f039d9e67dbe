"""`specseal doctor`: what this machine has and lacks."""

from __future__ import annotations

from dataclasses import asdict

import click

from specseal.cli.context import JSON, print_json, settings
from specseal.doctor import can_run, examine
from specseal.errors import MachineLacks


@click.command()
@JSON
def command(as_json: bool) -> None:
    """Say what this machine has and lacks for running specs, each line with its mend."""
    findings = examine(settings())
    if as_json:
        document = [asdict(finding) for finding in findings]
        print_json({"can_run": can_run(findings), "findings": document})
    else:
        for finding in findings:
            mark = "ok  " if finding.holds else "lack"
            click.echo(f"{mark}  {finding.name} ({finding.needed}): {finding.found}")
            if finding.mend:
                click.echo(f"      mend: {finding.mend}")
    if not can_run(findings):
        raise MachineLacks("this machine can't run a spec yet", mend="see the lines marked `lack`")
