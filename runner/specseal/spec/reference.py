"""The reference of the spec's keys, rendered from the schema, and the files that are made from it.

One section an object, one row a key: its type, its default, and what it means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specseal.spec.schema import Schema, resolved, schema_text, spec_schema

SCHEMA_FILE = Path("specs/schema/specseal-v1.schema.json")
REFERENCE_FILE = Path("docs/spec-reference.md")

_INTRODUCTION = """\
# Reference of the spec

<!-- Generated from the JSON Schema by `specseal schema --write .`; edits here are lost. -->

Every key of a spec in `apiVersion: specseal/v1`. [Writing a spec](writing-a-spec.md) is the way in.
Keys in **bold** are required; unknown keys are errors.
"""


def write_generated(root: Path) -> tuple[Path, ...]:
    """Write the editors' copy of the schema and the reference under `root`; return their paths."""
    contents = {
        root / SCHEMA_FILE: schema_text(),
        root / REFERENCE_FILE: render_reference(spec_schema()),
    }
    for path, text in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tuple(contents)


def render_reference(schema: Schema) -> str:
    """Return the reference as Markdown."""
    sections = [_section(node, schema) for node in (schema, *schema["$defs"].values())]
    return "\n".join([_INTRODUCTION, *sections])


def _section(node: Schema, root: Schema) -> str:
    lines = [f"## {node['title']}", "", node["description"], ""]
    if "allOf" in node:
        kinds = ", ".join(f"`{kind}`" for kind in node["properties"]["source"]["enum"])
        return "\n".join([*lines, f"`source` is one of {kinds}: a section each, below.", ""])
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*lines, *_rows(node, root), ""])


def _rows(node: Schema, root: Schema) -> Iterator[str]:
    for key, child in node["properties"].items():
        name = f"**`{key}`**" if key in node.get("required", ()) else f"`{key}`"
        default = f"`{_plain(child['default'])}`" if "default" in child else ""
        cells = (name, _type(child, root), default, child["description"])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type(node: Schema, root: Schema) -> str:
    if "$ref" in node:
        title = resolved(node, root)["title"]
        return f"mapping: [{title}](#{title.replace('.', '')})"
    if "const" in node:
        return f"`{_plain(node['const'])}`"
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if node["type"] == "array":
        return f"list of {_type(node['items'], root)}"
    return _NAMES[node["type"]] + _bounds(node)


_NAMES = {
    "object": "mapping",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
}


def _bounds(node: Schema) -> str:
    symbols = {"exclusiveMinimum": ">", "minimum": "≥", "maximum": "≤"}
    bounds = [f"{symbol} {node[key]}" for key, symbol in symbols.items() if key in node]
    return " " + ", ".join(bounds) if bounds else ""
