"""The spec that `init` writes: valid from the start, and never over another."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from specseal.cli import init
from specseal.engines import CAPABILITIES
from specseal.errors import InputError
from specseal.spec import load_spec, parse_spec
from specseal.spec.starter import starter_text


def write(name: str, folder: Path) -> Result:
    return CliRunner().invoke(init.command, ["--directory", str(folder), "--", name])


@pytest.mark.parametrize("name", ["mine", "on", "null", "012", "a" * 64])
def test_starter_is_valid_under_any_good_name(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    assert write(name, tmp_path).stdout == f"{path}\n"
    assert load_spec(path, capabilities=CAPABILITIES).name == name


def test_starter_measures_what_the_quickstart_does(root):
    starter = parse_spec(starter_text("quickstart").encode(), path="x")
    quickstart = load_spec(root / "specs/quickstart.yaml")
    assert starter.workload == quickstart.workload
    assert (starter.engine, starter.model) == (quickstart.engine, quickstart.model)


@pytest.mark.parametrize("name", ["", "My Spec", "../up", "a" * 65, "a\n", "x: y"])
def test_name_that_can_not_be_is_refused(tmp_path, name):
    error = write(name, tmp_path).exception
    assert isinstance(error, InputError)
    assert "can't be the name of a spec" in error.message
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("precious", encoding="utf-8")
    error = write("mine", tmp_path).exception
    assert isinstance(error, InputError)
    assert "there is something already" in error.message
    assert path.read_text(encoding="utf-8") == "precious"


def test_folder_that_is_not_there_is_bad_usage(tmp_path):
    assert write("mine", tmp_path / "missing").exit_code == 2
