"""Data sets from the package, a file and a hub; what is not a good row is refused by name."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from specseal.digests import sha256_file, sha256_value
from specseal.errors import InputError, LockError, MachineLacks, SpecError
from specseal.lock.datasets import DatasetPin, load_rows
from specseal.lock.rows import PLACEHOLDER
from specseal.settings import Settings
from specseal.spec.model import Dataset

COMMIT = "d" * 40


def row(number: int, **changes: Any) -> dict[str, Any]:
    good = {
        "question_id": f"q{number}",
        "category": "coding",
        "sub_category": None,
        "source": "here",
        "src_id": str(number),
        "difficulty": "easy",
        "turns": [f"Write program {number}.", "Now test it."],
        "multiturn": True,
    }
    return {**good, **changes}


def load(dataset: Dataset, folder: Path, **options: Any) -> DatasetPin:
    settings = Settings(
        cache_dir=folder / "cache", config_dir=folder, runs_dir=folder, signing_key=folder / "key"
    )
    return load_rows(dataset, spec_folder=folder, settings=settings, **options)


def load_lines(folder: Path, *lines: str | bytes) -> DatasetPin:
    encoded = [line if isinstance(line, bytes) else line.encode() for line in lines]
    (folder / "rows.jsonl").write_bytes(b"\n".join(encoded) + b"\n")
    return load(Dataset(kind="path", path="rows.jsonl"), folder)


def test_builtin_set_is_found_by_name_and_split(tmp_path):
    dataset = Dataset(kind="builtin", name="speed-mini", split="qualitative")
    pin = load(dataset, tmp_path)
    assert pin.source == {"kind": "builtin", "name": "speed-mini", "split": "qualitative"}
    assert len(pin.rows) == 88
    assert not pin.restricted
    assert pin.file_sha256 is not None


@pytest.mark.parametrize("name", ["speed-maxi", "../data/speed-mini", "", None])
def test_builtin_set_that_does_not_exist_is_refused_naming_what_there_is(tmp_path, name):
    with pytest.raises(InputError, match="no built-in data set") as caught:
        load(Dataset(kind="builtin", name=name, split="qualitative"), tmp_path)
    assert "speed-mini" in caught.value.mend


@pytest.mark.parametrize("split", ["throughput", "../speed-mini/qualitative", None])
def test_builtin_split_that_does_not_exist_is_refused_naming_what_there_is(tmp_path, split):
    with pytest.raises(InputError, match="has no split") as caught:
        load(Dataset(kind="builtin", name="speed-mini", split=split), tmp_path)
    assert "qualitative" in caught.value.mend


def test_json_lines_give_rows_with_digests_over_all_columns(tmp_path):
    pin = load_lines(tmp_path, *(json.dumps(row(number)) for number in (1, 2)))
    first = pin.rows[0]
    assert (first.id, first.category, first.turns) == (
        "q1",
        "coding",
        ("Write program 1.", "Now test it."),
    )
    assert first.sha256 == sha256_value(row(1))
    assert pin.file_sha256 == sha256_file(tmp_path / "rows.jsonl")
    assert pin.restricted


def test_column_that_is_not_kept_still_changes_the_digest(tmp_path):
    one = load_lines(tmp_path, json.dumps(row(1)))
    other = load_lines(tmp_path, json.dumps(row(1, difficulty="hard")))
    assert one.rows[0].sha256 != other.rows[0].sha256


def test_parquet_gives_the_same_rows_as_json_lines(tmp_path):
    rows = [row(1), row(2)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    parquet = load(Dataset(kind="path", path="rows.parquet"), tmp_path)
    assert parquet.rows == load_lines(tmp_path, *map(json.dumps, rows)).rows
    assert parquet.file_sha256 == sha256_file(tmp_path / "rows.parquet")


def without(column: str) -> dict[str, Any]:
    return {key: value for key, value in row(2).items() if key != column}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(2, question_id=""), "question_id: expected a text that is not empty"),
        (row(2, question_id=2), "question_id: expected a text that is not empty"),
        (row(1), "question_id: 'q1' is the id of row 1 too"),
        (row(2, category=None), "category: expected a text that is not empty"),
        (row(2, difficulty=3), "difficulty: expected a text or null"),
        (row(2, turns=[]), "turns: expected a list of texts"),
        (row(2, turns=["Write.", " \n"]), "turns: expected a list of texts"),
        (row(2, turns=["half a character: \ud83d"]), "turns: expected a list of texts"),
        (row(2, turns="Write."), "turns: expected a list of texts"),
        (row(2, turns=[PLACEHOLDER]), "turns: holds SPEED-Bench's placeholder"),
        (row(2, turns=["Write.", f"# {PLACEHOLDER}."]), "turns: holds SPEED-Bench's placeholder"),
        (row(2, multiturn="yes"), "multiturn: expected true or false"),
        (row(2, answer="42"), "answer: not a column of SPEED-Bench"),
        (without("turns"), "turns: missing"),
        (without("src_id"), "src_id: missing"),
    ],
)
def test_row_that_is_not_as_it_should_be_is_refused_naming_it(tmp_path, bad, message):
    with pytest.raises(SpecError) as caught:
        load_lines(tmp_path, json.dumps(row(1)), json.dumps(bad))
    assert str(caught.value).startswith(f"rows.jsonl:2:1: {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1]", "expected an object"),
        ('{"turns": ["a"], "turns": ["b"]}', "a key appears twice"),
        ('{"multiturn": NaN}', "NaN is not JSON"),
        (b'{"turns": ["\xff"]}', "can't decode byte 0xff"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_line_that_is_not_strict_json_is_refused_naming_it(tmp_path, line, message):
    with pytest.raises(SpecError) as caught:
        load_lines(tmp_path, json.dumps(row(1)), line, json.dumps(row(2)))
    assert [problem.line for problem in caught.value.problems] == [2]
    assert message in str(caught.value)


def test_bad_row_of_a_parquet_file_is_refused_naming_it(tmp_path):
    rows = [row(1), row(2, turns=[PLACEHOLDER])]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with pytest.raises(SpecError, match=r"rows\.parquet:2:1: turns: .*placeholder"):
        load(Dataset(kind="path", path="rows.parquet"), tmp_path)


def test_twenty_problems_are_named_and_the_rest_counted(tmp_path):
    lines = [json.dumps(row(number, turns=[])) for number in range(1, 31)]
    with pytest.raises(SpecError) as caught:
        load_lines(tmp_path, *lines)
    problems = caught.value.problems
    assert [problem.line for problem in problems] == list(range(1, 22))
    assert problems[-1].message == "and 10 more problems from here on"


def test_set_without_rows_is_refused(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist([row(1)]).slice(0, 0), tmp_path / "rows.parquet"
    )
    with pytest.raises(SpecError, match="there are no rows"):
        load(Dataset(kind="path", path="rows.parquet"), tmp_path)


def test_file_that_is_not_parquet_is_refused(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(SpecError, match=r"^rows\.parquet:1:1: not a Parquet file"):
        load(Dataset(kind="path", path="rows.parquet"), tmp_path)


def test_text_in_parquet_that_is_not_utf8_is_refused(tmp_path):
    text = pyarrow.array([b"\xff"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"category": text}), tmp_path / "rows.parquet")
    with pytest.raises(SpecError, match=r"^rows\.parquet:1:1: not a Parquet file .*0xff"):
        load(Dataset(kind="path", path="rows.parquet"), tmp_path)


@pytest.mark.parametrize("name", ["rows.csv", "folder.jsonl"])
def test_path_that_is_no_data_set_is_refused_naming_the_kinds(tmp_path, name):
    (tmp_path / "rows.csv").write_text("question_id\n")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="not a data set") as caught:
        load(Dataset(kind="path", path=name), tmp_path)
    assert ".jsonl or .parquet" in caught.value.mend


def test_path_out_of_the_specs_folder_is_refused(tmp_path):
    (tmp_path / "specs").mkdir()
    (tmp_path / "rows.jsonl").write_text(json.dumps(row(1)))
    with pytest.raises(InputError, match="outside the spec's folder"):
        load(Dataset(kind="path", path="../rows.jsonl"), tmp_path / "specs")


class FakeHub:
    """Answers what `huggingface_hub.HfApi.dataset_info` answers."""

    def __init__(self, commit: str = COMMIT) -> None:
        self.commit = commit

    def dataset_info(self, repo_id, *, revision):
        assert (repo_id, revision) == ("someone/bench", "main")
        return SimpleNamespace(sha=self.commit)


HUB_SET = Dataset(
    kind="hf", repo="someone/bench", revision="main", config="qualitative", split="test"
)


def test_rows_of_a_hub_are_loaded_at_the_commit_of_the_branch(tmp_path):
    calls = []

    def load_dataset(repo, config, **options):
        calls.append((repo, config, options))
        return [row(1), row(2)]

    pin = load(HUB_SET, tmp_path, hub=FakeHub(), load_dataset=load_dataset)
    cache = str(tmp_path / "cache" / "datasets")
    options = {"split": "test", "revision": COMMIT, "cache_dir": cache}
    assert calls == [("someone/bench", "qualitative", options)]
    assert (pin.revision, pin.restricted, pin.file_sha256) == (COMMIT, True, None)
    assert [found.id for found in pin.rows] == ["q1", "q2"]


def test_rows_of_a_hub_that_were_masked_are_refused(tmp_path):
    masked = [row(1, turns=[PLACEHOLDER])]
    with pytest.raises(SpecError, match=f"someone/bench@{COMMIT}:1:1: turns: .*placeholder"):
        load(HUB_SET, tmp_path, hub=FakeHub(), load_dataset=lambda *_, **__: masked)


def test_hub_that_names_no_commit_is_refused(tmp_path):
    with pytest.raises(LockError, match="names no commit"):
        load(HUB_SET, tmp_path, hub=FakeHub("main"), load_dataset=lambda *_, **__: [])


def test_hub_that_lacks_the_set_is_one_clear_error(tmp_path):
    def load_dataset(*_, **__):
        raise ValueError("BuilderConfig 'qualitative' not found")

    with pytest.raises(MachineLacks, match="'qualitative' not found"):
        load(HUB_SET, tmp_path, hub=FakeHub(), load_dataset=load_dataset)


def test_hub_set_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MachineLacks, match="datasets") as caught:
        load(HUB_SET, tmp_path, hub=FakeHub())
    assert caught.value.mend == "pip install 'specseal[hf]'"
