#!/usr/bin/env python3
"""Write the list of Debian packages that the base image is assembled from.

Run on a Debian 12 (amd64) machine after `apt-get update`, whose apt has checked the archive's
signatures: `python3 images/base/update.py`. Versions come from the release itself, not from its
security updates: those are taken out of the pool when the next one comes, and a lock must find its
packages for years. The images run with no network and no shell.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

TARGET = Path(__file__).with_name("debian-bookworm-amd64.json")
# Python with what pip, ssl, sqlite3 and ctypes need of it, and the C++, OpenMP and NUMA run-time
# libraries that engines link to. Documentation-only packages (gcc-12-base) are left out.
NAMES = (
    "libbz2-1.0", "libc6", "libcrypt1", "libexpat1", "libffi8", "libgcc-s1", "libgomp1",
    "liblzma5", "libnuma1", "libpython3.11-minimal", "libpython3.11-stdlib", "libsqlite3-0",
    "libssl3", "libstdc++6", "libuuid1", "python3.11-minimal", "zlib1g",
)  # fmt: skip


def stanza(name: str) -> dict[str, str]:
    """Return the control fields of the release's own version of a package."""
    shown = subprocess.run(
        ["apt-cache", "show", f"{name}:amd64"], check=True, capture_output=True, text=True
    ).stdout
    for block in shown.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if fields.get("Filename", "").startswith("pool/main/"):
            return fields
    raise SystemExit(f"{name}: the release has no such package (did you run apt-get update?)")


def main() -> None:
    """Write the list."""
    packages = []
    for name in NAMES:
        fields = stanza(name)
        packages.append(
            {
                "name": name,
                "version": fields["Version"],
                "path": fields["Filename"],
                "bytes": int(fields["Size"]),
                "sha256": fields["SHA256"],
            }
        )
    TARGET.write_text(json.dumps({"suite": "bookworm", "packages": packages}, indent=1) + "\n")


if __name__ == "__main__":
    main()
