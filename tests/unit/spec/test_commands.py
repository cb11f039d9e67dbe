"""The commands of this room as a user calls them: validate, init, schema."""

import json

import pytest
from click.testing import CliRunner

from specseal.bundle.published import PUBLISHED, SCHEMA_FOLDER
from specseal.cli import init, schema, validate
from specseal.errors import SpecError
from specseal.spec.reference import REFERENCE_FILE, SCHEMA_FILE
from specseal.spec.schema import spec_schema


def call(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def specs(tmp_path, good):
    """A good spec and a bad one."""
    paths = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    paths[0].write_text(good, encoding="utf-8")
    paths[1].write_text(good.replace("[1, 4]", "[0, -1]"), encoding="utf-8")
    return paths


def test_validate_says_ok_for_what_is_good(specs):
    result = call(validate.command, specs[0])
    assert (result.exit_code, result.output) == (0, f"{specs[0]}: ok\n")


def test_validate_checks_every_file_before_it_refuses(specs):
    result = call(validate.command, specs[1], specs[0], specs[1].with_name("none.yaml"))
    assert result.stdout == f"{specs[0]}: ok\n"
    assert isinstance(result.exception, SpecError)
    assert [problem.path for problem in result.exception.problems] == [
        *[str(specs[1])] * 2,
        str(specs[1].with_name("none.yaml")),
    ]


def test_validate_json_tells_the_same_in_one_document(specs):
    result = call(validate.command, "--json", *specs)
    good, bad = json.loads(result.stdout)["specs"]
    assert good == {"path": str(specs[0]), "valid": True, "problems": []}
    assert bad["valid"] is False
    assert bad["problems"][1] == {
        "path": str(specs[1]),
        "line": 12,
        "column": 41,
        "where": "workload.load.concurrency[1]",
        "message": "-1 is less than 1",
    }
    assert isinstance(result.exception, SpecError)


def test_init_writes_a_spec_that_validate_accepts(tmp_path):
    written = call(init.command, "mine", "--directory", tmp_path)
    assert written.output == f"{tmp_path / 'mine.yaml'}\n"
    assert call(validate.command, tmp_path / "mine.yaml").exit_code == 0


def test_init_json_names_the_file(tmp_path):
    result = call(init.command, "--directory", tmp_path, "--json")
    assert json.loads(result.output) == {"path": str(tmp_path / "my-benchmark.yaml")}


def test_schema_is_printed_as_it_is():
    assert json.loads(call(schema.command).output) == spec_schema()


def test_schema_write_tells_what_it_wrote(tmp_path):
    published = [SCHEMA_FOLDER / f"{name}-v1.schema.json" for name in PUBLISHED]
    written = [str(tmp_path / path) for path in (SCHEMA_FILE, REFERENCE_FILE, *published)]
    assert call(schema.command, "--write", tmp_path).output.splitlines() == written
    as_json = call(schema.command, "--write", tmp_path, "--json")
    assert json.loads(as_json.output) == {"written": written}
