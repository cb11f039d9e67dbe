"""`specseal reproduce`: run what a bundle is of again, here, and say whether it holds."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from specseal.bench import Clock
from specseal.bundle import Trust
from specseal.cli.context import JSON, print_json, settings, tell
from specseal.cli.progress import watching
from specseal.cli.running import HARDWARE
from specseal.cli.whom import whom
from specseal.drawing import FORMATS, render
from specseal.programs import CHOICES
from specseal.pull import open_site
from specseal.reproduce import Reproduced, reproduce
from specseal.verdicts import verdict_table


@click.command()
@click.argument("source")
@click.option(
    "--runtime",
    type=click.Choice(CHOICES),
    help="Where jobs run; if not given, where the original's ran.",
)
@HARDWARE
@click.option(
    "--attest",
    is_flag=True,
    help="Sign what came of it, as a statement that the original's owner can add to theirs.",
)
@click.option(
    "--beside",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the files are that the spec names by path: a bundle holds their digests only.",
)
@whom("source")
@JSON
def command(
    source: str,
    runtime: str | None,
    hardware: str,
    attest: bool,
    beside: Path | None,
    trust: Trust,
    as_json: bool,
) -> None:
    """Run the bundle at SOURCE again on this machine, and judge each of its figures.

    SOURCE is a folder, a zip file, oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:DIGEST. Its lock
    says what is run; figures are compared by prompt. Exit code 0 says that all are reproduced. Run
    again after a failure, it goes on from the jobs that have finished.
    """
    clock = Clock.of_this_process()
    with watching() as watcher, open_site(settings(), os.environ) as site:
        found = reproduce(
            source,
            runtime=runtime,
            any_hardware=hardware == "any",
            attest=attest,
            beside=beside,
            site=site,
            trust=trust,
            watcher=watcher,
            clock=clock,
        )
    _print(found, clock, as_json=as_json)
    found.judged.demand()


def _print(found: Reproduced, clock: Clock, *, as_json: bool) -> None:
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(f"original: sha256:{found.original.manifest}")
    for sentence in (*found.setups.sentences(), *found.images, *found.not_judged):
        click.echo(sentence)
    click.echo(f"\n{render(verdict_table(found.judged), FORMATS[0])}\n")
    tell(clock.to_text())
    if found.attestation is not None:
        tell("send the statement and its key to the original's owner, for `specseal attest add`:")
        click.echo(found.attestation)
    side_by_side = shlex.join(
        ["specseal", "compare", str(found.original_folder), str(found.bundle)]
    )
    click.echo(f"figures of time are not judged; they stand side by side in: {side_by_side}")
    click.echo(f"{found.judged.answer}: {found.bundle}")
