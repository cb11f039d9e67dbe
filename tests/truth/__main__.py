"""Serve: `python -m truth --port 0 --behaviour '{"usual": {"draft_length": 3}}'`.

The first line on stdout is the port; /truth tells what happened, /truth/behaviour changes it.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys

from truth.behaviour import read_behaviours
from truth.engine import Engine


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m truth")
    parser.add_argument("--port", type=int, default=0, help="0: one that is free")
    parser.add_argument("--behaviour", default="{}", metavar="JSON")
    options = parser.parse_args()
    engine = Engine(options.port, read_behaviours(json.loads(options.behaviour)))
    sys.stdout.write(f"{engine.loop.port}\n")
    sys.stdout.flush()
    # The ledger only grows; a collection over it would stop the streams for milliseconds.
    gc.disable()
    engine.loop.serve()


if __name__ == "__main__":
    main()
