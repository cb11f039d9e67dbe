"""The table of attacks in `docs/security.md` names tests that are there."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
TEXT = (FOLDER.parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.MULTILINE)
NAMED = re.compile(r"`(?:(test_\w+\.py)::)?(test_\w+)`")


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_test_that_the_table_names_is_there() -> None:
    there = {path.name: names_in(path) for path in FOLDER.glob("test_*.py")}
    everywhere = set().union(*there.values())
    named = [one for _, row in ROWS for one in NAMED.findall(row)]
    lacking = [f"{file}::{name}" for file, name in named if name not in there.get(file, everywhere)]
    assert not lacking
    assert not {file for file, _ in named if file} - there.keys()


def test_every_row_names_a_test_and_a_finding() -> None:
    assert len(ROWS) >= 17
    for number, row in ROWS:
        assert NAMED.search(row), number
        assert re.search(r"`[a-z]+\.[a-z0-9_]+` *$", row), number
