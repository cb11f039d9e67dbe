"""The table of attacks in `docs/security.md`: all 18 classes, each with tests that are there."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
TEXT = (FOLDER.parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
CHAPTER = TEXT.partition("\n## Attacks, and the tests that hold them\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", CHAPTER, re.MULTILINE)
"""Number of the class, what it is, and with which findings it is refused."""
LISTS = re.findall(r"^### (\d+)\. .+\n\n((?:- .+\n)+)", CHAPTER, re.MULTILINE)
"""Number of the class, and a line a case."""
CLASSES = [str(number) for number in range(1, 19)]
"""Of `trust.md`, by which issue 5 asks for these tests."""
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
CODE = re.compile(r"`([a-z]+)\.([a-z0-9_]+)`")
BY_MESSAGE = "by message"
"""In the place of codes: what is refused before there is anything to verify."""


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_class_of_attack_has_its_row_and_its_list() -> None:
    assert list(dict.fromkeys(number for number, _, _ in ROWS)) == CLASSES
    assert [number for number, _ in LISTS] == [number for number, _, _ in ROWS]


def test_every_case_names_a_test_that_is_there() -> None:
    there = {path.name: names_in(path) for path in FOLDER.glob("test_*.py")}
    for number, cases in LISTS:
        for case in cases.splitlines():
            named = NAMED.findall(case)
            assert named, f"{number}: {case}"
            # Nothing that looks like a test's name may escape the pattern above.
            assert case.count("test_") == sum("".join(one).count("test_") for one in named), case
            lacking = [name for file, name in named if name not in there.get(file, set())]
            assert not lacking, number


def test_every_file_of_attacks_is_in_the_table() -> None:
    named = {file for _, cases in LISTS for file, _ in NAMED.findall(cases)}
    files = {path.name for path in FOLDER.glob("test_*.py")} - {Path(__file__).name}
    assert named == files


def test_every_finding_that_the_table_names_is_one_that_a_test_expects() -> None:
    paths = [path for path in FOLDER.glob("*.py") if path != Path(__file__)]
    tests = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    for number, _, findings in ROWS:
        codes = CODE.findall(findings)
        assert codes or findings == BY_MESSAGE, number
        for step, what in codes:
            # Where all findings are one step's, the tests put its name before them themselves.
            assert f'"{step}.{what}"' in tests or f'"{what}"' in tests, f"{step}.{what}"
