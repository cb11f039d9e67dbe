"""`specseal data`: SPEED-Bench on this machine: take it in, have it prepared, see what is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from specseal.cli.context import JSON, print_json, settings, tell
from specseal.data_preparation import prepare_speed_bench
from specseal.errors import AnswerIsNo, InputError
from specseal.lock import (
    CONFIGS,
    IMPORT_MEND,
    ImportedCopy,
    NotCounted,
    TokenCounter,
    accept_terms,
    are_terms_accepted,
    bucket,
    choose_copy,
    find_official,
    import_files,
    imported_copies,
    open_counter,
    remove_copy,
    shown_terms,
)
from specseal.settings import Settings

CONFIG = click.Choice(tuple(CONFIGS))


@click.group()
def command() -> None:
    """Keep SPEED-Bench on this machine: specs name it as `source: speed-bench`.

    Its prompts may not be passed on: they stay here, and bundles have hashes of them.
    """


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--config", type=CONFIG, help="Only this one; of a file, what it holds.")
@JSON
def import_data(path: Path, config: str | None, as_json: bool) -> None:
    """Take in what was prepared already: a file, or a folder with files, at PATH.

    Both official forms will do: CONFIG/test.parquet and CONFIG.jsonl. Every row is checked before
    anything is kept.
    """
    site = settings()
    files = find_official(path, config)
    copies = import_files(files, settings=site, counter=_counter(site), now=datetime.now(UTC))
    _print(copies, as_json)


@command.command("prepare")
@click.argument("data_set", type=click.Choice(("speed-bench",)))
@click.option("--config", "configs", type=CONFIG, multiple=True, help="Only this; may be repeated.")
@click.option(
    "--accept-licences", is_flag=True, help="Accept the terms of all that is fetched; see there."
)
@JSON
def prepare(data_set: str, configs: tuple[str, ...], accept_licences: bool, as_json: bool) -> None:
    """Run SPEED-Bench's own prepare step in a container that has a network, and import the result.

    It fetches data of many owners for you. Their terms are listed, and asked for once.
    """
    site = settings()
    _ask_for_acceptance(site, accept_licences)
    copies = prepare_speed_bench(
        configs,
        settings=site,
        environ=os.environ,
        counter=_counter(site),
        now=datetime.now(UTC),
        say=tell,
    )
    _print(copies, as_json)


@command.command("list")
@JSON
def list_data(as_json: bool) -> None:
    """List what was imported."""
    copies = imported_copies(settings())
    if not copies:
        tell(f"no copy of SPEED-Bench is on this machine\n  mend: {IMPORT_MEND}")
    _print(copies, as_json)


@command.command("show")
@click.argument("copy", metavar="DIGEST-or-CONFIG")
@JSON
def show(copy: str, as_json: bool) -> None:
    """Show what a copy holds, by category; never a prompt."""
    chosen = choose_copy(copy, settings())
    if as_json:
        print_json(chosen.to_dict())
    else:
        click.echo("\n".join(_told(chosen)))


@command.command("remove")
@click.argument("copy", metavar="DIGEST-or-CONFIG")
@JSON
def remove(copy: str, as_json: bool) -> None:
    """Remove a copy, so that specs do not find it any more.

    What locks and runs made of it stays, with its prompts as text and as token ids: to be rid of
    them, delete the folders that are named.
    """
    site = settings()
    chosen = choose_copy(copy, site)
    remove_copy(chosen, site)
    tell(
        "what locks and runs have made of it stays, with its prompts, in "
        f"{site.cache_dir} and {site.runs_dir}"
    )
    if as_json:
        print_json({"removed": chosen.sha256, "config": chosen.config})
    else:
        click.echo(f"{chosen.sha256}  {chosen.config}  removed")


def _counter(site: Settings) -> TokenCounter | NotCounted:
    counter = open_counter(site.cache_dir)
    if isinstance(counter, NotCounted):
        tell(f"lengths are NOT checked: {counter.reason}\n  mend: {counter.mend}")
    return counter


def _ask_for_acceptance(site: Settings, is_accepted: bool) -> None:
    """Have the terms accepted, unless they were. Raises: InputError, AnswerIsNo."""
    if not is_accepted and are_terms_accepted(site):
        return
    tell(shown_terms())
    if not is_accepted:
        if not _can_ask():
            raise InputError(
                "the terms above were not accepted on this machine, and nobody can be asked",
                mend="read them, then say --accept-licences",
            )
        if not click.confirm("Do you accept them?", err=True):
            raise AnswerIsNo("the terms were not accepted; nothing was fetched")
    accept_terms(site, now=datetime.now(UTC))


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _print(copies: Iterable[ImportedCopy], as_json: bool) -> None:
    if as_json:
        print_json([one.to_dict() for one in copies])
        return
    for one in copies:
        click.echo(f"{one.sha256}  {one.config:14}  {one.rows} rows  lengths: {_lengths(one)}")


def _lengths(copy: ImportedCopy) -> str:
    lengths = copy.lengths
    if lengths.checked_by is None:
        return f"not checked ({lengths.reason})"
    if CONFIGS[copy.config].tokens is None:
        return f"of no bucket, counted by {lengths.checked_by}"
    return f"checked by {lengths.checked_by}"


def _told(copy: ImportedCopy) -> Iterable[str]:
    about = CONFIGS[copy.config]
    yield f"{copy.config}  sha256 {copy.sha256}"
    yield f"  rows      {copy.rows}"
    yield f"  revision  {copy.revision or 'none that is known by its digest'}"
    yield f"  imported  {copy.imported_at} from {copy.form}, sha256 {copy.file_sha256}"
    if copy.prepared_by:
        by = copy.prepared_by
        yield f"  prepared  by {by['repository']} at {by['commit']}"
        yield f"            of nvidia/SPEED-Bench at {by['data_revision']}"
    yield f"  lengths   {_lengths(copy)}"
    if about.tokens:
        least, most = bucket(about.tokens)
        yield f"            {least} to {most} tokens are right"
    yield ""
    for category in about.categories:
        turns = copy.conversations[category]
        rows = ", ".join(f"{count} of {number}" for number, count in turns.items())
        line = f"  {category:15} {sum(turns.values())} rows; turns: {rows}"
        if found := copy.lengths.by_category.get(category):
            line += f"; {found[0]} to {found[1]} tokens"
        yield line
