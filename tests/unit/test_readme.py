"""The README says what is so: its examples work, its tables are whole, its picture is its table."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import click
import pytest

from specseal import errors
from specseal.cli.main import group
from specseal.columns import COLUMNS
from specseal.engines import CAPABILITIES
from specseal.lock.datasets import load_rows
from specseal.settings import Settings, load_settings
from specseal.spec import parse_spec
from specseal.spec.locked import RECIPE_SECTIONS, Lock
from specseal.spec.model import Dataset

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md")],
    key=lambda path: path.as_posix(),
)
PICTURES = ROOT / "docs" / "img"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def table_under(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading of the README, its head left out."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def command_of(row: list[str]) -> str:
    return names_in(row[0])[0].split()[0]


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command, and of the commands in it."""
    within = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(options_of, within))


def test_spec_in_the_readme_is_valid() -> None:
    (example,) = blocks("yaml")
    spec = parse_spec(example.encode(), path="README.md", capabilities=CAPABILITIES)
    assert (spec.model.path, spec.workload.dataset.path) == ("models/mine.gguf", "prompts.jsonl")


def test_prompts_in_the_readme_are_a_data_set(tmp_path: Path) -> None:
    (example,) = blocks("json")
    (tmp_path / "prompts.jsonl").write_text(example, encoding="utf-8")
    site = load_settings({}, tmp_path)
    dataset = Dataset(kind="path", path="prompts.jsonl")
    pin = load_rows(dataset, spec_folder=tmp_path, settings=site)
    assert [len(row.turns) for row in pin.rows] == [2, 1]


def test_settings_in_the_readme_are_read_and_are_all_there_are(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    (tmp_path / "specseal.toml").write_text(example, encoding="utf-8")
    load_settings({"SPECSEAL_CONFIG_DIR": str(tmp_path / "none")}, tmp_path)
    of_a_site = {field.name for field in fields(Settings)} - {"config_dir"}
    assert tomllib.loads(example).keys() == of_a_site


def test_every_command_is_in_the_readme_and_no_other() -> None:
    assert [command_of(row) for row in table_under("Commands")] == list(group.commands)


def test_options_in_the_readme_exist() -> None:
    for row in table_under("Commands"):
        known = options_of(group.commands[command_of(row)])
        told = {name.split()[0] for name in names_in(row[1]) if name.startswith("--")}
        assert told <= known, row


def test_every_command_takes_json_as_the_readme_says() -> None:
    for command in group.commands.values():
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        assert all("--json" in options_of(leaf) for leaf in leaves)


def test_exit_codes_in_the_readme_are_those_of_the_errors() -> None:
    told = [int(row[0]) for row in table_under("Exit codes")]
    classes = [item for item in vars(errors).values() if isinstance(item, type)]
    codes = {item.exit_code for item in classes if issubclass(item, errors.SpecsealError)}
    assert told == sorted({0} | codes)


def test_sections_of_a_lock_in_the_readme_are_all_and_the_recipes_come_first() -> None:
    rows = [names_in(row[0]) for row in table_under("What is pinned")]
    told = {name for row in rows for name in row}
    assert told == {field.name for field in fields(Lock)} - {"schema"}
    assert {name for row in rows[:-1] for name in row} == set(RECIPE_SECTIONS)


def test_table_in_the_readme_has_the_columns_that_show_prints() -> None:
    assert shown_table()[0][2:] == [column.header for column in COLUMNS]


def test_picture_shows_the_figures_of_the_readmes_table() -> None:
    drawn = picture_text((PICTURES / "quickstart.svg").read_text(encoding="utf-8"))
    assert [cell for row in shown_table() for cell in row if cell not in drawn] == []


def test_picture_is_what_draw_makes_of_its_table() -> None:
    table = (PICTURES / "quickstart.txt").read_text(encoding="utf-8")
    drawn = (PICTURES / "quickstart.svg").read_text(encoding="utf-8")
    assert drawn == draw_program().draw(table), "run docs/img/draw.py"


def test_picture_fetches_nothing() -> None:
    drawn = (PICTURES / "quickstart.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' )]+", drawn)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in drawn
    assert "@font-face" not in drawn


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def shown_table() -> list[list[str]]:
    """Return the quickstart's table as the README shows it: its names, then its lines."""
    shown = next(block for block in blocks("text") if "specs/quickstart.yaml" in block)
    lines = shown.partition("\n\n")[0].splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("---"))
    spans = [match.span() for match in re.finditer("-+", lines[rule])]
    rows = [*lines[rule - 2 : rule], *lines[rule + 1 :]]  # names take two lines
    cells = [[row[start:end].strip() for start, end in spans] for row in rows]
    names = [" ".join(filter(None, pair)) for pair in zip(*cells[:2], strict=True)]
    return [names, *cells[2:]]


def picture_text(svg: str) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext()).replace("\N{NO-BREAK SPACE}", " ")


def draw_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", PICTURES / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
