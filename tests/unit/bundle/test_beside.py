"""Several bundles in one table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from attacks.builder import GoodBundle
from specseal.bundle import Contents, beside, open_bundle, render
from specseal.cli.main import group


@pytest.fixture(scope="module")
def contents(good: GoodBundle) -> Contents:
    return open_bundle(good.path)


def of_another_engine(contents: Contents) -> Contents:
    lock = contents.lock
    other = replace(lock, engine={**lock.engine, "name": "vllm", "version": "0.32.0"})
    return replace(contents, lock=other)


def test_rows_of_each_are_under_its_engines_name(contents: Contents) -> None:
    summary = beside([contents, of_another_engine(contents)], by="load")
    names = [row[0] for row in summary.rows]
    half = len(names) // 2
    assert names == ["llamacpp 2026.10.11549"] * half + ["vllm 0.32.0"] * half
    assert summary.headers[0] == "of"
    assert all(len(row) == len(summary.headers) for row in summary.rows)
    assert "prompts (token ids): equal" in render(summary, "simple")


def test_prompts_that_differ_are_told(contents: Contents) -> None:
    lock = contents.lock
    other = replace(contents, lock=replace(lock, prompts={**lock.prompts, "sha256": "f" * 64}))
    sentences = beside([contents, other], by="load").sentences
    (told,) = (one for one in sentences if one.startswith("prompts"))
    assert told.startswith("prompts (token ids): NOT equal (")
    assert any(one.startswith("sampling: equal") for one in sentences)


def test_bundles_of_one_engine_are_told_apart_by_what_differs(contents: Contents) -> None:
    other = replace(contents, manifest="e" * 64)
    names = {row[0] for row in beside([contents, other], by="load").rows}
    assert names == {contents.manifest[:12], "e" * 12}


def test_figure_that_only_one_has_is_absent_in_the_others(contents: Contents) -> None:
    metrics = tuple(one for one in contents.result.metrics if one.name != "output_tps")
    other = replace(of_another_engine(contents), result=replace(contents.result, metrics=metrics))
    summary = beside([contents, other], by="load")
    column = summary.headers.index("output tok/s")
    cells = {row[0]: row[column] for row in summary.rows}
    assert cells["vllm 0.32.0"] == "–"
    assert cells["llamacpp 2026.10.11549"] != "–"


def test_command_shows_them_and_both_as_json(good: GoodBundle) -> None:
    shown = CliRunner().invoke(group, ["show", str(good.path), str(good.path)])
    assert "prompts (token ids): equal" in shown.output
    document = CliRunner().invoke(group, ["show", "--json", str(good.path), str(good.path)])
    assert document.output.count('"recipe"') == 2
