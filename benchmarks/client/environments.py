"""The peers' virtual environments: made once, from files that pin every package by its hash.

A folder's name carries the digest of its file, so another pin makes another environment. pip's own
configuration says where packages come from.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

PEERS = Path(__file__).parent / "peers"


def peer_environment(name: str, cache: Path) -> Path:
    """Return the folder of a peer's environment, made now if it is not there.

    Raises:
        subprocess.CalledProcessError: pip can't install it; what it said is on stderr.
    """
    requirements = PEERS / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = cache / "benchmarks" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder / ".complete"
    with FileLock(f"{folder}.lock"):
        if not complete.exists():
            sys.stderr.write(f"installing {name} (once; some minutes)\n")
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            # No dependencies but those in the file: see the comment on vllm.txt in the README.
            subprocess.run(
                [
                    folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input",
                    "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:",
                    "--no-deps", "--requirement", requirements,
                ],
                check=True,
            )  # fmt: skip
            complete.touch()
    return folder
