"""The OCI image specification's own JSON schemas, for whatever writes a registry's documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

DATA = Path(__file__).parent / "data" / "oci"
SCHEMAS = {
    "manifest": "image-manifest-schema.json",
    "index": "image-index-schema.json",
    "descriptor": "content-descriptor.json",
    "layout": "image-layout-schema.json",
}


def problems(kind: str, document: bytes) -> list[str]:
    """Return in what a document breaks its schema, as path and message; none where it holds.

    Args:
        kind: a key of `SCHEMAS`; `layout` is the file `oci-layout`.
        document: the JSON's bytes.
    """
    schema = json.loads((DATA / SCHEMAS[kind]).read_bytes())
    registry: Registry[Any] = Registry(retrieve=_beside)  # type: ignore[call-arg]
    validator = Draft4Validator(schema, registry=registry)
    return [
        f"{error.json_path}: {error.message}"
        for error in validator.iter_errors(json.loads(document))
    ]


def _beside(address: str) -> Resource[Any]:
    # The schemas name each other by file, relative to addresses that nothing is fetched from.
    contents = json.loads((DATA / address.rsplit("/", 1)[-1]).read_bytes())
    return Resource.from_contents(contents, default_specification=DRAFT4)
