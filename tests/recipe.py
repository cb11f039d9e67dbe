"""The recipe in a bundle's own README: what a stranger runs who has no specseal."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path


def follow(bundle: Path, *, key: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the README's shell block in the bundle, and nothing else."""
    text = (bundle / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return subprocess.run(
        ["sh", "-c", script],
        cwd=bundle,
        env={"PATH": os.environ["PATH"], **({"KEY": str(key)} if key else {})},
        capture_output=True,
        text=True,
        check=False,
    )
