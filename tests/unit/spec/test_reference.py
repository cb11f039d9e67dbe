"""What is generated from the schema: that it is committed as generated, and that it is complete."""

from specseal.spec.reference import REFERENCE_FILE, SCHEMA_FILE, render_reference, write_generated
from specseal.spec.schema import spec_paths, spec_schema


def test_committed_files_are_as_generated(root, tmp_path):
    for path in write_generated(tmp_path):
        committed = root / path.relative_to(tmp_path)
        assert committed.read_bytes() == path.read_bytes(), "run `specseal schema --write .`"


def test_both_files_are_written_where_editors_and_readers_look(tmp_path):
    assert write_generated(tmp_path) == (tmp_path / SCHEMA_FILE, tmp_path / REFERENCE_FILE)


def test_every_key_of_the_schema_is_in_the_reference():
    text = render_reference(spec_schema())
    keys = {path.rpartition(".")[2] for path in spec_paths()} - {"*"}
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_reference_tells_type_default_and_meaning():
    rows = render_reference(spec_schema()).splitlines()
    (row,) = (row for row in rows if row.startswith("| `prefix_cache`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["`true`, `false`", "`false`"]
    assert cells[3].startswith("Whether the engine may reuse")
    assert any(row.startswith("| `claims` | list of mapping: [claim](#claim)") for row in rows)
