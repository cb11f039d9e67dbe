"""Tokens are counted by tiktoken with its own vocabulary, from a package, or not at all."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import pytest

from specseal.lock import NotCounted, TokenCounter, open_counter, tokens
from speedbench import good_rows


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> bytes:
        raise AssertionError(f"{path} was asked for")

    monkeypatch.setattr("tiktoken.load.read_file", refuse)


def test_tokens_of_all_turns_are_counted_and_special_ones_are_text(tmp_path: Path) -> None:
    counter = open_counter(tmp_path)
    assert isinstance(counter, TokenCounter)
    assert counter.name.startswith("tiktoken ")
    assert counter.name.endswith(", o200k_base")
    # `<|endoftext|>` is one token where it is special, and seven as text.
    turns = [["go go go"], ["go go", "come"], ["<|endoftext|>"]]
    assert counter.count(turns) == [3, 3, 7]


def test_words_of_the_tests_own_files_are_one_token_each(tmp_path: Path) -> None:
    counter = open_counter(tmp_path)
    assert isinstance(counter, TokenCounter)
    row = good_rows("throughput_1k")[0]
    assert counter.count([row["turns"]]) == [1000]


def test_settings_of_the_process_are_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "elsewhere")
    open_counter(tmp_path)
    assert os.environ["TIKTOKEN_CACHE_DIR"] == "elsewhere"


def test_damaged_vocabulary_in_the_cache_is_unpacked_again(tmp_path: Path) -> None:
    open_counter(tmp_path)
    (unpacked,) = (tmp_path / "tiktoken").iterdir()
    unpacked.write_bytes(b"damaged")
    assert isinstance(open_counter(tmp_path), TokenCounter)
    assert len(unpacked.read_bytes()) > 1_000_000


def test_without_tiktoken_nothing_is_counted_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    answer = open_counter(tmp_path)
    assert answer == NotCounted(reason="tiktoken is not installed")
    assert answer.mend == "pip install 'specseal[speed-bench]'"


def test_without_a_vocabulary_nothing_is_counted_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_BRINGS_VOCABULARY", "no_such_package")
    answer = open_counter(tmp_path)
    assert answer == NotCounted(reason="no vocabulary of o200k_base is installed")


def test_package_that_brings_another_vocabulary_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other_package" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "o200k_base.tiktoken.gz").write_bytes(gzip.compress(b"IQ== 0\n"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tokens, "_BRINGS_VOCABULARY", "other_package")
    answer = open_counter(tmp_path)
    assert isinstance(answer, NotCounted)
    assert "is not o200k_base's vocabulary" in answer.reason
