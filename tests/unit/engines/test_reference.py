"""The capability table as people read it, and what a spec outside it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specseal.cli.main import group
from specseal.engines import CAPABILITIES
from specseal.engines.reference import REFERENCE_FILE, render_engines

ROOT = Path(__file__).parents[3]
EVIDENCE = {"run here", "the engine's own parser", "documentation", "the server's operator"}


def test_page_of_the_table_is_what_would_be_generated() -> None:
    shown = (ROOT / REFERENCE_FILE).read_text(encoding="utf-8")
    assert shown == render_engines(CAPABILITIES.rows()), "run `specseal engines --write .`"


def test_every_row_says_how_it_is_known() -> None:
    rows = CAPABILITIES.rows()
    assert {row.evidence for row in rows} <= EVIDENCE
    assert all(row.flags and row.source for row in rows)
    keys = [
        (row.engine, row.family, row.method, version) for row in rows for version in row.versions
    ]
    assert len(keys) == len(set(keys))


def test_command_shows_every_row_and_writes_the_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shown = CliRunner().invoke(group, ["engines", "--json"])
    assert len(json.loads(shown.output)["capabilities"]) == len(CAPABILITIES.rows())
    table = CliRunner().invoke(group, ["engines"]).output
    assert len(table.splitlines()) == len(CAPABILITIES.rows()) + 2
    wide = CliRunner().invoke(group, ["engines", "--wide"]).output
    assert all(row.flags in wide and row.source in wide for row in CAPABILITIES.rows())
    assert CliRunner().invoke(group, ["engines", "--write", str(tmp_path)]).exit_code == 0
    assert (tmp_path / REFERENCE_FILE).read_text() == render_engines(CAPABILITIES.rows())


@pytest.mark.parametrize("engine", [name for name in CAPABILITIES.engines if name != "endpoint"])
def test_what_is_not_in_the_table_is_told_what_is(engine: str) -> None:
    said = CAPABILITIES.nearest(engine, "cpu", "ngram")
    assert "llamacpp" in said or "use one of" in said


@pytest.mark.parametrize(
    ("engine", "accelerator", "version", "method", "instead"),
    [
        ("vllm", "nvidia/h100-sxm5-80gb", "0.13.0", "draft_model", "vllm 0.32.0 on cuda"),
        ("vllm", "nvidia/h100-sxm5-80gb", "0.13.0", "dflash", "vllm 0.32.0 on cuda"),
        ("sglang", "nvidia/h100-sxm5-80gb", "0.5.7", "dflash", "sglang 0.5.23 on cuda"),
        ("sglang", "amd/mi300x-192gb", "0.5.7", "ngram", "sglang 0.5.23 on rocm"),
    ],
)
def test_method_that_another_version_has_is_named_with_that_version_first(
    engine: str, accelerator: str, version: str, method: str, instead: str
) -> None:
    assert method not in CAPABILITIES.methods(engine, accelerator, version)
    here, elsewhere = CAPABILITIES.nearest(engine, accelerator, method, version).split("; ")
    assert method not in here.removeprefix("use one of ").split(", ")
    assert elsewhere.startswith(f"{method} works with {instead}")


def test_method_that_is_nowhere_here_is_named_with_where_it_is() -> None:
    said = CAPABILITIES.nearest("llamacpp", "tpu/v5", "ngram")
    assert said.startswith("llamacpp runs on cpu")
    assert "ngram works with vllm 0.32.0 on cpu" in said
