"""The published schemas: committed as they are in the package, and schemas at all."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from specseal.bundle.published import PUBLISHED, SCHEMA_FOLDER, write_schemas

ROOT = Path(__file__).parents[3]


def test_committed_schemas_are_those_of_the_package(tmp_path: Path) -> None:
    for path in write_schemas(tmp_path):
        committed = ROOT / path.relative_to(tmp_path)
        assert committed.read_bytes() == path.read_bytes(), "run `specseal schema --write .`"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_one_and_says_what_it_is(name: str) -> None:
    schema = json.loads((ROOT / SCHEMA_FOLDER / f"{name}-v1.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"https://specseal.dev/schema/{name}-1.json"
    assert schema["title"]


def test_documentation_names_every_published_schema() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert [name for name in PUBLISHED if f"{name}-v1.schema.json" not in text] == []
