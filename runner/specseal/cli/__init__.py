"""The command line: one module a command, each of which parses, calls one layer below, prints."""

from specseal.cli.main import main

__all__ = ["main"]
