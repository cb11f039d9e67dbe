"""Which files of SPEED-Bench a path stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from specseal.errors import InputError
from specseal.lock import find_official

CONFIGS = ("qualitative", "throughput_1k")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What the two official steps leave, empty files."""
    for config in CONFIGS:
        parquet = tmp_path / "parquet" / "data" / "speed" / config / "test.parquet"
        parquet.parent.mkdir(parents=True)
        parquet.touch()
        lines = tmp_path / "lines" / f"{config}.jsonl"
        lines.parent.mkdir(exist_ok=True)
        lines.touch()
    return tmp_path


@pytest.mark.parametrize("folder", ["parquet", "parquet/data", "parquet/data/speed", "lines"])
def test_every_configuration_below_a_folder_is_found(folder: str, made: Path) -> None:
    form = "parquet" if folder.startswith("parquet") else "json-lines"
    found = [(file.config, file.form) for file in find_official(made / folder)]
    assert found == [(config, form) for config in CONFIGS]


@pytest.mark.parametrize(
    "path",
    [
        "parquet/data/speed/throughput_1k",
        "parquet/data/speed/throughput_1k/test.parquet",
        "lines/throughput_1k.jsonl",
    ],
)
def test_folder_or_file_of_one_configuration_says_which(path: str, made: Path) -> None:
    assert [file.config for file in find_official(made / path)] == ["throughput_1k"]


def test_folder_of_one_configuration_may_be_the_working_folder(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made / "parquet/data/speed/qualitative")
    assert [file.config for file in find_official(Path())] == ["qualitative"]
    assert [file.config for file in find_official(Path("test.parquet"))] == ["qualitative"]


def test_only_the_configuration_that_is_asked_for_is_read(made: Path) -> None:
    assert [file.config for file in find_official(made / "lines", "throughput_1k")] == [
        "throughput_1k"
    ]


def test_file_of_any_name_is_what_config_says(made: Path) -> None:
    path = made / "lines" / "qualitative.jsonl"
    renamed = path.rename(path.with_name("copy.jsonl"))
    assert [file.config for file in find_official(renamed, "qualitative")] == ["qualitative"]
    with pytest.raises(InputError, match="does not say which configuration") as caught:
        find_official(renamed)
    assert "--config" in caught.value.mend


def test_configuration_in_both_forms_is_refused_naming_both(made: Path) -> None:
    folder = made / "parquet" / "data" / "speed"
    (folder / "qualitative.jsonl").touch()
    with pytest.raises(InputError, match="qualitative is there 2 times") as caught:
        find_official(folder)
    assert "qualitative/test.parquet" in caught.value.message
    assert "qualitative.jsonl" in caught.value.message


def test_nothing_of_speed_bench_is_refused(made: Path) -> None:
    with pytest.raises(InputError, match="no file of any configuration"):
        find_official(made)
    with pytest.raises(InputError, match="no file of throughput_32k"):
        find_official(made / "lines", "throughput_32k")


def test_file_of_another_kind_is_refused(made: Path) -> None:
    (made / "qualitative.csv").touch()
    with pytest.raises(InputError, match="neither Parquet nor JSON lines"):
        find_official(made / "qualitative.csv")
