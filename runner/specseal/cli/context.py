"""What several commands share: settings of where they are called, and options of one meaning."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import click

from specseal.digests import Digest
from specseal.settings import Settings, load_settings
from specseal.terminal import printable_lines

SPEC = click.argument("spec", type=click.Path(path_type=Path, dir_okay=False, exists=True))
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def read_identity(text: str) -> Digest:
    """Read a bundle's identity, with or without `sha256:` before it: a type of click's options."""
    digits = text.removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise click.BadParameter(f"{text!r} is not a SHA-256 (64 lower-case hex digits)")
    return Digest(digits)


IDENTITY = click.types.FuncParamType(read_identity)


def settings() -> Settings:
    """Return the site settings that hold in the working folder."""
    return load_settings(os.environ, Path.cwd())


def tell(line: str) -> None:
    """Say a line to the person, on stderr: stdout is for the answer."""
    click.echo(printable_lines(line), err=True)


def print_json(value: Any) -> None:
    """Print the one JSON document of a command."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))
