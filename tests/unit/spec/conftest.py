"""A good spec to break, and its problems as a user would read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from specseal.errors import SpecError
from specseal.spec import parse_spec


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).parents[3]


@pytest.fixture(scope="session")
def quickstart(root: Path) -> str:
    return (root / "specs/quickstart.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def problems() -> Callable[[str], list[str]]:
    """Return what a text is refused for, as `line:column: where: message`; [] for a good spec."""

    def found(text: str) -> list[str]:
        try:
            parse_spec(text.encode(), path="x")
        except SpecError as error:
            return [str(problem).removeprefix("x:") for problem in error.problems]
        return []

    return found


@pytest.fixture(scope="session")
def broken(quickstart: str, problems: Callable[[str], list[str]]) -> Callable[..., list[str]]:
    """Return the problems of the quickstart after replacing text in it, (old, new) at a time."""

    def found(*replacements: tuple[str, str]) -> list[str]:
        text = quickstart
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} is not in the quickstart exactly once"
            text = text.replace(old, new)
        return problems(text)

    return found
