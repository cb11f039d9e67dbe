"""The JSON Schemas that others need to read what specseal signs and reports, published as files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SCHEMA_FOLDER = Path("specs/schema")
PUBLISHED = (
    "result-statement", "provenance-statement", "reproduction-statement", "verification", "policy",
    "revocation",
)  # fmt: skip
"""Of those in `schemas/`, all of major version 1."""


def write_schemas(root: Path) -> tuple[Path, ...]:
    """Write the published schemas under `root`, and return their paths."""
    source = resources.files(__package__).joinpath("schemas")
    folder = root / SCHEMA_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in PUBLISHED:
        path = folder / f"{name}-v1.schema.json"
        path.write_bytes(source.joinpath(f"{name}.schema.json").read_bytes())
        paths.append(path)
    return tuple(paths)
