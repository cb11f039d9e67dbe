#!/usr/bin/python3
"""Stand in for /bin/sh, which the base image has not, for the one command that vLLM gives to it.

Its worker for CPUs asks `lscpu` at each start for the core and the NUMA node of every CPU, through
a shell. What lscpu would print is in /sys; every other command is refused.

Source: vLLM 0.32.0, utils/cpu_resource_utils.py; util-linux, lscpu(1).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

COMMAND = ["-c", "lscpu --json --extended=CPU,CORE,NODE --online"]
CPUS = Path("/sys/devices/system/cpu")


def online(text: str) -> list[int]:
    """Return the numbers of a list such as `0-3,8`."""
    ranges = [part.split("-") for part in text.strip().split(",")]
    return [cpu for ends in ranges for cpu in range(int(ends[0]), int(ends[-1]) + 1)]


def topology(cpus: Path) -> list[dict[str, int]]:
    """Return each CPU with its core, counted over all sockets, and its node: 0 where none is."""
    cores: dict[tuple[str, ...], int] = {}
    found = []
    for cpu in online((cpus / "online").read_text()):
        folder = cpus / f"cpu{cpu}"
        names = ("physical_package_id", "core_id")
        core = tuple((folder / "topology" / name).read_text().strip() for name in names)
        nodes = [int(path.name.removeprefix("node")) for path in folder.glob("node[0-9]*")]
        found.append(
            {"cpu": cpu, "core": cores.setdefault(core, len(cores)), "node": min(nodes, default=0)}
        )
    return found


def main() -> None:
    """Answer the one command."""
    if sys.argv[1:] != COMMAND:
        print(f"{sys.argv[1:]}: there is no shell in this image", file=sys.stderr)
        sys.exit(127)
    print(json.dumps({"cpus": topology(CPUS)}))


if __name__ == "__main__":
    main()
