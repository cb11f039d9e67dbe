"""The command line, the same for every process of the load generator."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specseal.client.address import Address, at_url, on_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the command line says."""

    input: Path
    output: Path
    address: Address
    given: tuple[str, ...]
    """As it was given, for further processes."""


def parse(arguments: Sequence[str] | None) -> Arguments:
    """Parse the command line; leaves the process where it is wrong. Raises: InputRefused."""
    parser = argparse.ArgumentParser(prog="python -m specseal.client")
    parser.add_argument("--in", dest="input", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", dest="output", type=Path, required=True, metavar="DIR")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="the server's, on the loopback")
    where.add_argument("--url", help="the server's base, such as https://host/path")
    options = parser.parse_args(arguments)
    port_or_url = ("--port", str(options.port)) if options.url is None else ("--url", options.url)
    return Arguments(
        input=options.input,
        output=options.output,
        address=(
            on_loopback(options.port) if options.url is None else at_url(options.url, os.environ)
        ),
        given=("--in", str(options.input), "--out", str(options.output), *port_or_url),
    )
